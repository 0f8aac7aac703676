"""The causal filter again, through pykalman and plain Python: the oracle of the compiled one.

Some hundred times slower. It shares with the kernel only the layout of its inputs and outputs,
and constants.
"""

from dataclasses import dataclass, field
from math import cos, erfc, exp, expm1, inf, log, nan, pi, sqrt

import numpy as np
from pykalman import KalmanFilter

from weightstream.batch import Floats, Ints
from weightstream.engine import kernel as k
from weightstream.engine import mixture as x
from weightstream.engine import model as m
from weightstream.engine import track as t
from weightstream.engine.kernel import Bools, Codes
from weightstream.engine.reference_mixture import (
    Explanations,
    explain,
    likeliest,
    total,
    valid_density,
)
from weightstream.schema import REASONS

FILTER = KalmanFilter(n_dim_state=3, n_dim_obs=1)


@dataclass(frozen=True)
class Reading:
    """One reading and what the model says of such a one."""

    row: int
    day: float
    weight: float
    s: Floats  # the source's row of the table
    h: Floats  # (1, 3): what it shows of (level, trend, water)
    offset: float
    noise: float

    @property
    def y(self) -> float:
        return self.weight - self.offset

    @property
    def key(self) -> float:
        return float(self.s[m.SOURCE_KEY])


@dataclass
class Track:
    """A course of (level, trend, water) that readings support."""

    day: float
    mean: Floats
    covariance: Floats
    since: float
    source: float
    sources: bool = False
    count: int = 1
    odds: float = 0.0
    start_odds: float = -inf
    missed: int = 0
    row: int = 0

    def confirmed(self, day: float, p: Floats) -> bool:
        long_enough = self.sources or day - self.since >= p[m.SHIFT_DAYS]
        return self.count >= p[m.SHIFT_READINGS] and bool(long_enough)


@dataclass
class Person:
    """What the pass over one person's readings knows, and where it writes."""

    p: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    main: Track | None = None
    other: Track | None = None
    last: tuple[float, float, float] = (nan, nan, nan)  # day, kg, source of the reading before
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
        person = _load(start[u], Person(process, out, accepted, reason))
        for i in range(indptr[u], indptr[u + 1]):
            s = table[source[i]]
            h, offset, extra = _conditions(day[i], hour[i], process)
            reading = Reading(
                i, day[i], weight[i], s, h, offset + s[m.BIAS], s[m.NOISE_VAR] + extra
            )
            person.readings.append(reading)
            _judge(person, reading)
        settled[u] = _save(person, state[u])


def _conditions(day: float, hour: float, p: Floats) -> tuple[Floats, float, float]:
    weekly = 1.0 + p[m.WEEKDAY_SHARE] * cos(2.0 * pi * (day - 4.0) / 7.0)
    h = np.array([[weekly, 0.0, 1.0]])
    if np.isnan(hour):
        share = t.UNKNOWN_HOUR
        return h, share * p[m.EVENING], share**2 * (p[m.EVENING] ** 2 + p[m.EVENING_VAR])
    share = float(np.interp(hour, [-2.0, 7.0, 22.0, 31.0], [1.0, 0.0, 1.0, 0.0]))
    return h, share * p[m.EVENING], share**2 * p[m.EVENING_VAR]


def _transition(gap: float, p: Floats) -> tuple[Floats, Floats]:
    """F and Q over `gap` days: level walk, its integrated mean-reverting trend, water."""
    tau, trend_var = p[m.TREND_DAYS], p[m.TREND_VAR]
    r = gap / tau
    kept, wet = exp(-r), exp(-gap / p[m.WATER_DAYS])
    gone = -expm1(-r)
    if r < t.SERIES_BELOW:
        integral = 2 / 3 * r**3 - r**4 / 2 + 7 / 30 * r**5 - r**6 / 12
    else:
        integral = 2 * r - 3 + 4 * kept - kept**2
    f = np.array([[1, tau * gone, 0], [0, kept, 0], [0, 0, wet]])
    cross = trend_var * tau * gone**2
    q = np.array(
        [
            [p[m.LEVEL_NOISE] * gap + trend_var * tau**2 * integral, cross, 0],
            [cross, -trend_var * expm1(-2 * r), 0],
            [0, 0, -p[m.WATER_VAR] * expm1(-2 * gap / p[m.WATER_DAYS])],
        ]
    )
    return f, q


def _predict(track: Track, day: float, p: Floats) -> None:
    f, q = _transition(max(day - track.day, 0.0), p)
    track.day = day
    track.mean, track.covariance = FILTER.filter_update(
        track.mean, track.covariance, transition_matrix=f, transition_covariance=q
    )


def _update(track: Track, reading: Reading, usual: float, p: Floats) -> None:
    """A reading from beyond the usual scatter counts less: its precisions are averaged."""
    wide = reading.noise + p[m.TAIL_VAR]
    noise = 1 / (usual / reading.noise + (1 - usual) / wide)
    mean, track.covariance = FILTER.filter_update(
        track.mean,
        track.covariance,
        observation=[reading.y],
        transition_matrix=np.eye(3),
        transition_covariance=np.zeros((3, 3)),
        observation_matrix=reading.h,
        observation_covariance=np.array([[noise]]),
    )
    track.mean = np.asarray(mean)


def _begin(reading: Reading, p: Floats) -> Track:
    weekly, water = reading.h[0, 0], p[m.WATER_VAR]
    covariance = np.diag([(reading.noise + water) / weekly**2, p[m.TREND_VAR], water])
    covariance[0, 2] = covariance[2, 0] = -water / weekly
    mean = np.array([reading.y / weekly, 0.0, 0.0])
    return Track(reading.day, mean, covariance, reading.day, reading.key, row=reading.row)


def _forecast(track: Track, reading: Reading) -> tuple[float, float]:
    mean = (reading.h @ track.mean).item()
    return mean, (reading.h @ track.covariance @ reading.h.T).item() + reading.noise


def _log_normal(residual: float, variance: float) -> float:
    return -0.5 * (residual**2 / variance + log(2 * pi * variance))


def _probability(log_odds: float) -> float:
    return 0.0 if log_odds < -700 else 1 / (1 + exp(-log_odds))


def _interval_sd(variance: float, p: Floats) -> float:
    """One Newton step from the core's 95 % quantile to that of core and tail."""
    share, wide = p[m.TAIL_SHARE], variance + p[m.TAIL_VAR]
    quantile = k.Z95 * sqrt(variance)

    def outside(q: float) -> float:
        return (1 - share) * erfc(q / sqrt(2 * variance)) + share * erfc(q / sqrt(2 * wide))

    def density(q: float, v: float) -> float:
        return exp(-0.5 * q * q / v) / sqrt(2 * pi * v)

    slope = 2 * ((1 - share) * density(quantile, variance) + share * density(quantile, wide))
    return (quantile + (outside(quantile) - 0.05) / slope) / k.Z95


def _join(track: Track, reading: Reading) -> None:
    track.count += 1
    track.sources |= track.source != reading.key


def _note(out: Floats, at: int, track: Track) -> None:
    out[at + k.LEVEL] = track.mean[0]
    out[at + k.LEVEL_SD] = sqrt(max(track.covariance[0, 0], 0.0))
    out[at + k.TREND] = track.mean[1]


def _judge(person: Person, reading: Reading) -> None:
    p, i, main = person.p, reading.row, person.main
    out = person.out[i]
    mean, variance = p[m.START_MEAN], p[m.START_VAR] + reading.noise
    if main is not None:
        _predict(main, reading.day, p)
        mean, variance = _forecast(main, reading)
        out[k.MEAN], out[k.SD] = mean + reading.offset, _interval_sd(variance, p)
        _note(out, 0, main)
    plausible = p[m.LOWEST] <= reading.weight <= p[m.HIGHEST]
    valid, usual = valid_density(reading.y - mean, variance, reading.day - person.accepted_day, p)
    valid *= reading.s[m.RATE] if plausible else 0.0
    errors = explain(reading.weight, mean + reading.offset, variance, reading.s, p)
    _recall(person, reading, errors)
    out[k.P] = valid / (valid + total(errors))
    person.accepted[i] = out[k.P] >= p[m.ACCEPT]
    if person.accepted[i]:
        person.reason[i] = x.OK
        person.other = None
        if main is None:
            main = person.main = _begin(reading, p)
        else:
            _update(main, reading, usual, p)
            _join(main, reading)
        main.odds += log(valid)
        _note(out, 0, main)
    else:
        reason = likeliest(errors)
        person.reason[i] = REASONS.index(reason)
        out[k.SUGGESTED] = errors[reason].undone
    _remember(person, reading)
    if person.accepted[i] or main is None or not plausible or person.reason[i] == x.REPEAT:
        return
    _pend(person, main, reading, log(valid + total(errors)), reading.y - mean, variance)
    _settle(person, main, reading)


def _recall(person: Person, reading: Reading, errors: Explanations) -> None:
    """Errors of one kind come in bursts; one weighing comes through several apps."""
    rate = reading.s[m.RATE + person.fault]
    if person.fault and person.fault_source == reading.key and rate > 0:
        errors[REASONS[person.fault]].density *= 1 + person.p[m.BURST] / rate
    day, kg, source = person.last
    soon = reading.day - day <= x.COPY_DAYS
    if soon and abs(reading.weight - kg) <= x.COPY_KG and source != reading.key:
        errors["repeat"].density = x.COPY_RATE / x.LATTICE_KG


def _remember(person: Person, reading: Reading) -> None:
    person.last = (reading.day, reading.weight, reading.key)
    reason = int(person.reason[reading.row])
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
        _predict(other, reading.day, p)
        mean, spread = _forecast(other, reading)
        valid, usual = valid_density(reading.y - mean, spread, 0.0, p)
        valid *= s[m.RATE]
        wrong = total(explain(reading.weight, mean + reading.offset, spread, s, p))
        other.odds += log(valid + wrong) - log_mixture
        other.start_odds += log(valid + wrong) - log_mixture
        fits = valid >= wrong
        if fits:
            out[k.C + k.P] = valid / (valid + wrong)
            out[k.C + k.MEAN] = mean + reading.offset
            out[k.C + k.SD] = _interval_sd(spread, p)
            out[k.MEMBER] = 1.0
            _update(other, reading, usual, p)
            _join(other, reading)
        _note(out, k.C, other)
        other.missed = 0 if fits else other.missed + 1
        if other.missed < other.count:
            return
    person.other = other = _begin(reading, p)
    gap = (reading.day - person.accepted_day) * p[m.SHIFT_PER_DAY]
    step = min(max(gap, p[m.SHIFT_LEAST]), p[m.SHIFT_MOST])
    own = log(s[m.RATE]) - log_mixture
    other.odds = log(step) + _log_normal(residual, variance + p[m.SHIFT_VAR]) + own
    if main.count <= k.YOUNG and not main.confirmed(reading.day, p):
        other.start_odds = _case_against_start(person, main, other) + own
    _note(out, k.C, other)
    out[k.MEMBER] = 1.0


def _seen_from(track: Track, reading: Reading, growth: float, p: Floats) -> Explanations:
    """The errors that an earlier reading may be, if the track is the person's course."""
    mean = reading.h[0, 0] * track.mean[0] + reading.offset
    _, spread = _forecast(track, reading)
    return explain(reading.weight, mean, spread + growth, reading.s, p)


def _case_against_start(person: Person, main: Track, other: Track) -> float:
    p = person.p
    odds = _log_normal(other.mean[0] - p[m.START_MEAN], p[m.START_VAR]) - main.odds
    for reading in person.readings:
        if reading.row < other.row and person.accepted[reading.row]:
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
        if person.reason[row] != x.REPEAT:
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
    day, kg, source, fault, person.fault_source, person.accepted_day = state[t.TRACK_KEPT :]
    person.last, person.fault = (day, kg, source), int(fault)
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
