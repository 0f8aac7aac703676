"""The filter of one course through pykalman: the oracle of track.py. It shares only constants."""

from dataclasses import dataclass
from math import cos, erfc, exp, expm1, inf, pi, sqrt

import numpy as np
from pykalman import KalmanFilter

from weightstream.batch import Floats
from weightstream.engine import model as m
from weightstream.engine import track as t
from weightstream.engine.densities import Z95

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


def conditions(day: float, hour: float, p: Floats) -> tuple[Floats, float, float]:
    weekly = 1.0 + p[m.WEEKDAY_SHARE] * cos(2.0 * pi * (day - 4.0) / 7.0)
    h = np.array([[weekly, 0.0, 1.0]])
    if np.isnan(hour):
        share = t.UNKNOWN_HOUR
        return h, share * p[m.EVENING], share**2 * (p[m.EVENING] ** 2 + p[m.EVENING_VAR])
    share = float(np.interp(hour, [-2.0, 7.0, 22.0, 31.0], [1.0, 0.0, 1.0, 0.0]))
    return h, share * p[m.EVENING], share**2 * p[m.EVENING_VAR]


def transition(gap: float, p: Floats) -> tuple[Floats, Floats]:
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


def predict(track: Track, day: float, p: Floats) -> None:
    f, q = transition(max(day - track.day, 0.0), p)
    track.day = day
    track.mean, track.covariance = FILTER.filter_update(
        track.mean, track.covariance, transition_matrix=f, transition_covariance=q
    )


def update(track: Track, reading: Reading, usual: float, p: Floats) -> None:
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


def begin(reading: Reading, p: Floats) -> Track:
    weekly, water = reading.h[0, 0], p[m.WATER_VAR]
    covariance = np.diag([(reading.noise + water) / weekly**2, p[m.TREND_VAR], water])
    covariance[0, 2] = covariance[2, 0] = -water / weekly
    mean = np.array([reading.y / weekly, 0.0, 0.0])
    return Track(reading.day, mean, covariance, reading.day, reading.key, row=reading.row)


def forecast(track: Track, reading: Reading) -> tuple[float, float]:
    mean = (reading.h @ track.mean).item()
    return mean, (reading.h @ track.covariance @ reading.h.T).item() + reading.noise


def interval_sd(variance: float, p: Floats) -> float:
    """One Newton step from the core's 95 % quantile to that of core and tail."""
    share, wide = p[m.TAIL_SHARE], variance + p[m.TAIL_VAR]
    quantile = Z95 * sqrt(variance)

    def outside(q: float) -> float:
        return (1 - share) * erfc(q / sqrt(2 * variance)) + share * erfc(q / sqrt(2 * wide))

    def density(q: float, v: float) -> float:
        return exp(-0.5 * q * q / v) / sqrt(2 * pi * v)

    slope = 2 * ((1 - share) * density(quantile, variance) + share * density(quantile, wide))
    return (quantile + (outside(quantile) - 0.05) / slope) / Z95


def join(track: Track, reading: Reading) -> None:
    track.count += 1
    track.sources |= track.source != reading.key
