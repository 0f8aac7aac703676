"""What the tasks of one run share beside Prefect.

Prefect keeps whatever a task is given or returns until the flow ends; so tasks are handed a run's
key and a batch number, and find the arrays here. The writer takes them away when they are stored.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.runtime.progress import Progress
from weightstream.batch import Ints
from weightstream.clocks import StageClock
from weightstream.config import Config
from weightstream.intake.cleaning import Rules
from weightstream.intake.partition import Partition
from weightstream.intake.sources import Intake
from weightstream.judging.batch_result import BatchResult
from weightstream.judging.causal import Judging, judge_partition
from weightstream.judging.smoothing import smooth_persons
from weightstream.outputs.drawing import Drawing, IndexRow, draw_persons, drawing_of, needed_mb
from weightstream.outputs.report import Document
from weightstream.readers import ReadOptions
from weightstream.schema import OUTCOMES, RETRO_COUNTS
from weightstream.store.connection import STORE_NAME, Checkpointer, ReadPool

ROWS_UNDER_WAY = 140_000
"""About 1 kB each, from their being taken out of the partition until they are stored."""


@dataclass
class RunContext:
    """One run's settings, its store, and the batches that are under way by their number.

    connection: the writer's, used by the flow's own thread alone. run: the run's number in the
    store. known_persons: whether the store held anyone when the run began. people: whose readings
    a source's are, where its folder says. slots: of the stages that have a limit on the Prefect
    server. failed_files: numbers of those with rows in a batch that failed.
    """

    run_id: str
    config: Config
    data_dir: Path
    sources: list[Path]
    reading: ReadOptions
    people: Mapping[Path, str]
    cleaning: Rules
    judging: Judging
    connection: sqlite3.Connection
    checkpointer: Checkpointer
    pool: ReadPool
    run: int
    known_persons: bool
    progress: Progress
    spill: Path
    limits: dict[str, int]
    intake: Intake = field(init=False)  # from the task `read`
    file_numbers: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    clocks: dict[str, StageClock] = field(default_factory=lambda: defaultdict(StageClock))
    parts: dict[int, Partition] = field(default_factory=dict)
    judged: dict[int, BatchResult] = field(default_factory=dict)
    copies: dict[int, Ints] = field(default_factory=dict)
    persons: dict[int, Sequence[str]] = field(default_factory=dict)
    drawn: dict[int, list[IndexRow]] = field(default_factory=dict)
    pictured: list[str] = field(default_factory=list)
    counts: Ints = field(default_factory=lambda: np.zeros((0, len(OUTCOMES)), np.int64))
    shared_ids: Counter[tuple[int, str]] = field(default_factory=Counter)
    users: int = 0
    changed: list[str] = field(default_factory=list)
    failed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)  # of all rows that came in, at the end
    quality: Document = field(default_factory=dict)  # from the task `report`
    failed_files: set[int] = field(default_factory=set)
    net_accepted: int = 0
    smoothed: bool = False
    retro_counts_of: Ints = field(default_factory=lambda: np.zeros(len(RETRO_COUNTS), np.int64))

    @property
    def path(self) -> Path:
        return self.data_dir / STORE_NAME

    @property
    def dashboards(self) -> Path:
        return self.data_dir / "dashboards"

    @property
    def task_timeout_seconds(self) -> float:
        return self.config.execution.task_timeout_seconds

    def filter(self, batch: int) -> None:
        with self.clocks["filter"].running():
            self.judged[batch] = self.judge(batch)

    def smooth(self, batch: int) -> None:
        with self.clocks["smooth"].running():
            self.judged[batch] = self.smooth_batch_again(batch)

    def needed_mb(self, batch: int) -> int:
        """What drawing a batch of persons takes at most."""
        with self.pool.connection() as store:
            return needed_mb(store, self.persons[batch], self.drawing.most_mb)

    def draw(self, batch: int) -> None:
        with self.clocks["draw"].running(), self.pool.connection() as store:
            self.drawn[batch] = draw_persons(store, self.drawing, self.persons[batch])

    def judge(self, batch: int, persons: Sequence[str] | None = None) -> BatchResult:
        """Judge a batch of new measurements, or only those of some of its persons."""
        with self.reader() as connection:
            decided, copies = judge_partition(
                self.parts[batch], self.file_numbers, connection, self.judging, persons
            )
        if persons is None:
            self.copies[batch] = copies
        return decided

    def smooth_batch_again(self, batch: int, persons: Sequence[str] | None = None) -> BatchResult:
        """Look at the series of a batch of persons again, or of some of them."""
        with self.pool.connection() as connection:
            return smooth_persons(
                persons or self.persons[batch], connection, self.judging, self.run
            )

    def rejudge_users(self, batch: int, persons: Sequence[str]) -> BatchResult:
        """For persons whom another process changed after their batch was decided."""
        self.known_persons = True
        again = self.judge if batch in self.parts else self.smooth_batch_again
        return again(batch, persons)

    def expect(self, numbers: list[int]) -> None:
        """The files are read; these are their numbers in the store."""
        self.file_numbers = np.array(numbers, np.int64)
        self.counts = np.zeros((len(numbers), len(OUTCOMES)), np.int64)

    def count(self, decided: BatchResult, start: int, stop: int) -> None:
        """Add what was just committed: the rows of persons start:stop."""
        persons = decided.user_ids[start:stop]
        changed = decided.changed[start:stop].tolist()
        self.changed += [user for user, grew in zip(persons, changed, strict=True) if grew]
        self.net_accepted += int(decided.net_accepted[start:stop].sum())
        if decided.retro_counts_of is not None:
            self.retro_counts_of += decided.retro_counts_of[start:stop].sum(axis=0)
        if decided.outcome.columns:  # rows that came in, not a second look at stored ones
            self.users += len(persons)
            self.shared_ids += decided.shared_ids(start, stop)
            self._add(decided.counts(start, stop, len(self.file_numbers)))

    def count_copies(self, batch: int) -> None:
        """Add the rows of a batch that were copies of others in it."""
        if batch in self.copies:
            self._add(self.copies.pop(batch))

    def _add(self, counts: Ints) -> None:
        self.counts += counts
        self.progress.advance("write", int(counts.sum()))

    def at_once(self, stage: str, width: int) -> int:
        """Tasks of a stage at once: no more than it has slots on the server; 0 without threads."""
        return self.config.threading.enabled * min(width, self.limits.get(stage, width))

    def has_room(self) -> bool:
        """Whether memory allows another batch beside those under way."""
        return sum(len(part.rows) for part in self.parts.values()) < ROWS_UNDER_WAY

    def forget(self, batch: int) -> int:
        """Let go of a batch; returns its rows."""
        self.judged.pop(batch, None)
        return len(self.parts.pop(batch).rows)

    @property
    def retro_counts(self) -> dict[str, int]:
        """What retro did in this run; empty where it did not run."""
        counts = dict(zip(RETRO_COUNTS, self.retro_counts_of.tolist(), strict=True))
        return counts if self.smoothed else {}

    @property
    def drawing(self) -> Drawing:
        return drawing_of(self.dashboards, self.config, self.judging)

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection | None]:
        """A read connection, or None where there was nobody to read when the run began.

        If somebody has come since, the revision that the writer checks tells.
        """
        if not self.known_persons:
            yield None
            return
        with self.pool.connection() as connection:
            yield connection


CONTEXTS: dict[str, RunContext] = {}
"""By flow run id; several runs may share a process."""
