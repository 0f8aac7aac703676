"""Opening the store: the one write connection, the bounded pool of read-only ones, their errors."""

import os
import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlite_utils import Database

from weightstream.errors import StoreError, StoreFull, StoreLocked, StoreTooNew
from weightstream.store.migrations import migrations

STORE_NAME = "weightstream.db"
LOCK_SECONDS = 30.0


@contextmanager
def open_writer(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """The only door to writing: creates or migrates the store and yields a connection in WAL mode.

    SQLite's own lock is what serialises writers across processes; each transaction waits for it
    up to LOCK_SECONDS. Raises StoreError (locked, too new, full, read-only, not a store).
    """
    path = data_dir / STORE_NAME
    with explained(path):
        create_private(path)
        connection = sqlite3.connect(
            path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
    try:
        with explained(path):
            prepare(connection, path)
            yield connection
    finally:
        connection.close()


def create_private(path: Path) -> None:
    """Folder and file for their owner alone; SQLite's -wal and -shm follow the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")  # WAL: no corruption, commits may be lost
    connection.execute("pragma cache_size = -65536")  # 64 MiB
    database = Database(connection)
    known = {migration.name for migration in migrations._migrations}
    if unknown := {applied.name for applied in migrations.applied(database)} - known:
        raise StoreTooNew(
            f"{path} was written by a newer weightstream (it knows {', '.join(sorted(unknown))}); "
            "upgrade weightstream, or use another --data-dir"
        )
    if migrations.pending(database):
        migrations.apply(database)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, commit at the end, roll back on any error."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    connection.execute("commit")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into one sentence of ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explanation(path, error) from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error


def explanation(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLocked(
            f"{path} has been locked by another process for {LOCK_SECONDS:.0f} s; try again later"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"{path}: no space left on the device; free some and run again")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"{path}: cannot be written ({error}); check its owner and permissions")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError(f"{path} is not a weightstream store ({error}); restore it from a backup")
    return StoreError(f"{path}: {error}")


class ReadPool:
    """At most `size` read-only connections, opened when first wanted; a caller waits its turn."""

    def __init__(self, data_dir: Path, size: int) -> None:
        self.path = data_dir / STORE_NAME
        self._free: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        connection = self._free.get()
        try:
            with explained(self.path):
                connection = connection or self._open()
                yield connection
        finally:
            self._free.put(connection)

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise StoreError(f"{self.path}: there is no store yet; run `weightstream ingest` first")
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=LOCK_SECONDS,
            check_same_thread=False,  # the pool hands it to one thread at a time
        )

    def close(self) -> None:
        while not self._free.empty():
            if connection := self._free.get():
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
