"""Prefect's home, if its default cannot be written, for example in a hardened container."""

import os
import tempfile
from pathlib import Path

import click

from weightstream.errors import PrefectError
from weightstream.own_folder import own_temporary_folder


def choose_home() -> None:
    """Give Prefect a private temporary folder if its own home cannot be created or written.

    One message says so. Raises PrefectError if no folder can be written, or if a given PREFECT_HOME
    cannot.
    """
    given = os.environ.get("PREFECT_HOME")
    if given or is_writable(Path("~/.prefect")):
        if given and not is_writable(Path(given)):
            raise PrefectError(f"PREFECT_HOME={given} cannot be written; name another folder")
        return
    folder = own_temporary_folder()
    home = folder and folder / "prefect"
    if home is None or not is_writable(home):
        raise PrefectError(
            "neither ~/.prefect nor a private temporary folder can be written; set "
            "PREFECT_HOME to a folder that can be written"
        )
    os.environ["PREFECT_HOME"] = str(home)
    click.echo(f"~/.prefect cannot be written; Prefect keeps its records in {home}", err=True)


def is_writable(folder: Path) -> bool:
    """Return whether a folder is there, or can be made, and takes files."""
    try:
        place = folder.expanduser()
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except (OSError, RuntimeError):  # RuntimeError: of a user who has no home
        return False
