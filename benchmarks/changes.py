"""How well is the change over four weeks known, of bodies that move as real ones do?

python -m benchmarks.changes [--seed 741 --persons 300]

Bodies: benchmarks.real_bodies, whose level is drawn at both ends of each change. Nothing is spoilt.
"""

import argparse

import numpy as np

from benchmarks.accuracy import STAGES
from benchmarks.real_bodies import CLINIC, FIRST_DAY, HOME, Rng, level_path, scatter, visits
from benchmarks.report import aligned
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import CHANGE_DAYS, build_model
from weightstream.types import Floats

HEAD = ["place", "stage", "changes", "95 % coverage", "RMSE kg", "margin kg (median)"]
PLACES = {"clinic": (CLINIC, "care-team-upload"), "home": (HOME, "patient-device")}


def drawn(rng: Rng, place: str) -> tuple[Floats, Floats, Floats]:
    """Return days, kg as read, and the true change over CHANGE_DAYS of one person, each (N,)."""
    world, moves = PLACES[place][0], np.empty(0)
    if place == "clinic":
        days, moves = visits(rng, int(np.clip(rng.geometric(1 / 9) + 3, 4, 40)))
        days = np.unique(days)
    else:
        days = FIRST_DAY + np.flatnonzero(rng.random(rng.choice([63, 120, 250])) < 0.8).astype(
            float
        )
    both = np.union1d(days, days - CHANGE_DAYS)
    path = level_path(
        rng, world, both, float(np.clip(rng.lognormal(np.log(85), 0.2), 47, 180)), moves
    )
    now, then = (path[np.searchsorted(both, at)] for at in (days, days - CHANGE_DAYS))
    return days, np.round(now + scatter(rng, world, days), 1), now - then


def rows(place: str, persons: int, seed: int) -> list[list[str]]:
    """Return a row of HEAD for each stage."""
    rng, source = np.random.default_rng(seed), PLACES[place][1]
    people = [drawn(rng, place) for _ in range(persons)]
    day, kg, true = (np.concatenate(values) for values in zip(*people, strict=True))
    batch = UserBatch(
        user_ids=tuple(f"p{u:05}" for u in range(persons)),
        indptr=np.cumsum([0, *(len(days) for days, _, _ in people)]),
        day=day + 0.5,
        hour=np.full(len(day), np.nan),
        weight_kg=kg,
        source=np.zeros(len(day), np.int64),
        sources=(source,),
    )
    found = []
    for stage, run in STAGES.items():
        result = run(batch, build_model(Kalman(), {}, batch.sources))
        known = np.isfinite(result.change_28d)
        off = (true - result.change_28d)[known]
        margin = ((result.change_28d_hi - result.change_28d_lo) / 2)[known]
        covered, rmse = np.mean(np.abs(off) <= margin), np.sqrt(np.mean(off**2))
        figures = (f"{covered:.2f}", f"{rmse:.2f}", f"{np.median(margin):.2f}")
        found.append([place, stage, f"{known.sum():,}", *figures])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--persons", type=int, default=300)
    options = parser.parse_args()
    table = [row for place in PLACES for row in rows(place, options.persons, options.seed)]
    print(aligned(HEAD, table))


if __name__ == "__main__":
    main()
