"""A temporary folder of this user alone, for what is kept and has no other place."""

import os
import tempfile
from pathlib import Path


def own_temporary_folder() -> Path | None:
    """Return the folder, which is made if it is missing; None where there is none to be trusted.

    What is kept in it is run or believed, so nobody else may have put it there.
    """
    folder = Path(tempfile.gettempdir()) / f"weightstream-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        place = folder.lstat()
    except OSError:
        return None
    return folder if place.st_uid == os.getuid() and not place.st_mode & 0o077 else None
