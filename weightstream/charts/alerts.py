"""Changes of a person's level that are faster than people's levels usually move.

The usual: the level wanders (variance q a day) and drifts at a rate that comes and goes (SD s a
day, time constant tau). Over d days it so changes by N(0, v(d)) with
v(d) = q d + 2 s² tau² (d/tau - 1 + exp(-d/tau)), integrated Ornstein-Uhlenbeck motion.
The filter's estimate of the change varies by v(d) + P(before) - P(after) + 2 a C(before): what it
did not know before and knows now, it shows as change. P is the variance of its level, C the
covariance of level and rate, a = tau (1 - exp(-d/tau)). C is not stored; it is about 0.27 s sqrt(P)
(measured on the filter with the default model: 0.25 to 0.27 for weighings 1 to 14 days apart).
An alert is a change whose z, in SDs of that, passes a threshold that is chosen, for how often
this person is weighed, to give a stated number of false alerts a year.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import erf, exp, sqrt
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

WINDOWS = (7.0, 30.0)
"""Days over which changes are watched."""
UNUSUAL_PER_YEAR = 0.5
"""Prior: how often a person's weight really moves otherwise than usual."""
UNUSUAL_SPREAD = 6.0
"""Prior: SD of such a change, in SDs of a usual one."""
LEVEL_AND_RATE = 0.27
"""C / (s sqrt(P)), see above."""
SAME_HOUR = 0.25
"""Days by which a weighing a week ago may be less than a week ago."""
UNEXPLAINED_SHARE = 0.12
"""A reading further from the level than this share of it is no change of a body within days."""

Floats = npt.NDArray[np.float64]


class Process(Protocol):
    """How weight moves; engine.model.Process is one."""

    @property
    def level_kg2_per_day(self) -> float: ...
    @property
    def trend_kg_per_week(self) -> float: ...
    @property
    def trend_days(self) -> float: ...


@dataclass(frozen=True)
class Alert:
    """kind "change": the level changed by change_kg within `days` until `at`; probability: that
    this is no usual change. kind "unconfirmed": the newest reading, rejected without a known
    cause, would be such a change; probability: that it is valid."""

    at: str
    kind: str
    days: float
    change_kg: float
    probability: float


def alerts(
    columns: Mapping[str, Sequence[Any]], process: Process, false_per_year: float = 0.1
) -> list[Alert]:
    """Unusual changes of one person, oldest first.

    columns: of schema.EXPORT_COLUMNS, sorted by time. false_per_year: false "change" alerts to
    expect at most, per person and year, if all change is usual.
    """
    at = [str(text) for text in columns["effective_at"]]
    level = np.asarray(columns["level_kg"], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(level))
    if len(known) == 0:
        return []
    days = days_of(at)
    level, variance = level[known], _variance(columns)[known]
    found: dict[int, Alert] = {}
    for window in WINDOWS:
        usual = _Usual(process, false_per_year / len(WINDOWS), window)
        for i, span, change, z in _changes(days[known], level, variance, usual):
            row = int(known[i])
            alert = Alert(at[row], "change", span, change, unusual(z, window))
            if row not in found or found[row].probability < alert.probability:
                found[row] = alert
    listed = [found[row] for row in sorted(found)]
    return listed + _unconfirmed(columns, at, days)


def days_of(effective_at: Sequence[str]) -> Floats:
    """(N,) days since 1970 UTC of times as the export writes them; a date alone is its noon."""
    texts = [f"{text}T12" if len(text) == 10 else text.removesuffix("Z") for text in effective_at]
    return np.array(texts, dtype="datetime64[us]").astype(np.float64) / 86_400e6


def threshold(false_per_year: float, spacing_days: float, window_days: float) -> float:
    """The |z| that usual change passes from below `false_per_year` times a year.

    Changes over a window, looked at every `spacing_days`, are correlated by 1 - spacing/window
    (independent increments); crossings are counted by the bivariate normal distribution. Drift
    makes real changes smoother than that, so the true number is lower.
    """
    spacing = min(max(spacing_days, 0.25), window_days)
    return _threshold(false_per_year, round(spacing * 4) / 4, window_days)


def unusual(z: float, window_days: float) -> float:
    """Posterior probability that a change of z usual SDs is not a usual one."""
    prior = min(0.5, UNUSUAL_PER_YEAR * window_days / 365.25)
    log_odds = (z * z / 2.0) * (1.0 - 1.0 / UNUSUAL_SPREAD**2)
    return 1.0 / (1.0 + (1.0 - prior) / prior * UNUSUAL_SPREAD * exp(-min(log_odds, 700.0)))


def usual_variance(days: Floats, process: Process) -> Floats:
    """Variance in kg² of the level's change over so many days."""
    tau, daily = process.trend_days, process.trend_kg_per_week / 7.0
    r = days / tau
    return process.level_kg2_per_day * days + 2.0 * (daily * tau) ** 2 * (r + np.expm1(-r))


@dataclass(frozen=True)
class _Usual:
    process: Process
    false_per_year: float
    window: float


def _variance(columns: Mapping[str, Sequence[Any]]) -> Floats:
    lo = np.asarray(columns["level_lo_kg"], dtype=np.float64)
    hi = np.asarray(columns["level_hi_kg"], dtype=np.float64)
    return np.nan_to_num(((hi - lo) / (2.0 * 1.959963984540054)) ** 2)


def _changes(
    day: Floats, level: Floats, variance: Floats, usual: _Usual
) -> list[tuple[int, float, float, float]]:
    """(row, days, change, z) where |z| is largest in each stretch beyond the threshold."""
    window = usual.window
    before = np.searchsorted(day, day - window + SAME_HOUR, side="right") - 1
    row = np.flatnonzero(before >= 0)
    span = day[row] - day[before[row]]
    row, span = row[span <= 2.0 * window], span[span <= 2.0 * window]
    if len(row) == 0:
        return []
    change = level[row] - level[before[row]]
    moved = usual_variance(span, usual.process)
    was = variance[before[row]]
    tau, daily = usual.process.trend_days, usual.process.trend_kg_per_week / 7.0
    drift = -tau * np.expm1(-span / tau) * LEVEL_AND_RATE * daily * np.sqrt(was)
    spread = moved + was - variance[row] + 2.0 * drift
    z = change / np.sqrt(np.maximum(spread, 0.5 * moved))
    spacing = float(np.median(np.diff(day))) if len(day) > 1 else window
    limit = threshold(usual.false_per_year, spacing, window)
    beyond = np.flatnonzero(np.abs(z) >= limit)
    stretches = np.split(beyond, np.flatnonzero(np.diff(day[row[beyond]]) > window) + 1)
    peaks = [int(rows[np.argmax(np.abs(z[rows]))]) for rows in stretches if len(rows)]
    return [(int(row[k]), float(span[k]), float(change[k]), float(z[k])) for k in peaks]


def _unconfirmed(columns: Mapping[str, Sequence[Any]], at: list[str], day: Floats) -> list[Alert]:
    last = len(at) - 1
    level = np.asarray(columns["level_kg"], dtype=np.float64)
    if columns["verdict"][last] != "rejected" or columns["reason"][last] != "outlier":
        return []
    before = np.flatnonzero(~np.isnan(level[:last]))
    if len(before) == 0:
        return []
    seen = int(before[-1])
    change = float(columns["weight_kg"][last]) - float(level[seen])
    if abs(change) > UNEXPLAINED_SHARE * level[seen]:
        return []
    p = columns["p_valid"][last]
    probability = 0.0 if p is None or p != p else float(p)
    return [Alert(at[last], "unconfirmed", float(day[last] - day[seen]), change, probability)]


def _normal(x: Floats | float) -> Any:
    return 0.5 * (1.0 + np.vectorize(erf)(np.asarray(x) / sqrt(2.0)))


@lru_cache(maxsize=1024)
def _threshold(false_per_year: float, spacing: float, window: float) -> float:
    correlation = max(0.0, 1.0 - spacing / window)
    looks = 365.25 / spacing
    low, high = 0.5, 9.0
    for _ in range(40):
        middle = (low + high) / 2.0
        x = middle + np.linspace(0.0, 6.0, 600)
        density = np.exp(-x * x / 2.0) / sqrt(2.0 * np.pi)
        below = _normal((middle - correlation * x) / sqrt(max(1e-9, 1.0 - correlation**2)))
        crossings = 2.0 * looks * float(np.trapezoid(density * below, x))
        low, high = (middle, high) if crossings > false_per_year else (low, middle)
    return high
