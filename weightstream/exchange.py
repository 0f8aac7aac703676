"""The exchange of rows on a cluster: files by person, from the tasks that read to those that judge.

A reading task sorts its rows into buckets by person and writes files in which batch n is bucket n.
The task that judges bucket n reads batch n of every file. So a lost worker costs only its own
tasks, and a run that was killed continues from the complete files.
"""

import json
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from weightstream.schema import CODE
from weightstream.types import Ints

ROWS_PER_FILE = 1_000_000


class Place:
    """A folder that all workers can reach, on any file system that fsspec knows."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url if "://" in url else os.path.abspath(url)  # workers may be elsewhere
        self.system, self.root = fsspec.core.url_to_fs(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (self.url,)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def exists(self, name: str = "") -> bool:
        return bool(self.system.exists(self.path(name)))

    def names(self, folder: str, ending: str = "") -> list[str]:
        """Return the names in a folder, ascending."""
        if not self.exists(folder):
            return []
        found = self.system.ls(self.path(folder), detail=False)
        return sorted(name.rpartition("/")[2] for name in found if name.endswith(ending))

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Yield a file to write to, which appears under its name when it is complete."""
        self.system.makedirs(self.path(name).rpartition("/")[0], exist_ok=True)
        unfinished = f"{self.path(name)}.{secrets.token_hex(4)}.tmp"
        with self.system.open(unfinished, "wb") as file:
            yield file
        self.system.mv(unfinished, self.path(name))

    def open(self, name: str) -> Any:
        return self.system.open(self.path(name), "rb")

    def write_json(self, name: str, value: Any) -> None:
        with self.writing(name) as file:
            file.write(json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n")

    def read_json(self, name: str) -> Any:
        with self.open(name) as file:
            return json.loads(file.read())

    def remove(self, name: str) -> None:
        if self.exists(name):
            self.system.rm(self.path(name), recursive=True)


class BucketWriter:
    """Writes tables of one schema with user_id into files of at most about ROWS_PER_FILE rows."""

    def __init__(self, place: Place, stem: str, schema: pa.Schema, buckets: int) -> None:
        self._place, self._stem, self._buckets = place, stem, buckets
        self._schema = _plain(schema)
        self._held: list[pa.Table] = []
        self._rows = self._files = 0

    def append(self, table: pa.Table) -> None:
        if len(table):
            self._held.append(table.cast(self._schema))
            self._rows += len(table)
        if self._rows >= ROWS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are held."""
        if not self._held:
            return
        table = pa.concat_tables(self._held)
        self._held, self._rows = [], 0
        bucket = buckets_of(table["user_id"], self._buckets)
        order = np.argsort(bucket, kind="stable")
        ends = np.searchsorted(bucket[order], np.arange(self._buckets + 1))
        table = table.take(order).combine_chunks()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            self._place.writing(f"{self._stem}-{self._files:04}.arrow") as file,
            pa.ipc.new_file(file, self._schema, options=options) as writer,
        ):
            for start, stop in pairwise(ends.tolist()):
                writer.write(_one_batch(table.slice(start, stop - start), self._schema))
        self._files += 1


def read_bucket(place: Place, folder: str, kind: str, bucket: int, schema: pa.Schema) -> pa.Table:
    """Return the rows of a bucket from all files in a folder whose stem ends in `kind`."""
    tables = [schema.empty_table()]
    for name in place.names(folder, ".arrow"):
        if f"-{kind}-" in name:
            with place.open(f"{folder}/{name}") as file, pa.ipc.open_file(file) as reader:
                batch = reader.get_batch(bucket)
                if batch.num_rows:
                    tables.append(pa.Table.from_batches([batch]).cast(schema))
    return pa.concat_tables(tables)


def buckets_of(user_id: pa.ChunkedArray, buckets: int) -> Ints:
    """Return (N,) the bucket of each person, which depends only on the id."""
    codes = user_id.cast(pa.string()).combine_chunks().dictionary_encode()
    of_user = [zlib.crc32(user.encode()) % buckets for user in codes.dictionary.to_pylist()]
    return np.array(of_user, np.int64)[codes.indices.to_numpy()]


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema without dictionaries, so that a batch can be read without other texts."""
    return pa.schema([(f.name, pa.string() if f.type == CODE else f.type) for f in schema])


def _one_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema)
