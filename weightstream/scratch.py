"""Temporary folders that outlive no killed process for long: the next one removes them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
_MADE, _READY = "weightstream-new-", "weightstream-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a private temporary folder, removed at the end; yields it.

    It may hold readings of persons, so folders that killed processes left are removed first. Its
    owner holds a lock in it, which the kernel releases however the owner ends.
    """
    for one in Path(tempfile.gettempdir()).glob(f"{_READY}*"):
        _remove_if_left(one)
    made = Path(tempfile.mkdtemp(prefix=_MADE))
    lock = os.open(made / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # without locks it is removed only by its owner
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = made.rename(made.with_name(made.name.replace(_MADE, _READY)))
        yield made
    finally:
        os.close(lock)
        shutil.rmtree(made, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of this user whose owner has ended."""
    with suppress(OSError):
        if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
            return
        # Made again where an owner was killed while it removed the folder.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(folder / LOCK, flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
