"""The short way of most readings: unsurprising ones on a single calm course. Compiled."""

import math

from weightstream.engine.beam import SURE, UNSURPRISING, Beam
from weightstream.engine.compiled import inlined
from weightstream.engine.course import (
    KNOWN,
    VALID,
    learn_scatter,
    noise_of,
    raise_guest,
    raise_run,
    rate_factor,
    remember,
    restless_rate,
)
from weightstream.engine.densities import (
    believed_noise,
    interval_sd,
    move_rates,
    tail_share,
    valid_density,
)
from weightstream.engine.mixture import OK, explain
from weightstream.engine.process import conditions, scatter, small, spread, update
from weightstream.engine.records import REASON_COUNT


@inlined
def go_straight(k: Beam, i: int, n: int) -> tuple[bool, float, float, float, float]:
    """Process an unsurprising reading on a single calm course; return whether it was one."""
    c = k.courses[0]
    usual = c.restless == 0.0 and c.label == 1.0 and c.right >= KNOWN
    if n > 1 or not usual or k.readings[i].forced != 0:
        return False, 0.0, 0.0, 0.0, 0.0
    p, s, y = k.p[0], k.table[k.readings[i].source], k.readings[i].weight
    factor, offset, extra = conditions(k.readings[i].day, k.readings[i].hour, s, p)
    level = c.r + c.x
    size = scatter(level)
    noise = noise_of(c, s, extra) * size * size
    tail = p.tail_var * size * size
    mean = factor * level + c.w + (offset + s.bias) * small(level)
    variance = spread(c, factor) + noise
    residual = y - mean
    if residual * residual > UNSURPRISING * variance or variance > 9.0:
        return False, 0.0, 0.0, 0.0, 0.0
    gap = abs(k.readings[i].day - c.seen)
    share = tail_share(gap, k.readings[i].hour, p)
    density, core = valid_density(residual, variance, share, tail)
    rate = rate_factor(c.wrong, c.feared, s)
    wrong = rate * explain(y, mean, variance, s, p, k.errors)
    for reason in range(1, REASON_COUNT):
        k.errors[reason].density *= rate
    wrong += raise_run(c, s, rate, k.errors) + raise_guest(c, y, s, k.errors)
    moving, leaping = move_rates(gap, p)
    right = density * (1.0 - rate * (1.0 - s.rate[OK])) * (1.0 - moving - leaping)
    right *= 1.0 - restless_rate(c, k.readings[i].day, p)
    if wrong > SURE * right or right < p.accept * (right + wrong):
        return False, 0.0, 0.0, 0.0, 0.0
    learn_scatter(c, residual, variance, p)
    update(c, residual, variance - noise + believed_noise(noise, core, tail), factor)
    c.seen = k.readings[i].day
    remember(c, VALID, OK, y, s)
    evidence = math.log(right + wrong)
    sd = interval_sd(variance, p.tail_share, tail)
    return True, right / (right + wrong), mean, sd, evidence
