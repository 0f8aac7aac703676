"""The run context, which the tasks of one run share beside Prefect: four objects.

Prefect keeps the parameters and results of tasks until the flow ends. So tasks get a run's key and
a batch number, and find the arrays here. The writer removes them when they are stored.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from prefect.states import State

from tasks.runtime.progress import Progress
from weightstream.clocks import StageClock
from weightstream.config import Config
from weightstream.demographics import STATED
from weightstream.intake.partition import Partition
from weightstream.intake.sources import Intake
from weightstream.judging.batch_result import BatchResult
from weightstream.judging.causal import Judging
from weightstream.judging.stored import NOTHING_STORED, Stored
from weightstream.outputs.drawing import Drawing, IndexRow, drawing_of
from weightstream.outputs.drawing_processes import DrawingProcesses
from weightstream.outputs.report import Document
from weightstream.readers import ReadOptions
from weightstream.schema import OUTCOMES, RETRO_COUNTS
from weightstream.store.connection import Checkpointer, ReadPool
from weightstream.store.stored_persons import StoredPersons
from weightstream.types import Ints

ROWS_IN_FLIGHT = 140_000
"""About 1 kB each, from their being taken out of the partition until they are stored."""


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, which do not change while it runs.

    run_id: of the flow run in Prefect. started: no measurement may be later. spill: a folder of
    this run alone. limits: slots of the stages that have a limit on the Prefect server, and the MB
    of VIZ_MEMORY. sources: files to read; users: the person of a file, where its folder says.
    """

    run_id: str
    config: Config
    data_dir: Path
    judging: Judging
    started: datetime
    spill: Path
    limits: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[Path] = ()
    read_options: ReadOptions = field(default_factory=ReadOptions)
    users: Mapping[Path, str] = field(default_factory=dict)

    @property
    def dashboards(self) -> Path:
        return self.data_dir / "dashboards"

    @cached_property
    def drawing(self) -> Drawing:
        return drawing_of(self.dashboards, self.config, self.judging)

    def tasks_at_once(self, stage: str, pool_size: int) -> int:
        """The pool size, but no more than the stage's slots on the server; 0 without threads."""
        return self.config.threading.enabled * min(pool_size, self.limits.get(stage, pool_size))


@dataclass
class StoreHandles:
    """The store of a run.

    connection: the writer's, used by the flow's own thread alone. run: the run's number in the
    store. has_persons: whether the store held anyone when the run began, or has been found to
    since. file_numbers: (files,) int64, the store's number of each file that was read.
    """

    path: Path
    connection: sqlite3.Connection
    checkpointer: Checkpointer
    pool: ReadPool
    run: int
    has_persons: bool
    file_numbers: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @contextmanager
    def reader(self) -> Iterator[Stored]:
        """Return the stored persons; an empty store if there were none when the run began.

        If persons were stored since, the writer notices it by their revisions.
        """
        if not self.has_persons:
            yield NOTHING_STORED
            return
        with self.pool.connection() as connection:
            yield StoredPersons(connection)


@dataclass
class Batches:
    """The batches in flight, by their number, and what waits for them.

    partitions: new measurements to judge. persons: whom to smooth or draw. results and copies:
    what was judged and is not stored yet. index_rows: of the persons who were drawn, in
    drawing_processes or, if None, in this one. pictured: persons whose PNGs are drawn, in so many
    browser_tabs. before: the end of what the next stage follows, for Prefect's graph.
    """

    intake: Intake = field(init=False)  # from the task `read`
    partitions: dict[int, Partition] = field(default_factory=dict)
    persons: dict[int, Sequence[str]] = field(default_factory=dict)
    results: dict[int, BatchResult] = field(default_factory=dict)
    copies: dict[int, Ints] = field(default_factory=dict)
    index_rows: dict[int, list[IndexRow]] = field(default_factory=dict)
    drawing_processes: DrawingProcesses | None = None
    pictured: Sequence[str] = ()
    browser_tabs: int = 0
    before: list[State[Any]] = field(default_factory=list)

    def follows(self, state: State[Any]) -> None:
        """Record, for Prefect's graph, that the next tasks follow this one, if it succeeded."""
        if state.is_completed():
            self.before = [state]

    def has_memory(self) -> bool:
        """Return whether another batch may be started beside those in flight."""
        return sum(len(part.rows) for part in self.partitions.values()) < ROWS_IN_FLIGHT

    def forget(self, batch: int) -> int:
        """Release a batch of new measurements; return its rows."""
        self.results.pop(batch, None)
        return len(self.partitions.pop(batch).rows)


@dataclass
class Tallies:
    """What a run has counted so far.

    counts: (files, OUTCOMES) int64, rows that came in. shared_ids: of them, those whose source's
    id is that of others too, by file and source. contradictory: persons of whom the sources state
    what contradicts the store, by STATED. changed: persons whose series grew. failed: rows
    of batches that failed; failed_files: the numbers of their files. net_accepted: of the run's
    own rows, those that retro accepted less those that it rejected. outcomes: of all rows, once
    all are judged. quality: from the task `report`, and new_breaches: limits of [quality] that are
    passed and were not before. alerted: persons with a recent alert that was not announced yet.
    processes_mb: memory of the processes that drew. smoothed: whether retro ran.
    """

    progress: Progress
    clocks: dict[str, StageClock] = field(default_factory=lambda: defaultdict(StageClock))
    counts: Ints = field(default_factory=lambda: np.zeros((0, len(OUTCOMES)), np.int64))
    shared_ids: Counter[tuple[int, str]] = field(default_factory=Counter)
    contradictory: Counter[str] = field(default_factory=Counter)
    users: int = 0
    changed: list[str] = field(default_factory=list)
    failed: int = 0
    failed_files: set[int] = field(default_factory=set)
    net_accepted: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    quality: Document = field(default_factory=dict)
    new_breaches: int = 0
    alerted: int = 0
    processes_mb: float = 0.0
    smoothed: bool = False
    retro_changes: Ints = field(default_factory=lambda: np.zeros(len(RETRO_COUNTS), np.int64))

    def count_result(self, result: BatchResult, start: int, stop: int) -> None:
        """Add what was just committed: the rows of persons start:stop of a result."""
        persons = result.user_ids[start:stop]
        changed = result.changed[start:stop].tolist()
        self.changed += [user for user, grew in zip(persons, changed, strict=True) if grew]
        self.net_accepted += int(result.net_accepted[start:stop].sum())
        if result.retro_counts_of is not None:
            self.retro_changes += result.retro_counts_of[start:stop].sum(axis=0)
        if result.outcome.columns:  # rows that came in, not a second look at stored ones
            self.users += int(result.arrived[start:stop].sum())
            if result.contradictory is not None:
                found = result.contradictory[start:stop].sum(axis=0).tolist()
                self.contradictory.update(dict(zip(STATED, found, strict=True)))
            self.shared_ids += result.shared_ids(start, stop)
            self.count_rows(result.counts(start, stop, len(self.counts)))

    def count_rows(self, counts: Ints) -> None:
        """Add (files, OUTCOMES) rows that came in."""
        self.counts += counts
        self.progress.advance("write", int(counts.sum()))

    @property
    def retro_counts(self) -> dict[str, int]:
        """Return what retro did in this run; empty if it did not run."""
        counts = dict(zip(RETRO_COUNTS, self.retro_changes.tolist(), strict=True))
        return counts if self.smoothed else {}


@dataclass(frozen=True)
class RunContext:
    """One run's settings, its store, its batches in flight and its tallies."""

    settings: RunSettings
    store: StoreHandles
    batches: Batches
    tallies: Tallies

    def expect_files(self, numbers: Sequence[int]) -> None:
        """Take the store's numbers of the files that were read; their rows are counted by them."""
        self.store.file_numbers = np.array(numbers, np.int64)
        self.tallies.counts = np.zeros((len(numbers), len(OUTCOMES)), np.int64)


CONTEXTS: dict[str, RunContext] = {}
"""By flow run id; several runs may share a process."""
