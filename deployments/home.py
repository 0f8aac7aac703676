"""Prefect's home, if its default cannot be written, for example in a hardened container."""

import os
import tempfile
from pathlib import Path

from weightstream.errors import PrefectError
from weightstream.own_folder import own_temporary_folder

ROOM_BYTES = 8 << 20
"""Of a new database and its log; where they do not fit, Prefect waits without end."""


def choose_home() -> str | None:
    """Give Prefect a private temporary folder if its own home cannot be created or written.

    Returns one message that says so, to be shown. Raises PrefectError if no folder can be written,
    or if a given PREFECT_HOME cannot.
    """
    given = os.environ.get("PREFECT_HOME")
    if given or is_writable(Path("~/.prefect")):
        if given and not is_writable(Path(given)):
            raise PrefectError(
                f"PREFECT_HOME={given} cannot be written, or is full; name another folder"
            )
        return None
    folder = own_temporary_folder()
    home = folder and folder / "prefect"
    if home is None or not is_writable(home):
        raise PrefectError(
            "neither ~/.prefect nor a private temporary folder can be written, or both are full; "
            "set PREFECT_HOME to a folder that can be written"
        )
    os.environ["PREFECT_HOME"] = str(home)
    return f"~/.prefect cannot be written, or is full; Prefect keeps its records in {home}"


def is_writable(folder: Path) -> bool:
    """Return whether a folder is there, or can be made, and takes ROOM_BYTES."""
    try:
        place = folder.expanduser()
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(ROOM_BYTES))  # macOS has no posix_fallocate
            return True
    except (OSError, RuntimeError):  # RuntimeError: of a user who has no home
        return False
