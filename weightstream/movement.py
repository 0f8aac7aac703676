"""How far a level usually moves, and what is known of it between two readings.

A level wanders (variance q a day) and swings at a rate that comes and goes (SD s a day, time
constant tau; a Matérn-3/2 process, docs/judging.md, eq. 1). Over d days it so changes by N(0, v(d))
with v(d) = q d + 2 s² tau² (1 - (1 + d/tau) exp(-d/tau)).
Between two levels that are known, it is what kriging with this variogram says.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TABLE_DAYS = np.array(
    [0, 0.5, 1, 2, 4, 7, 14, 28, 56, 112, 224, 448, 896, 1792, 3584, 7168, 14336, 28672], np.float64
)
"""Where a page tabulates v, so that it can draw any other process, too."""

USUAL_KG = 85.0
"""The body for which the parameters stand."""
LEAST_SIZE = 0.03


class Process(Protocol):
    """How weight moves; engine.model.Process is one."""

    def __hash__(self) -> int: ...
    @property
    def level_kg2_per_day(self) -> float: ...
    @property
    def trend_kg_per_week(self) -> float: ...
    @property
    def trend_days(self) -> float: ...
    @property
    def water_kg(self) -> float: ...
    @property
    def water_days(self) -> float: ...
    @property
    def evening_kg(self) -> float: ...


def usual_variance(days: Any, process: Process) -> Floats:
    """Return the variance in kg² of the level's change over so many days."""
    days = np.asarray(days, np.float64)
    tau, daily = process.trend_days, process.trend_kg_per_week / 7.0
    r = days / tau
    swing = 2.0 * (daily * tau) ** 2 * -(np.expm1(-r) + r * np.exp(-r))
    moved = process.level_kg2_per_day * days + swing
    return np.asarray(moved, np.float64)


def body_size(kg: Floats) -> Floats:
    """Return the factor on usual_variance of bodies: SDs grow as the weight to the 3/4."""
    return np.maximum((np.maximum(kg, 1.0) / USUAL_KG) ** 1.5, LEAST_SIZE)


@lru_cache(maxsize=8)
def variogram(process: Process) -> Sequence[float]:
    """Tabulate usual_variance at TABLE_DAYS; a page interpolates in it (columns.js, moved)."""
    return [float(f"{value:.4g}") for value in usual_variance(TABLE_DAYS, process).tolist()]


def kriged(since: Floats, gap: Floats, process: Process) -> tuple[Floats, Floats]:
    """Weigh two levels `gap` days apart for a time `since` days after the first of them.

    Returns the weight of the second level, 0 to 1, and the variance in kg² that is left when both
    are known exactly. A gap of 0 gives 0 and 0.
    """
    whole = usual_variance(gap, process)
    before, after = usual_variance(since, process), usual_variance(gap - since, process)
    shared = (before + whole - after) / 2.0
    weight = np.divide(shared, whole, out=np.zeros_like(whole), where=whole > 0)
    return weight, np.maximum(before - weight * shared, 0.0)
