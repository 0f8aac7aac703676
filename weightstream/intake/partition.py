"""Hold measurements between files and batches: in memory, or partitioned by person on disk.

A person is in exactly one file of the disk and in exactly one batch, so memory holds one file at a
time however large the input is.
"""

import os
import secrets
import shutil
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.batch import split_by_rows
from weightstream.schema import DEMOGRAPHICS, RETRACTION
from weightstream.types import Ints

PARTITIONS = 64
ROWS_PER_TASK = 65_536
FEWEST_ROWS_PER_TASK = 4_096


@dataclass(frozen=True)
class Partition:
    """A batch of whole persons: rows of a table that several batches share, and what else sources
    state about these persons.

    table: schema.MEASUREMENT. rows: (N,) int64, positions in it. retractions: schema.RETRACTION.
    demographics: schema.DEMOGRAPHICS, a row per person of whom anything is stated.
    """

    table: pa.Table
    rows: Ints
    retractions: pa.Table = field(default_factory=RETRACTION.empty_table)
    demographics: pa.Table = field(default_factory=DEMOGRAPHICS.empty_table)

    def take(self) -> pa.Table:
        """Return the measurements of the batch."""
        return self.table.take(self.rows)

    def persons(self) -> pa.Array:
        """Return the ids of the batch's persons."""
        return pc.unique(self.table["user_id"].take(self.rows).cast(pa.string()))

    @property
    def files(self) -> set[int]:
        """Return the numbers, in this run, of the files from which the rows came."""
        return set(self.table["file"].to_numpy()[self.rows].tolist())


class Spool:
    """Tables of one schema, held in memory up to a number of rows and in a Parquet file beyond."""

    def __init__(self, path: Path, limit: int) -> None:
        self.rows = 0
        self._path = path
        self._limit = limit
        self._tables: list[pa.Table] = []
        self._held = 0
        self._writer: pq.ParquetWriter | None = None

    def append(self, table: pa.Table) -> None:
        self._tables.append(table)
        self.rows += len(table)
        self._held += len(table)
        if self._held > self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory to the file."""
        table = pa.concat_tables(self._tables).unify_dictionaries()
        if self._writer is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="lz4")
        self._writer.write_table(table)
        self._tables, self._held = [], 0

    def tables(self) -> Iterator[pa.Table]:
        """Yield everything appended, in order; the file is deleted afterwards."""
        if self._writer:
            self._writer.close()
            with pq.ParquetFile(self._path, read_dictionary=_codes(self._writer.schema)) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group)
            self._path.unlink()
        yield from self._tables


def _codes(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_dictionary(field.type)]


class Partitions:
    """Measurements by person: one partition in memory, or PARTITIONS files once there are many."""

    def __init__(self, folder: Path, spill_rows: int) -> None:
        self.rows = 0
        self._spill_rows = spill_rows
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._folder = folder
        self._spools: list[Spool] = []

    def append(self, measurements: pa.Table) -> None:
        self._held.append(measurements)
        self._held_rows += len(measurements)
        self.rows += len(measurements)
        if self._held_rows > (self._spill_rows // 4 if self._spools else self._spill_rows):
            self._spill()

    def _spill(self) -> None:
        held, self._held, self._held_rows = deque(self._held), [], 0
        while held:  # some at a time: joining copies them
            some = [held.popleft()]
            while held and sum(map(len, some)) < self._spill_rows // 8:
                some.append(held.popleft())
            self._scatter(concat(some))

    def _scatter(self, table: pa.Table) -> None:
        """Append each row to the file of its person's partition."""
        if not self._spools:
            self._spools = [
                Spool(self._folder / f"{n:02}.parquet", limit=0) for n in range(PARTITIONS)
            ]
        codes = table["user_id"].combine_chunks()
        of_user = [zlib.crc32(user.encode()) % PARTITIONS for user in codes.dictionary.to_pylist()]
        partition = np.array(of_user, np.int64)[codes.indices.to_numpy()]
        order = np.argsort(partition, kind="stable")
        ends = np.searchsorted(partition[order], np.arange(PARTITIONS + 1))
        for spool, (start, stop) in zip(self._spools, pairwise(ends), strict=True):
            if stop > start:
                spool.append(table.take(order[start:stop]))

    def tables(self) -> Iterator[pa.Table]:
        """Yield one table a partition; no person is in two of them. Empties this."""
        if self._spools and self._held:
            self._spill()
        if self._held:
            held, self._held = self._held, []
            yield concat(held)
        for spool in self._spools:
            if spool.rows:
                yield concat(list(spool.tables()))
        shutil.rmtree(self._folder, ignore_errors=True)


def concat(tables: list[pa.Table]) -> pa.Table:
    """Return one contiguous table with one dictionary a column; empties the list to free memory."""
    table = pa.concat_tables(tables).unify_dictionaries()
    tables.clear()
    return table.combine_chunks()


def plan(table: pa.Table, width: int, users_per_task: int) -> list[Partition]:
    """Split a partition into size-balanced batches of whole persons, in the order of their ids.

    table: as `concat` makes it. width: threads. users_per_task: see `split`.
    """
    codes = table["user_id"].combine_chunks()
    users = len(codes.dictionary)
    code = codes.indices.to_numpy()
    rank = np.empty(users, np.int64)
    rank[pc.sort_indices(codes.dictionary).to_numpy()] = np.arange(users)
    person = rank[code]
    rows_per_user = np.bincount(person, minlength=users)
    present = np.flatnonzero(rows_per_user)
    groups = split(rows_per_user[present], width, users_per_task)
    starts = np.zeros(users, np.int64)
    starts[[present[group.start] for group in groups]] = 1
    batch = (np.cumsum(starts) - 1)[person]
    order = np.argsort(batch.astype(np.int32), kind="stable")
    ends = np.searchsorted(batch[order], np.arange(len(groups) + 1))
    return [Partition(table, order[a:b]) for a, b in pairwise(ends)]


def split(rows_per_user: Ints, width: int, users_per_task: int) -> list[slice]:
    """Return slices over persons, one per task, for `width` threads.

    users_per_task: 0 = balanced by rows, in few tasks (docs/architecture.md says why).
    """
    if users_per_task:
        starts = range(0, len(rows_per_user), users_per_task)
        return [slice(start, start + users_per_task) for start in starts]
    return split_by_rows(rows_per_user, number_of_batches(int(rows_per_user.sum()), width))


def number_of_batches(rows: int, width: int) -> int:
    """Return how many batches keep every thread busy with so many rows, and no more."""
    return max(-(-rows // ROWS_PER_TASK), min(width, -(-rows // FEWEST_ROWS_PER_TASK)))


def spill_folder(data_dir: Path) -> Path:
    """Return a new folder for a run's spill files; remove those of processes that died."""
    parent = data_dir / "spill"
    for folder in parent.glob("*-*"):
        process = folder.name.partition("-")[0]
        if process.isdecimal() and not alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    return parent / f"{os.getpid()}-{secrets.token_hex(4)}"


def alive(process: int) -> bool:
    """Return whether a process of this machine still runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
