"""Locks on a data directory: runs and exports share one, an erasure takes it exclusively.

Two files are locked with `flock`, which the kernel releases when a process ends, however it ends.
Runs share the lock on RUNS, an erasure holds it exclusively. On the way to RUNS every process
passes GATE, which an erasure holds from the moment it begins to wait. So it waits only for runs
that are under way, and not for later ones. A process must not enter twice: the second time could
wait for an erasure that waits for the first.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weightstream.errors import RunsUnderWay, StoreError, StoreLocked

GATE, RUNS, DRAWING = "erasure.lock", "runs.lock", ".drawing.lock"
ALONE_SECONDS = 60.0
PRESENT_SECONDS = 3600.0
"""The longest time of an erasure: it waits a minute for others, and then searches files."""
TOLD_SECONDS = 5.0
POLL_SECONDS = 0.02
NOT_THERE = (
    *(errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
)
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

logger = logging.getLogger("weightstream")


@contextmanager
def shared_run_lock(data_dir: Path) -> Iterator[None]:
    """Share the data directory with other runs. Raises StoreLocked if an erasure does not end.

    If nothing can be locked (a read-only medium, a file system without locks) it does not wait,
    since `exclusive_lock` refuses there.
    """
    gate, runs = _opened(data_dir / GATE), _opened(data_dir / RUNS)
    try:
        if gate is not None and runs is not None and not _entered(gate, runs):
            raise StoreLocked(
                f"{data_dir}: an erasure has been running for {PRESENT_SECONDS / 60:.0f} "
                "minutes; try again later"
            )
        yield
    finally:
        _close(gate, runs)


@contextmanager
def exclusive_lock(data_dir: Path) -> Iterator[None]:
    """Have the data directory alone. Waits up to ALONE_SECONDS for runs that are under way.

    Raises RunsUnderWay if they do not end by then; StoreError if nothing can be locked.
    """
    until = time.monotonic() + ALONE_SECONDS
    gate, runs = _opened(data_dir / GATE), _opened(data_dir / RUNS)
    try:
        if gate is None or runs is None:
            raise StoreError(f"{data_dir} cannot be written; check its owner and permissions")
        try:
            got = _locked(gate, fcntl.LOCK_EX, until) and _locked(runs, fcntl.LOCK_EX, until)
        except OSError as error:
            raise StoreError(
                f"{data_dir}: its file system cannot lock files ({error.strerror}), so an "
                "erasure cannot detect runs in it; move it to a local disk"
            ) from None
        if not got:
            raise RunsUnderWay(
                f"{data_dir}: a run has been under way for the {ALONE_SECONDS:.0f} s that erase "
                "waits; nothing was erased, run it again when that run has ended"
            )
        yield
    finally:
        _close(gate, runs)


@contextmanager
def drawing_lock(dashboards: Path) -> Iterator[None]:
    """Draw pages while no other process does, so that the newer of two pages of a person stays.

    A page must show what is read after the lock is taken. If nothing can be locked, it continues
    without the lock.
    """
    lock = _opened(dashboards / DRAWING)
    try:
        if lock is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        yield
    finally:
        _close(lock)


def locks_as_sqlite(folder: Path) -> bool:
    """Return False if the folder's file system refuses the kind of lock that SQLite takes.

    SQLite reports that as "busy". Tried on RUNS: closing the store would release SQLite's locks.
    """
    file = _opened(folder / RUNS)
    try:
        if file is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        _close(file)
    return True


def _entered(gate: int, runs: int) -> bool:
    """Pass the gate and take the lock. Returns False if the gate stayed shut."""
    try:
        now = time.monotonic()
        if not _locked(gate, fcntl.LOCK_SH, now + TOLD_SECONDS):
            logger.info("waiting: a person is being erased")
            if not _locked(gate, fcntl.LOCK_SH, now + PRESENT_SECONDS):
                return False
        fcntl.flock(runs, fcntl.LOCK_SH)  # at once: who holds it alone holds the gate too
        fcntl.flock(gate, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def _locked(file: int, kind: int, until: float) -> bool:
    """Return whether the lock was taken in time."""
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def _opened(path: Path) -> int | None:
    """Return a descriptor that child processes do not inherit; None if no file can be made."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except IsADirectoryError:
        raise StoreError(f"{path} is a folder; remove it, a file to lock belongs there") from None
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
        return None


def _close(*files: int | None) -> None:
    for file in files:
        if file is not None:
            os.close(file)
