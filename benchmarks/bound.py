"""How well could anybody tell an unnamed outlier from another person? By scenario.

python -m benchmarks.bound [--seeds test] [--persons 60]

The judge of this bound knows more than any judge can: which readings are errors and of one of
these two kinds, the right value of each, how often each kind occurs in this source of this
stream, and the densities that the simulator draws from. All other errors count as named right.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import DEV_SEEDS, TEST_SEEDS
from benchmarks.report import table
from benchmarks.scoring import CODED
from benchmarks.streams import Stream, labelled_stream
from weightstream.simulator.error_menu import SMALL_KG, SMALL_SHARE
from weightstream.simulator.scenarios import SCENARIOS
from weightstream.types import Floats, Ints

HOME = "patient-device"
"""Where another person is always the same housemate; elsewhere it is anyone."""
LUGGAGE = (0.03, 0.35)
"""An unnamed outlier is off by a share drawn evenly between these, up or down."""
GRID = np.arange(20.0, 250.0, 0.5)
SMOOTH_KG = 4.0
HOUSEMATE_KG = 3.0
"""How far one person's readings lie around their own mean."""


@dataclass
class Bound:
    """errors: all with a code; alike: of the two kinds; told: of these, by all there is."""

    errors: int = 0
    alike: int = 0
    told_alone: int = 0
    told: int = 0


def bound(stream: Stream) -> Bound:
    error = stream.error.astype(str)
    found = Bound(errors=int(np.isin(error, CODED).sum()))
    people = population(stream)
    user = np.repeat(np.arange(len(stream.batch.user_ids)), np.diff(stream.batch.indptr))
    alike = np.isin(error, ("other_person", "outlier"))
    for index, source in enumerate(stream.batch.sources):
        rows = np.flatnonzero(alike & (stream.batch.source == index))
        if len(rows):
            other = error[rows] == "other_person"
            y, right = stream.batch.weight_kg[rows], stream.true_kg[rows]
            stranger = other.mean() * strangers(y, right, people)
            luggage = (1 - other.mean()) * luggage_density(y, right)
            alone = stranger >= luggage
            said = alone.copy()
            if source == HOME:
                said = with_housemates(user[rows], y, luggage, other.mean(), people)
            found.alike += len(rows)
            found.told_alone += int((alone == other).sum())
            found.told += int((said == other).sum())
    return found


def population(stream: Stream) -> Floats:
    """Density over GRID of the slow weight of a person of this stream."""
    starts = stream.batch.indptr[:-1][np.diff(stream.batch.indptr) > 0]
    apart = GRID[:, None] - stream.level_kg[starts][None, :]
    density = np.exp(-0.5 * (apart / SMOOTH_KG) ** 2).sum(axis=1)
    return density / (density.sum() * (GRID[1] - GRID[0]))


def strangers(y: Floats, right: Floats, people: Floats) -> Floats:
    """Density of another person's reading, given that it is no small offset."""
    far = np.abs(GRID[None, :] - right[:, None]) >= least(right)[:, None]
    share = (far * people).sum(axis=1) * (GRID[1] - GRID[0])
    return np.interp(y, GRID, people) / share


def luggage_density(y: Floats, right: Floats) -> Floats:
    """Density of an unnamed outlier, given that it is no small offset."""
    low = np.maximum(LUGGAGE[0], least(right) / right)
    within = np.abs(y / right - 1) <= LUGGAGE[1] + 0.002  # the display rounds
    return np.where(within, 0.5 / ((LUGGAGE[1] - low) * right), 0.0)


def least(right: Floats) -> Floats:
    return np.maximum(SMALL_KG, SMALL_SHARE * right)


def with_housemates(
    user: Ints, y: Floats, luggage: Floats, share: float, people: Floats
) -> np.ndarray:
    """Whether each reading is rather the housemate's, of whom all of the user's readings tell."""
    said = np.zeros(len(y), bool)
    for one in np.unique(user):
        own = user == one
        z = (y[own][:, None] - GRID[None, :]) / HOUSEMATE_KG
        mate = share * np.exp(-0.5 * z**2) / (HOUSEMATE_KG * np.sqrt(2 * np.pi))
        either = mate + luggage[own][:, None] + 1e-300
        log_weight = np.log(people + 1e-300) + np.log(either).sum(axis=0)
        weight = np.exp(log_weight - log_weight.max())
        said[own] = (weight * mate / either).sum(axis=1) >= 0.5 * weight.sum()
    return said


def rows_of(seeds: Sequence[int], persons: int) -> list[list[str]]:
    rows, total = [], Bound()
    for scenario in SCENARIOS:
        own = Bound()
        for seed in seeds:
            one = bound(labelled_stream(scenario, seed, persons))
            for name, count in vars(one).items():
                setattr(own, name, getattr(own, name) + count)
                setattr(total, name, getattr(total, name) + count)
        if own.alike:
            rows.append(_row(scenario, own))
    return [*rows, _row("all", total)]


def _row(name: str, own: Bound) -> list[str]:
    others = own.errors - own.alike
    shares = (own.told_alone / own.alike, own.told / own.alike, (others + own.told) / own.errors)
    return [name, str(own.errors), str(own.alike), *(f"{share:.3f}" for share in shares)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.bound", description=__doc__)
    parser.add_argument("--seeds", choices=("dev", "test"), default="dev")
    parser.add_argument("--persons", type=int, default=60, help="of each scenario and seed")
    options = parser.parse_args()
    seeds = DEV_SEEDS if options.seeds == "dev" else TEST_SEEDS
    head = ("scenario", "errors", "of the two kinds", "told alone", "told", "naming")
    print(table(head, rows_of(seeds, options.persons)))


if __name__ == "__main__":
    main()
