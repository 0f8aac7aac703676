"""Streams that move as real ones were measured to, and not as the engine believes.

Nothing of the engine's model is in here: the slow weight is fractional Brownian motion with a scale
of the person's own, to which lasting moves and excursions come; readings scatter as a mixture, more
than that on some occasions, and are rounded as people write them. Figures: quantiles of |change| by
gap in some 1,000 series of a clinic and 18 logs at home (TABLE); `benchmarks.realworld --check`
prints ours beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from benchmarks.course_series import KG_PER_LB, Rng, ornstein_uhlenbeck
from weightstream.types import Floats

FIRST_DAY = 16_000


@dataclass(frozen=True)
class World:
    """How bodies move and scales scatter in one place. kg and days.

    hurst: of the slow weight, so SD grows as gap^hurst. year_kg: its SD over a year, of a person of
    88 kg. size_power: how that grows with weight. person_sd: SD of the log of a person's own scale.
    lasting_years, excursion_years: mean years between such moves; lasting_kg, excursion_kg: scale
    of their sizes (Laplace's). scatter_kg: SD of a usual reading, scatter_sd: SD of its log from
    person to person; wide_share, wide_kg: of a reading that is not usual (clothes, another scale,
    a meal). day_kg, day_days: what the body carries for a day or two.
    """

    hurst: float
    year_kg: float
    size_power: float
    person_sd: float
    lasting_years: float
    lasting_kg: float
    excursion_years: float
    excursion_kg: float
    scatter_kg: float
    scatter_sd: float
    wide_share: float
    wide_kg: float
    day_kg: float
    day_days: float = 1.5


CLINIC = World(
    hurst=0.30, year_kg=2.75, size_power=0.8, person_sd=0.38,
    lasting_years=3.2, lasting_kg=4.6, excursion_years=3.5, excursion_kg=4.6,
    scatter_kg=0.50, scatter_sd=0.3, wide_share=0.15, wide_kg=2.9, day_kg=0.4,
)  # fmt: skip
HOME = World(
    hurst=0.47, year_kg=4.5, size_power=0.8, person_sd=0.4,
    lasting_years=3.0, lasting_kg=2.0, excursion_years=1.0, excursion_kg=1.5,
    scatter_kg=0.22, scatter_sd=0.35, wide_share=0.05, wide_kg=0.9, day_kg=0.22,
)  # fmt: skip

GAP_LEVELS = (0.0, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)
GAP_DAYS = (1, 1, 3, 15, 50, 149, 271, 365, 477, 900)
"""Quantiles of the days between two visits."""
GAP_LIKE_THE_LAST = 0.16
SPELL_SHARE = 0.06
"""Persons who are weighed every day or two for a while, most of them because something happens."""
SPELL_MOVES = 0.5
SAME_DAY_SHARE = 0.016
WHOLE_POUNDS = 0.48
ENDS_IN_FIVE = 0.1
"""Of whole pounds: rounded to 5 on purpose (with those that end so by chance a quarter)."""

Band = tuple[float, float]
TABLE: Mapping[str, Mapping[Band, tuple[float, ...]]] = {
    "clinic": {
        (1, 3): (1.20, 2.4, 4.0, 5.6, 9.0),
        (4, 7): (1.13, 2.2, 3.9, 5.2, 8.9),
        (8, 14): (1.18, 2.4, 4.1, 6.1, 9.6),
        (15, 30): (1.27, 2.6, 4.5, 6.2, 10.8),
        (31, 60): (1.54, 3.0, 5.0, 7.3, 14.1),
        (61, 120): (1.86, 3.5, 5.9, 7.8, 14.7),
        (121, 240): (2.3, 4.1, 7.0, 9.1, 15.6),
        (241, 480): (2.6, 4.9, 8.2, 11.1, 20.4),
        (481, 900): (3.2, 5.9, 9.7, 13.2, 22.4),
        (901, 1500): (4.0, 7.2, 11.7, 15.2, 24.6),
    },
    "home": {
        (1, 1): (0.32, 0.55, 0.91, 1.35),
        (2, 2): (0.40, 0.73, 1.15, 1.53),
        (3, 3): (0.45, 0.80, 1.30, 1.60),
        (4, 7): (0.50, 0.91, 1.36, 1.80),
        (8, 14): (0.60, 1.10, 1.70, 2.3),
        (15, 30): (0.80, 1.50, 2.4, 3.0),
        (31, 60): (1.25, 2.1, 3.3, 4.2),
    },
}
"""Measured quantiles (50, 75, 90, 95, 99 %) of |change| in kg by gap in days."""
LEVELS = (0.50, 0.75, 0.90, 0.95, 0.99)


@dataclass(frozen=True)
class Body:
    """One person's N readings before anything is spoilt. level, kg (N,); day with the hour."""

    day: Floats
    hour: Floats
    level: Floats
    kg: Floats
    pounds: bool


def clinic_body(rng: Rng, world: World = CLINIC) -> Body:
    """Visits by date, 4-40 of them over some years."""
    size = int(np.clip(rng.geometric(1 / 9) + 3, 4, 40))
    days, moves = visits(rng, size)
    base = float(np.clip(rng.lognormal(np.log(88), 0.2), 48, 190))
    level = level_path(rng, world, days, base, moves)
    kg = level + scatter(rng, world, days)
    pounds = kg / KG_PER_LB
    whole = rng.random(len(days)) < np.clip(rng.normal(WHOLE_POUNDS, 0.25), 0.1, 0.9)
    fives = whole & (rng.random(len(days)) < ENDS_IN_FIVE)
    step = np.where(fives, 5.0, np.where(whole, 1.0, 0.1))
    kg = np.round(pounds / step) * step * KG_PER_LB
    # The same value on the same date is one measurement (identity), as in the series measured.
    kept = np.sort(np.unique(np.column_stack([days, kg]), axis=0, return_index=True)[1])
    nan = np.full(len(kept), np.nan)
    return Body(days[kept] + 0.5, nan, level[kept], kg[kept], True)


def home_body(rng: Rng, world: World = HOME) -> Body:
    """Most mornings of some weeks or months."""
    often = float(np.clip(rng.beta(3, 1), 0.2, 0.98))
    span = int(rng.choice([63, 63, 120, 250]))
    days = FIRST_DAY + np.flatnonzero(rng.random(span) < often).astype(float)
    if len(days) < 5:
        days = FIRST_DAY + np.arange(5.0)
    base = float(np.clip(rng.lognormal(np.log(76), 0.2), 45, 150))
    level = level_path(rng, world, days, base, np.empty(0))
    pounds = bool(rng.random() < 0.15)
    step = 0.1 * KG_PER_LB if pounds else float(rng.choice([0.05, 0.1, 0.1]))
    kg = np.round((level + scatter(rng, world, days)) / step) * step
    hour = np.clip(rng.normal(7.2, 1.0, len(days)), 4, 23) if rng.random() < 0.5 else np.nan
    day = days + (0.5 if np.isscalar(hour) else hour / 24)
    return Body(day, np.broadcast_to(hour, len(days)).copy(), level, kg, pounds)


def visits(rng: Rng, size: int) -> tuple[Floats, Floats]:
    """Days of visits, and days on which a move begins because of which they are many."""
    like = GAP_LIKE_THE_LAST
    normal = np.sqrt(like) * rng.standard_normal() + np.sqrt(1 - like) * rng.standard_normal(size)
    days = np.cumsum(np.floor(np.exp(np.interp(ndtr(normal), GAP_LEVELS, np.log(GAP_DAYS)))))
    moves = np.empty(0)
    if rng.random() < SPELL_SHARE:
        begin = days[int(rng.integers(0, size))] + 1
        days = np.union1d(days, begin + np.cumsum(rng.choice([1, 1, 2, 3, 5], 9)))
        if rng.random() < SPELL_MOVES:
            moves = np.array([begin + rng.uniform(-3, 3)])
    again = days[rng.random(len(days)) < SAME_DAY_SHARE]
    return FIRST_DAY + np.sort(np.concatenate([days, again])), FIRST_DAY + moves


def level_path(rng: Rng, world: World, days: Floats, base: float, moves: Floats) -> Floats:
    """(N,) kg: fractional Brownian motion, lasting moves, excursions, and those at `moves`."""
    size = (base / 88) ** world.size_power
    scale = size * rng.lognormal(0, world.person_sd)
    at, index = np.unique(days, return_inverse=True)
    level = base + scale * world.year_kg * _fractional(rng, (at - at[0]) / 365, world.hurst)
    years = (at[-1] - at[0]) / 365
    for _ in range(rng.poisson(years / world.lasting_years)):
        ramp = rng.lognormal(np.log(30), 0.8)
        level += (
            rng.laplace(0, world.lasting_kg) * size * _ramp(rng.uniform(at[0], at[-1]), at, ramp)
        )
    for _ in range(rng.poisson(years / world.excursion_years)):
        begin = rng.uniform(at[0], at[-1])
        level += rng.laplace(0, world.excursion_kg) * _excursion(rng, at, begin)
    for begin in moves:
        up = rng.choice([-1.0, 1.0], p=[0.35, 0.65]) * rng.uniform(3, 9)
        level += up * _excursion(rng, at, begin)
    return np.maximum(level, 35.0)[index]


def _ramp(begin: float, at: Floats, days: float) -> Floats:
    return np.clip((at - begin) / days, 0, 1)


def _excursion(rng: Rng, at: Floats, begin: float) -> Floats:
    """Up within days, and back over two to seven weeks."""
    up, back = rng.uniform(2, 10), rng.uniform(14, 49)
    return _ramp(begin, at, up) - _ramp(begin + up, at, back)


def _fractional(rng: Rng, years: Floats, hurst: float) -> Floats:
    """Fractional Brownian motion from 0 at 0, SD 1 after a year."""
    power = years ** (2 * hurst)
    apart = np.abs(years[:, None] - years) ** (2 * hurst)
    covariance = 0.5 * (power[:, None] + power - apart) + 1e-9 * np.eye(len(years))
    return np.linalg.cholesky(covariance) @ rng.standard_normal(len(years))


def scatter(rng: Rng, world: World, days: Floats) -> Floats:
    """(N,) kg between the slow weight and what is read, before rounding."""
    own = world.scatter_kg * rng.lognormal(0, world.scatter_sd)
    wide = rng.random(len(days)) < world.wide_share
    carried = ornstein_uhlenbeck(rng, days, world.day_kg, world.day_days)
    return carried + rng.standard_normal(len(days)) * np.where(wide, world.wide_kg, own)


def change_quantiles(bodies: Sequence[Body], band: Band, most: int) -> Floats:
    """Quantiles (LEVELS) of |change| over all pairs that many days apart, `most` a person."""
    found = []
    for body in bodies:
        day = np.floor(body.day)
        first, second = np.triu_indices(len(day), 1)
        gap = day[second] - day[first]
        own = np.flatnonzero((gap >= band[0]) & (gap <= band[1]))
        if len(own) > most:
            own = own[:: -(-len(own) // most)]
        found.append(np.abs(body.kg[second[own]] - body.kg[first[own]]))
    return np.quantile(np.concatenate(found), LEVELS)
