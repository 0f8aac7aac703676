"""Opening the store: the one write connection, the bounded pool of read-only ones, their errors."""

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlite_utils import Database

from weightstream.errors import StoreError, StoreFull, StoreLocked, StoreTooNew
from weightstream.store.checksums import keep_checksums
from weightstream.store.locks import locks_as_sqlite, shared_run_lock
from weightstream.store.migrations import FORMER_STEPS, migrations
from weightstream.store.verifying import structure_faults

STORE_NAME = "weightstream.db"
DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: Python cannot read a message of SQLite's that quotes its bytes."""
SQLITE_SAYS = (b"malformed database schema", b"no such ", b"near ")
LONGEST = 120
"""Characters of SQLite's own message that are told."""
LOCK_SECONDS = 30.0
CHECKED_ON = "checked_on"
WAL_BYTES = 256 << 20
"""If the WAL is larger, the writer waits until it can be restarted."""


@contextmanager
def open_writer(
    data_dir: Path, hold: Callable[[Path], AbstractContextManager[None]] = shared_run_lock
) -> Iterator[sqlite3.Connection]:
    """Open the only connection that writes: creates or migrates the store, and sets WAL mode.

    SQLite's own lock serialises writers across processes; each transaction waits for it up to
    LOCK_SECONDS. hold: the lock on the data directory (locks.py), shared by default. Raises
    StoreError (locked, too new, full, read-only, not a store).
    """
    path = data_dir / STORE_NAME
    with explained(path), reachable(path):
        create_private(path)
    with hold(data_dir):
        with explained(path), reachable(path):
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
    """Create folder and file for their owner alone; SQLite's -wal and -shm follow the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("pragma page_size = 8192")  # of a new store: 7 % less work than at 4096
    enter_wal(connection)
    connection.execute("pragma synchronous = normal")  # WAL: no corruption, commits may be lost
    connection.execute("pragma cache_size = -16384")  # 16 MiB: batches arrive in key order
    if pending_migrations(connection, path):
        with transaction(connection):  # of two processes that find a new store, the second waits
            migrations.apply(Database(connection))
    keep_checksums(connection)
    check_daily(connection, path)


def check_daily(connection: sqlite3.Connection, path: Path) -> None:
    """Check the structure of the store once a day, before the first write.

    Raises StoreError if it is damaged. It reads the whole file; 1 M readings took 0.9 s.
    """
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    row = connection.execute("select value from settings where key = ?", (CHECKED_ON,)).fetchone()
    if row and row[0] == today:
        return
    if faults := structure_faults(connection):
        raise StoreError(f"{path} is damaged ({faults[0]}); restore it from a backup")
    with transaction(connection):
        connection.execute(
            "insert or replace into settings (key, value) values (?, ?)", (CHECKED_ON, today)
        )


def enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode; SQLite itself does not wait here for a process that does the same."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def pending_migrations(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the store is older than this program. Raises StoreTooNew, StoreError."""
    database = Database(connection)
    applied = {step.name for step in migrations.applied(database)}
    known = FORMER_STEPS | {step.name for step in migrations._migrations}
    if unknown := applied - known:
        raise StoreTooNew(
            f"{path} was written by a newer weightstream (it knows {', '.join(sorted(unknown))}); "
            "upgrade weightstream, or use another --data-dir"
        )
    if applied & FORMER_STEPS and not applied >= FORMER_STEPS:
        raise StoreError(
            f"{path} was written by a weightstream older than 0.1.0, which is no longer supported; "
            "ingest the source files again into another --data-dir"
        )
    return bool(migrations.pending(database))


def existing(data_dir: Path) -> None:
    """Raise StoreError if there is no store."""
    path = data_dir / STORE_NAME
    with reachable(path):
        if not path.exists():
            raise StoreError(f"{path}: there is no store yet; run `weightstream ingest` first")


def make_durable(data_dir: Path) -> None:
    """Flush commits to the disk: a loss of power can lose them until then."""
    for path in (data_dir / f"{STORE_NAME}-wal", data_dir / STORE_NAME):
        with suppress(FileNotFoundError), path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, commit at the end, roll back on any error."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise explanation(path, error) from error
    except UnicodeDecodeError as error:
        if not error.object.startswith(SQLITE_SAYS):
            raise
        raise StoreError(f"{path} is damaged: its schema; restore it from a backup") from error


@contextmanager
def reachable(path: Path) -> Iterator[None]:
    """Turn errors of the file system into one sentence; only while the store is opened."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})") from error


def explanation(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL) and not locks_as_sqlite(path.parent):
        return StoreError(
            f"{path}: its file system cannot lock files; move the data directory to a local disk"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLocked(
            f"{path} has been locked by another process for {LOCK_SECONDS:.0f} s; try again later"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"{path}: no space left on the device; free some and run again")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"{path}: {error}; check that the disk has space and is healthy")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"{path}: cannot be written ({error}); check its owner and permissions")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        said = " ".join(str(error).split())  # it may quote a whole table
        said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
        return StoreError(f"{path} is not a weightstream store ({said}); restore it from a backup")
    if "decode to UTF-8" in str(error):  # its text is somebody's
        return StoreError(
            f"{path} is damaged: it contains a text that cannot be read; restore it from a backup"
        )
    return StoreError(f"{path}: {error}")


class Checkpointer:
    """Moves committed pages from the WAL into the store while the writer continues.

    SQLite would do it inside a commit and wait for the disk there: measured at 0.6 s of 7 s for
    1 M rows on a quiet disk, 9 s of 18 s on a busy one. If no thread can be started, it still does.
    """

    def __init__(self, connection: sqlite3.Connection, data_dir: Path) -> None:
        self._connection = connection
        self._path = data_dir / STORE_NAME
        self._wal = data_dir / f"{STORE_NAME}-wal"
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        with suppress(RuntimeError):
            self._thread.start()
            connection.execute("pragma wal_autocheckpoint = 0")

    def committed(self) -> None:
        """Ask for a checkpoint after a commit; called in the writer's thread."""
        self._wanted.set()
        if self._wal.stat().st_size > WAL_BYTES:
            self._connection.execute("pragma wal_checkpoint(restart)")

    def close(self) -> None:
        self._closing = True
        self._wanted.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        # An error here loses nothing: the pages stay in the WAL until the next try.
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(self._path, isolation_level=None)
            while not self._closing:
                self._wanted.wait()
                self._wanted.clear()
                connection.execute("pragma wal_checkpoint(passive)")
            connection.close()


def on_read_only_medium(path: Path) -> bool:
    """Return whether nothing can be created beside the store, and it has no WAL.

    SQLite otherwise wants to create an index of the WAL there, also to read.
    """
    wal = path.with_name(f"{STORE_NAME}-wal")
    return not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)


class ReadPool:
    """At most `size` read-only connections, opened when first needed; further callers wait."""

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
        existing(self.path.parent)
        immutable = "&immutable=1" if on_read_only_medium(self.path) else ""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro{immutable}",
            uri=True,
            timeout=LOCK_SECONDS,
            check_same_thread=False,  # the pool hands it to one thread at a time
        )
        try:
            if pending_migrations(connection, self.path):
                raise StoreError(
                    f"{self.path} was made by an older weightstream; run an ingest to migrate it"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        while not self._free.empty():
            if connection := self._free.get():
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
