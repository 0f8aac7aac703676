"""Locks on a data directory: runs and exports share one, an erasure is alone.

Two files are locked by `flock`, which the kernel undoes when a process ends, however it ends. A run
shares RUNS with others, an erasure holds it alone. On the way to RUNS everyone passes GATE, which
an erasure holds from the moment it waits: so it waits only for those who are at work already, and
not for those who arrive later. Nobody may enter twice: the second time could wait for an erasure
that waits for the first.
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
"""An erasure ends: it waits for others a minute, and then looks through files."""
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
    """Be at work in a data directory. Raises StoreLocked if an erasure does not end.

    Where nothing can be locked (a medium that cannot be written, a file system without locks)
    there is nothing to wait for: `alone` refuses there.
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
    """Be the only one at work. Waits for those who are there, ALONE_SECONDS at most.

    Raises RunsUnderWay if they are still there then; StoreError where nothing can be locked.
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
    """Draw pages while nobody else does: of two pages of a person, the newer one stays.

    A page shows what is read after this; one that was drawn earlier cannot come after it. Where
    nothing can be locked, it goes on without.
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


def _entered(gate: int, runs: int) -> bool:
    """Pass the gate, and stay. False if the gate stayed shut."""
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
    """Whether the lock could be had in time."""
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
    """A descriptor that no child process keeps; None where the file can be neither had nor made."""
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
