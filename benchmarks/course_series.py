"""What a course is made of: a body's path, the scale that it is weighed on, and the truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.streams import Bools, Texts
from weightstream.types import Floats, Ints

KG_PER_LB = 0.45359237
HOME, CLINIC, UNKNOWN = "patient-device", "care-team-upload", "unknown"
FIRST_DAY = 19_000
WATER_SD_KG, WATER_DAYS = 0.3, 1.5
WANDER_SD_KG, WANDER_DAYS = 1.0, 150.0
EVENING_KG = 1.0
CLOTHES_KG = 1.0
"""What a clinic reads above a scale at home (docs/judging.md); the level is without it."""
TAIL_DF = 5


@dataclass(frozen=True)
class Series:
    """One person's N readings in the order of time, and what is true of them.

    day: days since 1970-01-01, with the time of day. hour: 0-24, NaN for a date alone. kg: as
    read. level: the weight that the trend should show, NaN where nobody could say. label: "ok", a
    code of schema.REASONS, or "either" where accepting and rejecting are both right. episode: rows
    of a real excursion. base: level before it. other: a second level that is as right as the first.
    """

    day: Floats
    hour: Floats
    kg: Floats
    level: Floats
    label: Texts
    source: Texts
    episode: Bools
    base: float = float("nan")
    other: Floats = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.day)

    def changed(self, rows: Ints | Bools | slice, kg: Floats | float, label: str) -> "Series":
        """The same with other numbers in `rows`, which get the label."""
        out, labels = self.kg.copy(), self.label.copy()
        out[rows] = kg
        labels[rows] = label
        return replace(self, kg=out, label=labels)

    def taken(self, rows: Ints | Bools) -> "Series":
        return replace(
            self,
            **{
                name: getattr(self, name)[rows]
                for name in ("day", "hour", "kg", "level", "label", "source", "episode")
            },
            other=self.other[rows] if len(self.other) else self.other,
        )


def literal(days: Sequence[float], kg: Sequence[float], source: str = UNKNOWN) -> Series:
    """Readings as written down, dates alone, all right; the level is the reading."""
    size = len(kg)
    return Series(
        day=FIRST_DAY + 0.5 + np.asarray(days, float),
        hour=np.full(size, np.nan),
        kg=np.asarray(kg, float),
        level=np.asarray(kg, float),
        label=np.full(size, "ok", object),
        source=np.full(size, source, object),
        episode=np.zeros(size, bool),
    )


def ornstein_uhlenbeck(
    rng: np.random.Generator, time: Floats, sd: float, time_constant: float
) -> Floats:
    """(N,) a stationary mean-reverting path at the times."""
    keep = np.exp(-np.diff(time, prepend=-np.inf) / time_constant)
    path = np.empty(len(time))
    value = 0.0
    for row, share in enumerate(keep):
        value = share * value + sd * np.sqrt(1 - share**2) * rng.standard_normal()
        path[row] = value
    return path


def weighed(
    rng: np.random.Generator,
    time: Floats,
    level: Floats,
    source: str = HOME,
    noise_kg: float = 0.3,
    water_kg: float = WATER_SD_KG,
    step_kg: float = 0.1,
    dates: bool = False,
) -> Series:
    """Readings of a body of that level at the times (days, with the time of day).

    The body holds more or less water for a day or two, and is heavier in the evening; the scale
    scatters with Student's t and rounds to step_kg. dates: the time of day is not written down.
    """
    time = FIRST_DAY + np.asarray(time, float)
    hour = time % 1 * 24
    scatter = rng.standard_t(TAIL_DF, len(time)) * np.sqrt(1 - 2 / TAIL_DF)
    evening = EVENING_KG * water_kg / WATER_SD_KG * np.clip((hour - 7) / 14, 0, 1)
    kg = level + ornstein_uhlenbeck(rng, time, water_kg, WATER_DAYS) + evening + noise_kg * scatter
    return Series(
        day=np.floor(time) + 0.5 if dates else time,
        hour=np.full(len(time), np.nan) if dates else hour,
        kg=np.maximum(np.round(kg / step_kg) * step_kg, step_kg),
        level=np.asarray(level, float),
        label=np.full(len(time), "ok", object),
        source=np.full(len(time), source, object),
        episode=np.zeros(len(time), bool),
    )


def in_clinic(rng: np.random.Generator, days: Floats, level: Floats) -> Series:
    """Visits: dates alone, CLOTHES_KG of clothes and shoes, another scale each time."""
    time = np.asarray(days) + 0.5
    read = weighed(rng, time, level + CLOTHES_KG, CLINIC, noise_kg=0.8, dates=True)
    return replace(read, level=np.asarray(level, float))


def mornings(rng: np.random.Generator, days: Floats) -> Floats:
    return np.asarray(days) + rng.normal(7.2, 0.7, len(days)) / 24


def wander(rng: np.random.Generator, days: Floats) -> Floats:
    """What a body does anyway."""
    return ornstein_uhlenbeck(rng, np.asarray(days, float), WANDER_SD_KG, WANDER_DAYS)


def adult_kg(rng: np.random.Generator) -> float:
    return float(np.clip(rng.lognormal(np.log(84), 0.2), 50, 160))


def joined(*parts: Series) -> Series:
    """Several series of one person in the order of time."""
    names = ("day", "hour", "kg", "level", "label", "source", "episode")
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    other = np.concatenate([p.other if len(p.other) else p.level for p in parts])
    base = next((p.base for p in parts if np.isfinite(p.base)), float("nan"))
    order = np.argsort(columns["day"], kind="stable")
    return Series(**{k: v[order] for k, v in columns.items()}, base=base, other=other[order])


Rng = np.random.Generator
Make = Callable[[Rng], Series]
COURSES: dict[str, Make] = {}
"""All courses by name; modules that define some register them."""


def course(make: Make) -> Make:
    COURSES[make.__name__] = make
    return make
