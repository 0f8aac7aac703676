"""The causal filter again, through pykalman and plain Python: the oracle of the compiled one.

About a hundred times slower. It shares with the kernel only the layout of its inputs and outputs.
"""

from dataclasses import dataclass, field
from math import cos, exp, expm1, log, pi, sqrt

import numpy as np
from pykalman import KalmanFilter

from weightstream.batch import Floats, Ints
from weightstream.engine import kernel as k
from weightstream.engine import model as m
from weightstream.engine.kernel import Bools, Codes

FILTER = KalmanFilter(n_dim_state=3, n_dim_obs=1)


@dataclass
class Track:
    """A course of (level, trend, water) that readings support."""

    day: float
    mean: Floats
    covariance: Floats
    since: float
    source: int
    sources: bool = False
    count: int = 1
    odds: float = 0.0
    missed: int = 0
    row: int = 0

    def confirmed(self, day: float, process: Floats) -> bool:
        long_enough = self.sources or day - self.since >= process[m.SHIFT_DAYS]
        return self.count >= process[m.SHIFT_READINGS] and bool(long_enough)


@dataclass(frozen=True)
class Reading:
    """One reading and what the model says of such a one."""

    row: int
    day: float
    weight: float
    source: int
    h: Floats  # (1, 3): what it shows of (level, trend, water)
    offset: float
    noise: float
    log_valid: float
    log_error: float

    @property
    def y(self) -> float:
        return self.weight - self.offset


@dataclass
class Person:
    """What the pass over one person's readings knows, and where it writes."""

    process: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    main: Track | None = None
    other: Track | None = None
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
        person = Person(process, out, accepted, reason, main=_load(start[u]))
        for i in range(indptr[u], indptr[u + 1]):
            source_row = table[source[i]]
            h, offset, extra = _conditions(day[i], hour[i], process)
            reading = Reading(
                row=i,
                day=day[i],
                weight=weight[i],
                source=int(source[i]),
                h=h,
                offset=offset + source_row[m.BIAS],
                noise=source_row[m.NOISE_VAR] + extra,
                log_valid=source_row[m.LOG_VALID],
                log_error=source_row[m.LOG_ERROR],
            )
            person.readings.append(reading)
            _judge(person, reading)
        settled[u] = _save(person, state[u])


def _conditions(day: float, hour: float, p: Floats) -> tuple[Floats, float, float]:
    weekly = 1.0 + p[m.WEEKDAY_SHARE] * cos(2.0 * pi * (day - 4.0) / 7.0)
    h = np.array([[weekly, 0.0, 1.0]])
    if np.isnan(hour):
        share = k.UNKNOWN_HOUR
        return h, share * p[m.EVENING], share**2 * (p[m.EVENING] ** 2 + p[m.EVENING_VAR])
    share = float(np.interp(hour, [-2.0, 7.0, 22.0, 31.0], [1.0, 0.0, 1.0, 0.0]))
    return h, share * p[m.EVENING], share**2 * p[m.EVENING_VAR]


def _transition(gap: float, p: Floats) -> tuple[Floats, Floats]:
    """F and Q over `gap` days: level walk, its integrated mean-reverting trend, water."""
    tau, trend_var = p[m.TREND_DAYS], p[m.TREND_VAR]
    r = gap / tau
    kept, wet = exp(-r), exp(-gap / p[m.WATER_DAYS])
    gone = -expm1(-r)
    if r < k.SERIES_BELOW:
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


def _update(track: Track, reading: Reading) -> None:
    mean, track.covariance = FILTER.filter_update(
        track.mean,
        track.covariance,
        observation=[reading.y],
        transition_matrix=np.eye(3),
        transition_covariance=np.zeros((3, 3)),
        observation_matrix=reading.h,
        observation_covariance=np.array([[reading.noise]]),
    )
    track.mean = np.asarray(mean)


def _begin(reading: Reading, p: Floats) -> Track:
    weekly, water = reading.h[0, 0], p[m.WATER_VAR]
    covariance = np.diag([(reading.noise + water) / weekly**2, p[m.TREND_VAR], water])
    covariance[0, 2] = covariance[2, 0] = -water / weekly
    mean = np.array([reading.y / weekly, 0.0, 0.0])
    return Track(reading.day, mean, covariance, reading.day, reading.source, row=reading.row)


def _forecast(track: Track, reading: Reading) -> tuple[float, float]:
    mean = (reading.h @ track.mean).item()
    return mean, (reading.h @ track.covariance @ reading.h.T).item() + reading.noise


def _log_normal(residual: float, variance: float) -> float:
    return -0.5 * (residual**2 / variance + log(2 * pi * variance))


def _probability(log_odds: float) -> float:
    return 0.0 if log_odds < -700 else 1 / (1 + exp(-log_odds))


def _join(track: Track, reading: Reading) -> None:
    track.count += 1
    track.sources |= track.source != reading.source


def _note(out: Floats, at: int, track: Track) -> None:
    out[at + k.LEVEL] = track.mean[0]
    out[at + k.LEVEL_SD] = sqrt(max(track.covariance[0, 0], 0.0))
    out[at + k.TREND] = track.mean[1]


def _judge(person: Person, reading: Reading) -> None:
    p, i, main = person.process, reading.row, person.main
    out = person.out[i]
    mean, variance = p[m.START_MEAN], p[m.START_VAR] + reading.noise
    if main is not None:
        _predict(main, reading.day, p)
        mean, variance = _forecast(main, reading)
        out[k.MEAN], out[k.SD] = mean + reading.offset, sqrt(variance)
        _note(out, 0, main)
    plausible = p[m.LOWEST] <= reading.weight <= p[m.HIGHEST]
    log_odds = -np.inf
    if plausible:
        log_odds = reading.log_valid + _log_normal(reading.y - mean, variance) - reading.log_error
    out[k.P] = _probability(log_odds)
    person.accepted[i] = out[k.P] >= p[m.ACCEPT]
    if person.accepted[i]:
        person.reason[i] = k.OK
        person.other = None
        if main is None:
            main = person.main = _begin(reading, p)
        else:
            _update(main, reading)
            _join(main, reading)
        _note(out, 0, main)
        return
    person.reason[i] = k.OUTLIER if plausible else k.IMPLAUSIBLE
    if plausible and main is not None:
        _pend(person, reading, log_odds, reading.y - mean, variance)
        _settle(person, main, reading)


def _pend(
    person: Person, reading: Reading, log_odds: float, residual: float, variance: float
) -> None:
    p, other, out = person.process, person.other, person.out[reading.row]
    log_mixture = float(np.logaddexp(reading.log_error + log_odds, reading.log_error))
    if other is not None:
        _predict(other, reading.day, p)
        mean, spread = _forecast(other, reading)
        log_valid = reading.log_valid + _log_normal(reading.y - mean, spread)
        other.odds += float(np.logaddexp(log_valid, reading.log_error)) - log_mixture
        fits = log_valid >= reading.log_error
        if fits:
            out[k.C + k.P] = _probability(log_valid - reading.log_error)
            out[k.C + k.MEAN], out[k.C + k.SD] = mean + reading.offset, sqrt(spread)
            out[k.MEMBER] = 1.0
            _update(other, reading)
            _join(other, reading)
        _note(out, k.C, other)
        other.missed = 0 if fits else other.missed + 1
        if other.missed < other.count:
            return
    person.other = other = _begin(reading, p)
    jump = _log_normal(residual, variance + p[m.SHIFT_VAR])
    other.odds = p[m.LOG_SHIFT] + reading.log_valid + jump - log_mixture
    _note(out, k.C, other)
    out[k.MEMBER] = 1.0


def _settle(person: Person, main: Track, reading: Reading) -> None:
    """Let the candidate take over where it has the better case."""
    p, other = person.process, person.other
    if other is None:
        return
    if not main.confirmed(reading.day, p):
        if other.count > main.count:
            _demote(person, other)
            _adopt(person, other, reading.row)
    elif other.odds > 0 and other.confirmed(reading.day, p):
        person.out[other.row, k.SHIFT_FROM] = main.mean[0]
        person.out[other.row, k.SHIFT_TO] = other.mean[0]
        _adopt(person, other, reading.row)


def _adopt(person: Person, other: Track, last: int) -> None:
    for row in range(other.row, last + 1):
        out = person.out[row]
        if out[k.MEMBER] == 1.0:
            person.accepted[row], person.reason[row] = True, k.OK
            out[k.P] = out[k.C + k.P]
            if row > other.row:
                out[[k.MEAN, k.SD]] = out[[k.C + k.MEAN, k.C + k.SD]]
        if not np.isnan(out[k.C + k.LEVEL]):
            out[k.LEVEL : k.TREND + 1] = out[k.C + k.LEVEL : k.C + k.TREND + 1]
    person.out[other.row, k.P] = _probability(other.odds)
    person.main, person.other = other, None


def _demote(person: Person, other: Track) -> None:
    p = person.process
    for reading in person.readings:
        if reading.row >= other.row:
            break
        out = person.out[reading.row]
        out[k.MEAN : k.TREND + 1] = np.nan
        if person.accepted[reading.row]:
            gap = other.day - reading.day
            mean, spread = _forecast(other, reading)
            spread += gap * (p[m.LEVEL_NOISE] + p[m.TREND_VAR] * gap)
            log_valid = reading.log_valid + _log_normal(reading.y - mean, spread)
            out[k.P] = _probability(log_valid - reading.log_error)
            person.accepted[reading.row], person.reason[reading.row] = False, k.OUTLIER


def _load(state: Floats) -> Track | None:
    if np.isnan(state[k.DAY]):
        return None
    ll, lv, lw, vv, vw, ww = state[k.LL : k.WW + 1]
    return Track(
        day=state[k.DAY],
        mean=state[[k.L, k.V, k.W]],
        covariance=np.array([[ll, lv, lw], [lv, vv, vw], [lw, vw, ww]]),
        since=state[k.SINCE],
        source=int(state[k.SOURCE]),
        sources=state[k.SOURCES] == 1.0,
        count=int(state[k.COUNT]),
        odds=state[k.ODDS],
        missed=int(state[k.MISSED]),
        row=int(state[k.ROW]),
    )


def _save(person: Person, state: Floats) -> bool:
    """Write the main track into `state` if later readings cannot change what was decided."""
    track = person.main
    state[:] = np.nan
    if track is None or person.other or not track.confirmed(track.day, person.process):
        return False
    state[k.DAY] = track.day
    state[[k.L, k.V, k.W]] = track.mean
    state[k.LL : k.WW + 1] = track.covariance[np.triu_indices(3)]
    state[k.COUNT :] = track.count, track.since, -1, 1, 0, 0, 0
    return True
