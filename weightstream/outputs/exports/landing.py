"""Outputs by URL, and standard output: written locally, and sent when they are complete."""

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weightstream.errors import ConfigError, InputError
from weightstream.outputs.exports.judged_files import MANIFEST
from weightstream.readers.remote import shown_error, shown_url, system_of
from weightstream.scratch import scratch_folder

STANDARD_OUTPUT = Path("-")


def shown_place(out: Path | str) -> str:
    """Return `out` without secrets of a URL."""
    if out == STANDARD_OUTPUT:
        return "standard output"
    return str(out) if isinstance(out, Path) else shown_url(out)


@contextmanager
def landing(out: Path | str, overwrite: bool) -> Iterator[Path]:
    """Yield a local path to write to; what is there at the end goes to `out`, if that is a URL, or
    as CSV to standard output, if it is `-`.

    Nothing goes there if the block raises. Raises ConfigError, before anything is made, if `out`
    exists and is to stay or cannot be reached, and at the end if it cannot be written.
    """
    if out == STANDARD_OUTPUT:
        with scratch_folder() as folder:
            yield folder / "out.csv"
            _print(folder / "out.csv")
        return
    if isinstance(out, Path):
        yield out
        return
    try:
        system, path = system_of(out)
    except InputError as error:
        raise ConfigError(str(error)) from None
    with _said(out):
        _check(system, path, out, overwrite)
    with scratch_folder() as folder:
        local = folder / (path.rstrip("/").rpartition("/")[2] or "out")
        yield local
        if local.exists():
            with _said(out):
                _put(system, local, path.rstrip("/"))


def _print(file: Path) -> None:
    if file.exists():
        sys.stdout.flush()
        with file.open("rb") as copy:
            shutil.copyfileobj(copy, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _check(system: Any, path: str, out: str, overwrite: bool) -> None:
    if not system.exists(path):
        return
    if not overwrite:
        raise ConfigError(
            f"{shown_url(out)} exists; name another place, or replace it with --overwrite"
        )
    if system.isdir(path) and not system.exists(f"{path.rstrip('/')}/{MANIFEST}"):
        raise ConfigError(
            f"{shown_url(out)} is a folder with other content (it has no {MANIFEST}), which "
            "--overwrite does not remove; name another"
        )


def _put(system: Any, local: Path, path: str) -> None:
    """Copy to a temporary name first, so that an interrupted copy leaves the old content."""
    unfinished = f"{path}.{secrets.token_hex(4)}.tmp"
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        system.put(str(local), unfinished, recursive=local.is_dir())
        if system.exists(path):
            system.rm(path, recursive=True)
        system.mv(unfinished, path, recursive=local.is_dir())
    except BaseException:
        if system.exists(unfinished):
            system.rm(unfinished, recursive=True)
        raise


@contextmanager
def _said(out: str) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # each system has errors of its own
        raise ConfigError(f"{shown_url(out)}: cannot be written ({shown_error(error)})") from None
