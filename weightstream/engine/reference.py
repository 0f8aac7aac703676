"""The causal filter again, through pykalman and plain Python: the oracle of the compiled one.

Some hundred times slower. It shares with the kernel only the layout of its inputs and outputs,
and constants.
"""

from dataclasses import dataclass, field
from math import exp, inf, log, nan, pi, sqrt

import numpy as np

from weightstream.batch import Codes, Floats, Ints
from weightstream.engine import kernel as k
from weightstream.engine import mixture as x
from weightstream.engine import model as m
from weightstream.engine import track as t
from weightstream.engine.kernel import Bools
from weightstream.engine.reference_mixture import (
    Explanations,
    explain,
    likeliest,
    total,
    valid_density,
)
from weightstream.engine.reference_track import (
    Reading,
    Track,
    begin,
    conditions,
    forecast,
    interval_sd,
    join,
    predict,
    update,
)
from weightstream.schema import REASONS


@dataclass
class Person:
    """What the pass over one person's readings knows, and where it writes."""

    p: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    forced: Codes
    main: Track | None = None
    other: Track | None = None
    last: tuple[float, float, float, float] = (nan, nan, nan, nan)  # day, kg, source, reason
    fault: int = 0  # the last error of a kind that comes in bursts, and its source
    fault_source: float = nan
    accepted_day: float = nan
    readings: list[Reading] = field(default_factory=list)


def filter_reference(
    indptr: Ints,
    day: Floats,
    hour: Floats,
    weight: Floats,
    source: Ints,
    forced: Codes,
    process: Floats,
    table: Floats,
    start: Floats,
    out: Floats,
    accepted: Bools,
    reason: Codes,
    state: Floats,
    settled: Bools,
) -> None:
    """Same arguments and meaning as kernel.filter_kernel."""
    out[:] = np.nan
    for u in range(len(indptr) - 1):
        person = _load(start[u], Person(process, out, accepted, reason, forced))
        for i in range(indptr[u], indptr[u + 1]):
            s = table[source[i]]
            h, offset, extra = conditions(day[i], hour[i], process)
            reading = Reading(
                i, float(day[i]), float(weight[i]), s, h, offset + s[m.BIAS], s[m.NOISE_VAR] + extra
            )
            person.readings.append(reading)
            with np.errstate(over="ignore"):  # a wild value's density is 0, as it should be
                _judge(person, reading)
        settled[u] = _save(person, state[u])


def _log_normal(residual: float, variance: float) -> float:
    return -0.5 * (residual**2 / variance + log(2 * pi * variance))


def _probability(log_odds: float) -> float:
    return 0.0 if log_odds < -700 else 1 / (1 + exp(-log_odds))


def _note(out: Floats, at: int, track: Track) -> None:
    out[at + k.LEVEL] = track.mean[0]
    out[at + k.LEVEL_SD] = sqrt(max(track.covariance[0, 0], 0.0))
    out[at + k.TREND] = track.mean[1]


def _judge(person: Person, reading: Reading) -> None:
    p, i, main = person.p, reading.row, person.main
    out = person.out[i]
    mean, variance = p[m.START_MEAN], p[m.START_VAR] + reading.noise
    if main is not None:
        predict(main, reading.day, p)
        mean, variance = forecast(main, reading)
        out[k.MEAN], out[k.SD] = mean + reading.offset, interval_sd(variance, p)
        _note(out, 0, main)
    plausible = p[m.LOWEST] <= reading.weight <= p[m.HIGHEST]
    valid, usual = valid_density(reading.y - mean, variance, reading.day - person.accepted_day, p)
    valid *= reading.s[m.RATE] if plausible else 0.0
    errors = explain(reading.weight, mean + reading.offset, variance, reading.s, p)
    _recall(person, reading, errors)
    free = person.forced[i] == 0
    out[k.P] = valid / (valid + total(errors)) if free else float(person.forced[i] == 1)
    person.accepted[i] = out[k.P] >= p[m.ACCEPT]
    if not free:
        person.reason[i] = x.OVERRIDE
    if person.accepted[i]:
        if free:
            person.reason[i] = x.OK
        person.other = None
        if main is None:
            main = person.main = begin(reading, p)
        else:
            update(main, reading, usual, p)
            join(main, reading)
        if free:
            main.odds += log(valid)
        _note(out, 0, main)
    elif free:
        reason = likeliest(errors)
        person.reason[i] = REASONS.index(reason)
        out[k.SUGGESTED] = errors[reason].undone
    _remember(person, reading)
    no_candidate = person.accepted[i] or not free or person.reason[i] == x.REPEAT
    if no_candidate or main is None or not plausible:
        return
    _pend(person, main, reading, log(valid + total(errors)), reading.y - mean, variance)
    _settle(person, main, reading)


def _recall(person: Person, reading: Reading, errors: Explanations) -> None:
    """Errors of one kind come in bursts; one weighing comes through several apps."""
    rate = reading.s[m.RATE + person.fault]
    goes_on = person.fault == person.last[3] or person.fault_source == reading.key
    if person.fault and goes_on and rate > 0:
        errors[REASONS[person.fault]].density *= 1 + person.p[m.BURST] / rate
    day, kg, source, _ = person.last
    soon = reading.day - day <= x.COPY_DAYS
    if soon and abs(reading.weight - kg) <= x.COPY_KG and source != reading.key:
        errors["repeat"].density = x.COPY_RATE / x.LATTICE_KG


def _remember(person: Person, reading: Reading) -> None:
    reason = x.OK if person.accepted[reading.row] else int(person.reason[reading.row])
    person.last = (reading.day, reading.weight, reading.key, float(reason))
    if x.OK < reason <= x.HUNDREDS_OFF:
        person.fault, person.fault_source = reason, reading.key
    elif person.accepted[reading.row]:
        person.accepted_day = reading.day
        if person.fault_source == reading.key:
            person.fault = 0


def _pend(
    person: Person,
    main: Track,
    reading: Reading,
    log_mixture: float,
    residual: float,
    variance: float,
) -> None:
    p, other, out, s = person.p, person.other, person.out[reading.row], reading.s
    if other is not None:
        predict(other, reading.day, p)
        mean, spread = forecast(other, reading)
        valid, usual = valid_density(reading.y - mean, spread, 0.0, p)
        valid *= s[m.RATE]
        wrong = total(explain(reading.weight, mean + reading.offset, spread, s, p))
        believed = log(valid + wrong)
        guest = person.reason[reading.row] in (x.OTHER_PERSON, x.OUTLIER)
        again = p[m.GUEST] * valid if guest and other.source == reading.key else 0.0
        other.odds += believed - log(exp(log_mixture) + again)
        other.start_odds += believed - log_mixture
        fits = valid >= wrong
        if fits:
            out[k.C + k.P] = valid / (valid + wrong)
            out[k.C + k.MEAN] = mean + reading.offset
            out[k.C + k.SD] = interval_sd(spread, p)
            out[k.MEMBER] = 1.0
            update(other, reading, usual, p)
            join(other, reading)
        _note(out, k.C, other)
        other.missed = 0 if fits else other.missed + 1
        if other.missed < other.count:
            return
    person.other = other = begin(reading, p)
    own = log(s[m.RATE]) - log_mixture
    other.odds = _step(residual, variance, reading.day - person.accepted_day, p) + own
    young = main.count <= k.YOUNG and len(person.readings) <= k.YOUNG_ROWS
    if young and not main.confirmed(reading.day, p):
        other.start_odds = _case_against_start(person, main, other) + own
    _note(out, k.C, other)
    out[k.MEMBER] = 1.0


def _step(size: float, variance: float, gap: float, p: Floats) -> float:
    """Log of how often a level steps over `gap` days, times the density of such a step."""
    often = min(max(gap * p[m.SHIFT_PER_DAY], p[m.SHIFT_LEAST]), p[m.SHIFT_MOST])
    sudden = max(1 - gap / m.SUDDEN_DAYS, 0)
    own = sudden * p[m.SUDDEN_VAR] + (1 - sudden) * p[m.SHIFT_VAR]
    return log(often) + _log_normal(size, variance + own)


def _seen_from(track: Track, reading: Reading, growth: float, p: Floats) -> Explanations:
    """The errors that an earlier reading may be, if the track is the person's course."""
    mean = reading.h[0, 0] * track.mean[0] + reading.offset
    _, spread = forecast(track, reading)
    return explain(reading.weight, mean, spread + growth, reading.s, p)


def _case_against_start(person: Person, main: Track, other: Track) -> float:
    p = person.p
    odds = _log_normal(other.mean[0] - p[m.START_MEAN], p[m.START_VAR]) - main.odds
    for reading in person.readings:
        if reading.row < other.row and person.accepted[reading.row]:
            if person.forced[reading.row] == 1:
                return -inf
            growth = (other.day - reading.day) * p[m.SHIFT_PER_DAY]
            odds += log(total(_seen_from(other, reading, growth, p)))
    return odds


def _settle(person: Person, main: Track, reading: Reading) -> None:
    """Let the candidate take over where it has the better case."""
    other = person.other
    if other is None:
        return
    if other.count >= 2 and other.start_odds > max(other.odds, 0.0):
        _demote(person, other)
        _adopt(person, other, reading.row, other.start_odds)
    elif other.odds > 0 and other.confirmed(reading.day, person.p):
        person.out[other.row, k.SHIFT_FROM] = main.mean[0]
        person.out[other.row, k.SHIFT_TO] = other.mean[0]
        _adopt(person, other, reading.row, other.odds)


def _adopt(person: Person, other: Track, last: int, odds: float) -> None:
    for row in range(other.row, last + 1):
        out = person.out[row]
        if out[k.MEMBER] == 1.0:
            person.accepted[row], person.reason[row] = True, x.OK
            out[k.SUGGESTED] = np.nan
            out[k.P] = out[k.C + k.P]
            if row > other.row:
                out[[k.MEAN, k.SD]] = out[[k.C + k.MEAN, k.C + k.SD]]
        if not np.isnan(out[k.C + k.LEVEL]):
            out[k.LEVEL : k.TREND + 1] = out[k.C + k.LEVEL : k.C + k.TREND + 1]
    person.out[other.row, k.P] = _probability(odds)
    other.odds = 0.0
    person.main, person.other = other, None
    person.accepted_day, person.fault = other.day, 0


def _demote(person: Person, other: Track) -> None:
    for reading in person.readings:
        row = reading.row
        if row >= other.row:
            break
        out = person.out[row]
        out[k.MEAN : k.TREND + 1] = np.nan
        if person.accepted[row]:
            out[k.P] = _probability(-other.start_odds)
            person.accepted[row] = False
        if person.reason[row] != x.REPEAT and person.forced[row] == 0:
            errors = _seen_from(other, reading, 0.0, person.p)
            reason = likeliest(errors)
            person.reason[row] = REASONS.index(reason)
            out[k.SUGGESTED] = errors[reason].undone


def _load(state: Floats, person: Person) -> Person:
    if np.isnan(state[t.DAY]):
        return person
    ll, lv, lw, vv, vw, ww = state[t.LL : t.WW + 1]
    person.main = Track(
        day=state[t.DAY],
        mean=state[[t.L, t.V, t.W]],
        covariance=np.array([[ll, lv, lw], [lv, vv, vw], [lw, vw, ww]]),
        since=state[t.SINCE],
        source=state[t.SOURCE],
        sources=state[t.SOURCES] == 1.0,
        count=int(state[t.COUNT]),
    )
    memory = state[t.TRACK_KEPT :].tolist()
    day, kg, source, reason, fault, person.fault_source, person.accepted_day = memory
    person.last, person.fault = (day, kg, source, reason), int(fault)
    return person


def _save(person: Person, state: Floats) -> bool:
    """Write the state; says whether later readings leave what was decided as it is."""
    track = person.main
    state[:] = np.nan
    if track is None:
        return False
    state[t.DAY] = track.day
    state[[t.L, t.V, t.W]] = track.mean
    state[t.LL : t.WW + 1] = track.covariance[np.triu_indices(3)]
    state[t.COUNT : t.TRACK_KEPT] = track.count, track.since, -1, 1
    state[t.TRACK_KEPT :] = (
        *person.last, person.fault, person.fault_source, person.accepted_day,
    )  # fmt: skip
    return person.other is None and track.confirmed(track.day, person.p)
