"""Sources by URL: all that fsspec reads, databases, Delta tables and standard input.

They are fetched when they are first read.
"""

import atexit
import glob
import hashlib
import os
import re
import shutil
import socket
import sys
from contextlib import ExitStack
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from weightstream.errors import InputError
from weightstream.readers.databases import DELTA, copy_delta, copy_query, is_database
from weightstream.readers.formats import is_litter
from weightstream.scratch import scratch_folder

STANDARD_INPUT = "-"
_CHUNK = 1 << 20
_DELTA_LOG = "_delta_log"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>()]+", re.IGNORECASE)
_VERSIONS = (
    "ETag",
    "etag",
    "generation",
    "md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""What file systems call the mark of a file's version."""


class RemotePath(type(Path())):  # type: ignore[misc]
    """A path that is shown as its URL, and is fetched by whoever opens it: once a process."""

    url: str

    def __new__(cls, url: str) -> "RemotePath":
        path = super().__new__(cls, _place(url))
        path.url = url
        return path

    def __init__(self, url: str) -> None:
        if sys.version_info >= (3, 12):
            super().__init__(_place(url))

    def __reduce__(self) -> tuple[Any, ...]:
        return RemotePath, (self.url,)

    def __str__(self) -> str:
        return shown_url(self.url) if hasattr(self, "url") else super().__str__()

    def __fspath__(self) -> str:
        place = super().__str__()
        if hasattr(self, "url") and not Path(place).exists():
            fetch(self.url, Path(place))
        return place

    def release(self) -> None:
        """Delete the copy, if it can be fetched again; who opens the path does so."""
        if self.url != STANDARD_INPUT:
            Path(super().__str__()).unlink(missing_ok=True)


def version_of(path: Path) -> tuple[int, str]:
    """Size in bytes, and what tells a file from another version of it, without fetching it.

    Of databases and Delta tables it is the content's hash, so these are fetched. Raises InputError.
    """
    if isinstance(path, RemotePath) and not _is_made(path.url):
        system, place = system_of(path.url)
        try:
            said = system.info(place)
        except Exception as error:  # each system has errors of its own
            raise _unreachable(str(path), error) from None
        marks = [str(said[name]) for name in _VERSIONS if said.get(name)]
        return int(said.get("size") or 0), " ".join(marks)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256") if isinstance(path, RemotePath) else None
    found = os.stat(path)
    return found.st_size, digest.hexdigest() if digest else str(found.st_mtime_ns)


def _is_made(url: str) -> bool:
    """Whether its content is made by asking, and is no file elsewhere."""
    return is_database(url) or url.startswith(DELTA) or url == STANDARD_INPUT


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user, password and query."""
    if url == STANDARD_INPUT:
        return "standard input"
    system, _, rest = url.removeprefix(DELTA).partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{system}://{host.rpartition('@')[2]}{slash}{path}"


def is_url(source: str) -> bool:
    return "://" in source


def files_at(source: str) -> list[Path]:
    """The files that a URL or a pattern such as weights/*.csv names, in the order of their names.

    A URL of a folder names the files in it; a Delta table and a database stand for themselves, and
    `-` for standard input. Raises InputError where there is nothing.
    """
    if is_database(source) or source == STANDARD_INPUT:
        return [RemotePath(source)]
    if not is_url(source):
        if (Path(source) / _DELTA_LOG).is_dir():
            return [RemotePath(f"{DELTA}{Path(source).absolute().as_uri()}")]
        if Path(source).exists():
            return [Path(source)]
        found = sorted(glob.glob(source, recursive=True))
        return [Path(name) for name in found] or [Path(source)]
    system, path = system_of(source)
    name, is_web = shown_url(source), source.startswith(("http://", "https://"))
    pattern = path.partition("?")[0] if is_web else path  # what follows is the query
    try:
        if glob.has_magic(pattern):
            names = sorted(system.glob(path))
        elif not is_web and system.isdir(path):
            if system.isdir(f"{path.rstrip('/')}/{_DELTA_LOG}"):
                return [RemotePath(f"{DELTA}{source}")]
            names = sorted(name for name in system.find(path) if not is_litter(name))
        else:
            return [RemotePath(source)]
    except Exception as error:  # each system has errors of its own
        raise _unreachable(name, error) from None
    if not names:
        raise InputError(f"{name} matches no file; check the pattern")
    return [RemotePath(system.unstrip_protocol(name)) for name in names]


def fetch(url: str, place: Path) -> None:
    """Copy what is at a URL to a place that appears when it is complete. Raises InputError."""
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(place.name + ".part")
    if _is_made(url):
        make = (
            copy_query if is_database(url)
            else copy_delta if url.startswith(DELTA)
            else _copy_standard_input
        )  # fmt: skip
        make(url, shown_url(url), unfinished)
        unfinished.rename(place)
        return
    system, path = system_of(url)
    try:
        with system.open(path, "rb") as source, unfinished.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
    except OSError as error:
        is_of_disk = unfinished.exists() and error.errno is not None and error.filename is None
        if is_of_disk and not _is_without_answer(error):
            raise
        raise _unreachable(shown_url(url), error) from None
    except Exception as error:  # each system has errors of its own
        raise _unreachable(shown_url(url), error) from None
    unfinished.rename(place)


def _copy_standard_input(_: str, shown: str, place: Path) -> None:
    """Copy what is piped into this process. Raises InputError if nothing can be."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(f"{shown} is a terminal; pipe a file into the command, or name one")
    with place.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy, _CHUNK)


def system_of(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises InputError."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        name = shown_url(url)
        raise InputError(f"{name} needs a package that is not installed: {error}") from None
    except ValueError as error:
        raise InputError(
            f"{shown_url(url)}: {error}; see fsspec's list of known protocols"
        ) from None
    except Exception as error:  # some connect at once
        raise _unreachable(shown_url(url), error) from None


def _unreachable(name: str, error: Exception) -> InputError:
    """Say why something cannot be read.

    fsspec raises any error of HTTP as a missing file, with the error itself as the cause.
    """
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    told = next((one for one in chain if isinstance(getattr(one, "status", None), int)), error)
    status = getattr(told, "status", None)
    if status in (401, 403) or any(isinstance(one, PermissionError) for one in chain):
        return InputError(
            f"{name} may not be read ({status or 'no permission'}); check its permissions"
        )
    if any(map(_is_without_answer, chain)):
        return InputError(f"{name} does not answer; check the address and the network")
    if isinstance(error, FileNotFoundError) and status in (None, 404, 410):
        return InputError(f"{name} does not exist; check the address")
    return InputError(f"{name} cannot be read ({shown_error(told)})")


def shown_error(error: BaseException) -> str:
    """Return the text of an error of a file system, with its URLs as they may be shown."""
    said = _URL.sub(lambda found: shown_url(found[0]), " ".join(str(error).split()))
    return said[:200] or type(error).__name__


def _is_without_answer(error: BaseException) -> bool:
    """Whether a server could not be found or connected to; each library has an error for it."""
    known = isinstance(error, ConnectionError | TimeoutError | socket.gaierror)
    return known or "connect" in type(error).__name__.lower()


def _place(url: str) -> Path:
    """Where a URL's content lies in this process, under its own file name."""
    if url == STANDARD_INPUT:
        return _folder() / "standard-input"
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"
    if _is_made(url):
        name += ".parquet"
    return _folder() / blake2b(url.encode(), digest_size=8).hexdigest() / name


@cache
def _folder() -> Path:
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(scratch_folder())
