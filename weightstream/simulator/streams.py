"""Labelled people with named errors: the sample data, and the material of tests and benchmarks.

A block of persons is made at a time, from its own seed, so that a file of any length needs the
memory of one block, and a frame and a file of the same arguments hold the same rows.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from weightstream.errors import ConfigError
from weightstream.simulator.error_menu import ERRORS, label, read_display, spoil
from weightstream.simulator.file import (
    COLUMNS,
    in_file_order,
    mark_identical,
    mark_tied_copies,
    source_names,
    step_names,
    with_copies,
    with_faults,
    write_numbers,
    write_times,
)
from weightstream.simulator.people import draw_people, weigh
from weightstream.simulator.scenarios import HABITS, SCENARIOS, Scenario
from weightstream.types import Ints

TRUTH = ("error", "verdict", "true_kg", "level_kg", "step", "weight_kg", "day", "hour")

BLOCK_ROWS = 50_000
BLOCK_PERSONS = 500
ROWS_SIGMA = 0.8  # readings a person: p99 is 6.4 times the median (a production load)
ACCEPTABLE = ("ok", "scale_offset")


def simulate(
    persons: int,
    rows: int | None = None,
    seed: int = 0,
    scenario: str = "mixed",
    faults: bool = True,
) -> pd.DataFrame:
    """Make a labelled stream of measurements.

    persons: how many; rows: of all persons together, exactly (None: what the scenario's habits
    give). faults: with exact duplicates and rows that belong into quarantine.

    Returns one row per line of the file, in its order. COLUMNS are text as a source writes it;
    then the truth: error (ok, a code of schema.REASONS, error_menu.EXTRA_LABELS, duplicate, or a
    quarantine reason), verdict (accepted, rejected, duplicate, quarantined), true_kg (what the
    source should have said), level_kg (slow weight on the reference scale in the morning), step
    (a real fast change in progress, else empty), weight_kg, day (since 1970 UTC) and hour as a
    reader should take them from the text (hour NaN where only the date is written).
    Raises ConfigError for an unknown scenario or impossible numbers.
    """
    return pd.concat(_blocks(persons, rows, seed, scenario, faults), ignore_index=True)


def write_csv(frame: pd.DataFrame, path: Path, labels: Path | None = None) -> None:
    """Write the main CSV and, apart, the truth of the same lines."""
    _append(iter([frame]), path, labels)


def simulate_csv(
    path: Path,
    persons: int,
    rows: int | None = None,
    seed: int = 0,
    scenario: str = "mixed",
    labels: Path | None = None,
    faults: bool = True,
) -> int:
    """Write what `simulate` returns, block by block. Returns the number of rows."""
    return _append(_blocks(persons, rows, seed, scenario, faults), path, labels)


def _append(frames: Iterator[pd.DataFrame], path: Path, labels: Path | None) -> int:
    """Raises ConfigError where a file cannot be written."""
    if labels is not None and labels.resolve() == path.resolve():
        raise ConfigError(f"{path} cannot hold both the stream and its labels; name two files")
    try:
        return _written(frames, path, labels)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from None


def _written(frames: Iterator[pd.DataFrame], path: Path, labels: Path | None) -> int:
    done = 0
    for frame in frames:
        head = done == 0
        mode: Literal["w", "a"] = "w" if head else "a"
        frame.to_csv(
            path, columns=list(COLUMNS), index=False, header=head, mode=mode, lineterminator="\n"
        )
        if labels is not None:
            truth = frame[["user_id", "id", *TRUTH]].round({"true_kg": 3, "level_kg": 4, "hour": 4})
            truth.insert(0, "line", np.arange(done + 2, done + 2 + len(frame)))
            truth.to_csv(labels, index=False, header=head, mode=mode, lineterminator="\n")
        done += len(frame)
    return done


def _blocks(
    persons: int, rows: int | None, seed: int, scenario: str, faults: bool
) -> Iterator[pd.DataFrame]:
    if scenario not in SCENARIOS:
        raise ConfigError(f"no scenario is called {scenario!r}; there are {', '.join(SCENARIOS)}")
    if persons < 1 or seed < 0 or (rows is not None and rows < persons):
        raise ConfigError(
            f"cannot simulate {'some' if rows is None else rows} rows of {persons} persons with "
            f"seed {seed}: at least one person, a row for each, and a seed from 0"
        )
    world = SCENARIOS[scenario]
    own = zlib.crc32(scenario.encode())  # the same seed gives other persons in another scenario
    habit, count = _census(np.random.default_rng([seed, own, 0]), world, persons, rows)
    width = max(3, len(str(persons)))
    for first, last in _block_edges(count):
        rng = np.random.default_rng([seed, own, 1 + first])
        yield _block(rng, world, habit[first:last], count[first:last], first, width, faults)


def _census(
    rng: np.random.Generator, world: Scenario, persons: int, rows: int | None
) -> tuple[Ints, Ints]:
    """Habit and number of rows of each person."""
    shares = np.array([world.habits.get(name, 0.0) for name in HABITS])
    habit = rng.choice(len(shares), persons, p=shares / shares.sum())
    median = np.array([h.rows for h in HABITS.values()])[habit]
    wanted = median * np.exp(ROWS_SIGMA * rng.standard_normal(persons))
    if rows is None:
        return habit, np.maximum(1, wanted).astype(np.int64)
    exact = (rows - persons) * wanted / wanted.sum()
    count = np.floor(exact).astype(np.int64)
    short = rows - persons - int(count.sum())
    count[np.argsort(count - exact, kind="stable")[:short]] += 1
    return habit, count + 1


def _block_edges(count: Ints) -> Iterator[tuple[int, int]]:
    first, rows = 0, 0
    for user, own in enumerate(count.tolist()):
        if user > first and (rows + own > BLOCK_ROWS or user - first >= BLOCK_PERSONS):
            yield first, user
            first, rows = user, 0
        rows += own
    yield first, len(count)


def _block(
    rng: np.random.Generator,
    world: Scenario,
    habit: Ints,
    count: Ints,
    first: int,
    width: int,
    faults: bool,
) -> pd.DataFrame:
    people = draw_people(rng, world, habit, count)
    weighings = weigh(rng, world, people)
    written = read_display(people, weighings)
    spoil(rng, world, people, weighings, written)
    person = weighings.person
    weight, unit, weight_kg = write_numbers(rng, people, person, written)
    text, day, hour = write_times(people, person, written)
    level, _, step = weighings.bodies.at(person, written.time)
    dated = written.intended == ERRORS.index("wrong_date")
    true_kg = written.true_kg + np.where(dated, level - weighings.level_kg, 0.0)
    error = label(weighings, written, weight_kg, true_kg)
    ids = np.array([f"P{first + user + 1:0{width}d}" for user in range(len(count))], object)
    frame = pd.DataFrame(
        {
            "user_id": ids[person],
            "effectiveDateTime": text,
            "source_type": source_names(written.source),
            "weight": weight,
            "unit": unit,
            "id": _record_ids(rng, len(person), first),
            "error": error,
            "verdict": np.where(np.isin(error, ACCEPTABLE), "accepted", "rejected").astype(object),
            "true_kg": true_kg,
            "level_kg": level,
            "step": step_names(step),
            "weight_kg": weight_kg,
            "day": day,
            "hour": hour,
        }
    )
    if faults:
        frame = with_copies(rng, frame)
        with_faults(rng, frame)
    mark_identical(frame)
    mark_tied_copies(frame)
    return in_file_order(rng, frame)


def _record_ids(rng: np.random.Generator, size: int, first: int) -> np.ndarray:
    """Ids that a source could have given: unique within a person, in no order."""
    return np.array([f"{first:x}-{k:05x}" for k in rng.permutation(size).tolist()], object)
