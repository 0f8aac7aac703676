"""New levels against bursts of errors, once both sides of them are known. Compiled."""

import math

from weightstream.engine.compiled import jit
from weightstream.engine.densities import log_normal, step_log_density
from weightstream.engine.kernel import LEVEL, LEVEL_SD
from weightstream.engine.mixture import HUNDREDS_OFF, explain, likeliest
from weightstream.engine.model import (
    BURST,
    LEVEL_NOISE,
    RATE,
    TREND_VAR,
    WATER_VAR,
)
from weightstream.engine.retro import (
    FACTOR,
    JUMP,
    MISSING,
    NOISE,
    OFFSET,
    VALID,
    WEIGHED,
    WRONG,
    Series,
)

MOST_BURSTS = 20  # taken back in one person; each costs another look at the series


@jit
def case_against_step(k: Series, row: int) -> float:
    """Log odds against a step of the level just before a row."""
    size = k.out[row, LEVEL] - k.out[row - 1, LEVEL]
    return -step_log_density(size, 0.0, k.day[row] - k.day[row - 1], k.p)


@jit
def bridge(
    k: Series, first: int, begin: int, end: int, last: int, day: float
) -> tuple[float, float]:
    """Level at a day within begin:end as its surroundings have it, and its variance."""
    p, out = k.p, k.out
    before, after = begin > first, end < last
    edge = begin - 1 if before else end
    gap = abs(day - k.day[edge])
    variance = out[edge, LEVEL_SD] ** 2 + gap * (p[LEVEL_NOISE] + p[TREND_VAR] * gap)
    if not (before and after):
        return out[edge, LEVEL], variance
    part = gap / max(k.day[end] - k.day[edge], 1e-9)
    return (1.0 - part) * out[edge, LEVEL] + part * out[end, LEVEL], variance


@jit
def case_for_errors(k: Series, first: int, begin: int, end: int, last: int) -> float:
    """Log odds that rows begin:end, taken for a level of their own, are errors in a row.

    The case for a level: a step there and, unless at an end of the series, one back. The case for
    errors: the first as rare as ever, the next of the same kind, and the level around unbroken.
    """
    p = k.p
    before, after = begin > first, end < last
    odds = 0.0
    if before:
        odds += case_against_step(k, begin)
    if after:
        odds += case_against_step(k, end)
    if before and after:
        level, variance = bridge(k, first, begin, last, last, k.day[end])
        variance += k.out[end, LEVEL_SD] ** 2
        odds += log_normal(k.out[end, LEVEL] - level, variance)
    kind = 0
    for i in range(begin, end):
        w, s = k.work[i - first], k.table[k.source[i]]
        if w[WEIGHED] == MISSING:
            continue  # an error either way
        level, variance = bridge(k, first, begin, end, last, k.day[i])
        mean = w[FACTOR] * level + w[OFFSET]
        variance += w[NOISE] + p[WATER_VAR]
        wrong = explain(k.weight[i], mean, variance, s, p, k.density, k.undone)
        if kind == 0:
            kind = likeliest(k.density)
            if kind > HUNDREDS_OFF and not (before and after):
                return -math.inf  # only a way back tells another person from a new level
        else:
            odds -= math.log(w[VALID] + w[WRONG])
            if kind > HUNDREDS_OFF:
                wrong += p[BURST] * w[VALID]
            elif s[RATE + kind] > 0.0:
                wrong += p[BURST] * k.density[kind] / s[RATE + kind]
        odds += math.log(wrong)
    return odds if kind > 0 else -math.inf


@jit
def next_level(k: Series, first: int, row: int, last: int) -> int:
    """The first row after `row` where a level starts, or last."""
    row += 1
    while row < last and k.work[row - first, JUMP] == 0.0:
        row += 1
    return row


@jit
def vouched_for(k: Series, begin: int, end: int) -> bool:
    """Whether a person accepted one of the rows."""
    found = False
    for i in range(begin, end):
        found = found or k.forced[i] > 0
    return found


@jit
def take_back_bursts(k: Series, first: int, last: int) -> bool:
    """Take back levels that are rather bursts of errors, the clearest first; says if any was."""
    for turn in range(MOST_BURSTS):
        best, best_begin, best_end = 0.0, first, first
        begin = first
        while begin < last:
            end = next_level(k, first, begin, last)
            one_of_several = begin > first or end < last
            if one_of_several and not vouched_for(k, begin, end):
                odds = case_for_errors(k, first, begin, end, last)
                if odds > best:
                    best, best_begin, best_end = odds, begin, end
            begin = end
        if best_end == first:
            return turn > 0
        for row in range(best_begin, best_end):
            k.work[row - first, WEIGHED] = MISSING
        k.work[best_begin - first, JUMP] = 0.0
        if best_end < last:
            k.work[best_end - first, JUMP] = 0.0
    return True
