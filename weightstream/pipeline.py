"""The one pipeline: read → clean → partition → judge.

Everything that judges measurements runs these steps: the flows' tasks, `weightstream.clean`,
benchmarks and tests. Only the result differs. Without a store it is a table of judged rows
(`judged_batches`); with a store it is the changes to the store (`judge_for_store`).

    intake = read(files, ReadOptions(), config.data, datetime.now(UTC), spill_folder(folder))
    judging = judging_of(config, PRIOR)
    for batch in judged_batches(intake, judging, "retro"):  # whole persons; memory stays bounded
        batch.rows                                          # an Arrow table
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.config import Data
from weightstream.engine import Filtered, filter_batch, smooth_batch
from weightstream.errors import ConfigError
from weightstream.intake.cleaning import Rules
from weightstream.intake.identity import Deduplicated, deduplicate, measurement_ids
from weightstream.intake.partition import Partition
from weightstream.intake.rereading import Check, accept
from weightstream.intake.selection import Selection
from weightstream.intake.sources import Intake, take_in
from weightstream.intake.tombstones import NOBODY, Tombstones
from weightstream.judging.batch_result import BatchResult
from weightstream.judging.causal import Judging, decide, outcomes_of_copies
from weightstream.judging.decisions import CAUSAL, RETRO, decision_columns
from weightstream.judging.record_links import statements_of
from weightstream.judging.record_statements import (
    RECORD_STATEMENTS,
    own_statements,
    superseded_rows,
)
from weightstream.judging.series import (
    AnnotatedSeries,
    Annotations,
    by_person,
    join,
)
from weightstream.judging.stored import HISTORY, NOTHING_STORED, OVERRIDES, Stored
from weightstream.readers import ReadOptions
from weightstream.types import Ints

Stage = Literal["causal", "retro"]
Item = TypeVar("Item")
Result = TypeVar("Result")
INTERVALS = ("expected", "level", "change_28d")
"""Quantities that a decision states with a 95 % interval: NAME_kg, NAME_margin_kg."""


def check_stage(stage: str) -> None:
    """Raise ConfigError for a stage that does not exist."""
    if stage not in (CAUSAL, RETRO):
        raise ConfigError(f"stage must be {CAUSAL} or {RETRO}, not {stage!r}")


@dataclass(frozen=True)
class JudgedBatch:
    """All rows of a batch of whole persons, judged without a store.

    rows: schema.MEASUREMENT, measurement_id, outcome (accepted, rejected, duplicate, excluded), and
    the columns of a decision, null if the outcome is excluded. First come the measurements, each
    id once, sorted by user, time, source, kg, id; then their duplicates, with the same decision.
    series and estimates: the engine's input and output, reading by reading.
    """

    rows: pa.Table
    series: AnnotatedSeries
    estimates: Filtered


def read(
    sources: Sequence[Path],
    options: ReadOptions,
    data: Data,
    started: datetime,
    spill: Path,
    *,
    tombstones: Tombstones = NOBODY,
    users: Mapping[Path, str] = MappingProxyType({}),
    check: Check = accept,
    threads: int = 2,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Intake:
    """Read and clean every source once.

    started: a measurement later than this is faulty. spill: a folder of this run, to which
    measurements go, by person, if there are more than `data.spill_rows`. tombstones: erased
    persons, whose rows are dropped and counted. users: the person of a source, if its folder names
    one; it takes precedence over options.user. check: raises InputError for a source that must not
    be read. on_rows: called with the number of rows as they are read. A source that cannot be used
    is in Intake.refused with a sentence; the others continue.
    Raises ConfigError if `data.users_file` cannot be read.
    """
    rules = Rules(started, data.timezone, data.min_date)
    selection = Selection(data, tombstones)
    return take_in(
        sources, options, rules, selection, spill, data.spill_rows, on_rows, threads, users, check
    )


def judged_batches(
    intake: Intake,
    judging: Judging,
    stage: Stage,
    *,
    overrides: pa.Table | None = None,
    users_per_task: int = 0,
    workers: int = 2,
) -> Iterator[JudgedBatch]:
    """Judge what was read, without a store, batch by batch. workers: threads; 1: only this one.

    users_per_task: persons in a batch; 0: batches of like size. A person is in one batch. Batches
    come in the order of their partitions, whatever the number of threads. At most workers + 1 of
    them are in memory besides the one that was yielded.
    """
    batches = intake.parts(workers, users_per_task)
    with_rows = (batch for batch in batches if len(batch.rows))
    judge_one = partial(judge, judging=judging, stage=stage, overrides=overrides)
    yield from map_in_order(judge_one, with_rows, workers)


def judge(
    batch: Partition, judging: Judging, stage: Stage, overrides: pa.Table | None = None
) -> JudgedBatch:
    """Judge the persons of a batch by its rows alone.

    stage: "causal" judges each measurement by earlier ones, "retro" by all others of its person.
    overrides: verdicts of reviewers (stored.OVERRIDES). Persons with fewer than
    judging.min_readings measurements are not judged.
    """
    found = identify(batch.take())
    _, indptr = by_person(found.new["user_id"])
    readings = np.repeat(np.diff(indptr), np.diff(indptr))
    stated = statements_of(found.one_each.copies, batch.retractions).select(RECORD_STATEMENTS)
    superseded = superseded_rows(pa.concat_tables([own_statements(found.new), stated]))
    annotations = Annotations(
        superseded, OVERRIDES.empty_table() if overrides is None else overrides
    )
    enough = readings >= judging.min_readings
    table = join(found.new, enough, HISTORY.empty_table(), judging.timezone)
    series = annotations.arranged(table, by_person(table["user_id"])[0], batch.demographics)
    estimates = series.judged(_estimate(series, judging, stage))
    decisions = decision_table(series, estimates, stage, judging.parameters.name)
    return JudgedBatch(_outcome_rows(found, decisions), series, estimates)


def _estimate(series: AnnotatedSeries, judging: Judging, stage: Stage) -> Filtered:
    batch = series.batch()
    model = judging.model(batch.sources)
    if stage == RETRO:
        return smooth_batch(batch, model)
    return filter_batch(batch, model, engine=judging.kalman.engine)


def judge_for_store(
    batch: Partition,
    judging: Judging,
    file_numbers: Ints,
    stored: Stored = NOTHING_STORED,
    persons: Sequence[str] | None = None,
) -> tuple[BatchResult, Ints]:
    """Judge a batch causally, together with the stored readings of its persons.

    file_numbers: (files,) int64, the store's number of each file of the intake. persons: judge
    only these.
    Returns the changes to the store, and (files, OUTCOMES) counts of the rows that were copies of
    others in the batch.
    """
    measurements, retractions, about = batch.take(), batch.retractions, batch.demographics
    if persons is not None:
        measurements, retractions, about = (
            table.filter(pc.is_in(table["user_id"].cast(pa.string()), pa.array(persons)))
            for table in (measurements, retractions, about)
        )
    found = identify(measurements)
    stated = statements_of(found.one_each.copies, retractions)
    result = decide(found.new, stated, file_numbers, stored, judging, about)
    return result, outcomes_of_copies(found.one_each.dropped, result, len(file_numbers))


@dataclass(frozen=True)
class Identified:
    """Measurements by identity.

    measurements, ids: all rows of the batch, and the id of each. one_each: the rows that are kept.
    new: the same as a table with measurement_id.
    """

    measurements: pa.Table
    ids: pa.StringArray
    one_each: Deduplicated
    new: pa.Table


def identify(measurements: pa.Table) -> Identified:
    """Find which rows of schema.MEASUREMENT are the same measurement, and keep one of each.

    Adds a column `row`, the position of a row in `measurements`.
    """
    rows = measurements.append_column("row", pa.array(np.arange(len(measurements))))
    ids = measurement_ids(rows)
    one_each = deduplicate(rows, ids)
    new = one_each.measurements.append_column("measurement_id", one_each.ids)
    return Identified(rows, ids, one_each, new)


def decision_table(
    series: AnnotatedSeries, estimates: Filtered, stage: Stage, model: str
) -> pa.Table:
    """Return the decision on each reading of a series, with both ends of its intervals, in kg."""
    columns = decision_columns(series, estimates, stage, model)
    for name in INTERVALS:
        middle, margin = columns[f"{name}_kg"], columns.pop(f"{name}_margin_kg")
        columns[f"{name}_lo_kg"], columns[f"{name}_hi_kg"] = middle - margin, middle + margin
    rows = len(series.table)
    return pa.table({name: _column(values, rows) for name, values in columns.items()})


def _column(values: Any, rows: int) -> pa.Array:
    """Return an Arrow column of one value or of many; NaN becomes null."""
    if isinstance(values, str):
        return pa.repeat(pa.scalar(values), rows)
    return values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)


def _outcome_rows(found: Identified, decisions: pa.Table) -> pa.Table:
    """Return JudgedBatch.rows: each row of the batch with the decision on its measurement."""
    everything = found.measurements.append_column("measurement_id", found.ids)
    again = np.ones(len(everything), bool)
    again[found.new["row"].to_numpy()] = False
    rows = pa.concat_tables([found.new, everything.filter(pa.array(again))]).drop_columns(["row"])
    at = pc.index_in(rows["measurement_id"], decisions["measurement_id"])
    decided = decisions.drop_columns(
        [name for name in rows.column_names if name in decisions.column_names]
    )
    decided = decided.take(at)
    first = np.arange(len(rows)) < len(found.new)
    outcome = pc.if_else(pa.array(first), decided["verdict"], "duplicate")
    outcome = pc.if_else(pc.is_valid(at), outcome, "excluded")
    rows = rows.append_column("outcome", outcome)
    for name in decided.column_names:
        rows = rows.append_column(name, decided[name])
    return rows


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield function(item) of each item, in order, computed on `workers` threads; 1: only this one.

    Takes an item only if fewer than workers + 1 results are being computed or wait to be taken.
    """
    waiting = iter(items)
    if workers <= 1:
        yield from map(function, waiting)
        return
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
        for item in waiting:
            under_way.append(pool.submit(function, item))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
