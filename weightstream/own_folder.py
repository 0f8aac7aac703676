"""A private temporary folder, for files that have no other place."""

import os
import tempfile
from pathlib import Path


def own_temporary_folder() -> Path | None:
    """Return the folder, and make it if it is missing; None if it cannot be trusted.

    Its files are executed or trusted, so no other user may be able to write them.
    """
    folder = Path(tempfile.gettempdir()) / f"weightstream-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        place = folder.lstat()
    except OSError:
        return None
    return folder if place.st_uid == os.getuid() and not place.st_mode & 0o077 else None
