"""The files that an erasure looks at: in the data directory, in the inbox, linked from there."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from weightstream.erasing.tombstones import KEY_NAME
from weightstream.intake.inbox import DONE, FAILED
from weightstream.store.connection import STORE_NAME
from weightstream.store.locks import GATE, RUNS

OWN = (STORE_NAME, f"{STORE_NAME}-wal", f"{STORE_NAME}-shm", GATE, RUNS, KEY_NAME)
DRAWN = re.compile(
    r"dashboards/(persons/[^/]+\.(html|png)|assets/.+|index\.html|quality\.(html|json))"
)
_UNFINISHED = re.compile(r"\..+\.\w+\.[0-9a-f]{8}(\.\w+)?")


def files_of_others(data_dir: Path, inbox: Path, closed: Callable[[Path], None]) -> Iterator[Path]:
    """Yield files under the data directory and the inbox that are not weightstream's own.

    Its unfinished ones are deleted. closed: called with each folder that cannot be read.
    """
    for path in _walk(data_dir, inbox, closed):
        if os.path.islink(path) or not _may_be_file(path):
            continue
        if _UNFINISHED.fullmatch(path.name) and not waits(path, inbox):
            try:
                path.unlink()
            except OSError:
                yield path
            continue
        yield path


def linked_files(data_dir: Path, inbox: Path, closed: Callable[[Path], None]) -> Iterator[Path]:
    """Yield files elsewhere that a link in one of the folders leads to, under the link's name.

    On the file system of the link's target only, so that a link to / leads to no devices.
    """
    homes = [Path(os.path.realpath(place)) for place in (data_dir, inbox)]
    for link in _walk(data_dir, inbox, lambda _: None):
        target = Path(os.path.realpath(link))
        if not os.path.islink(link) or any(target.is_relative_to(home) for home in homes):
            continue
        if _may_be_file(target):
            yield link
        elif target.is_dir():
            device = target.stat().st_dev
            for folder, inner, names in os.walk(link, onerror=_telling(closed)):
                inner[:] = [name for name in inner if _is_on(Path(folder, name), device)]
                places = [Path(folder, name) for name in sorted(names)]
                yield from (
                    one for one in places if _may_be_file(one) and not is_own(one, data_dir)
                )


def _may_be_file(path: Path) -> bool:
    """Return whether it is a regular file, True if a folder on the way to it is closed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        return error.errno != errno.ELOOP  # of a link to itself


def _is_on(folder: Path, device: int) -> bool:
    try:
        return folder.lstat().st_dev == device
    except OSError:
        return False


def _walk(data_dir: Path, inbox: Path, closed: Callable[[Path], None]) -> Iterator[Path]:
    """Yield everything in the folders but weightstream's own; of links only the link."""
    for root in [data_dir] + [inbox] * (not inbox.is_relative_to(data_dir)):
        for folder, inner, names in os.walk(root, onerror=_telling(closed)):
            inner.sort()
            links = [name for name in inner if os.path.islink(os.path.join(folder, name))]
            for path in (Path(folder, name) for name in sorted([*links, *names])):
                if not is_own(path, data_dir):
                    yield path


def _telling(closed: Callable[[Path], None]) -> Callable[[OSError], None]:
    def tell(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            closed(Path(error.filename))

    return tell


def is_own(path: Path, data_dir: Path) -> bool:
    """Return whether weightstream keeps the file itself, so that it is erased in another way."""
    if not path.is_relative_to(data_dir):
        return False
    inside = path.relative_to(data_dir).as_posix()
    return inside in OWN or inside.startswith("spill/") or DRAWN.fullmatch(inside) is not None


def waits(path: Path, inbox: Path) -> bool:
    """Return whether a file in the inbox is still to be read: a run may be at work on it."""
    if not path.is_relative_to(inbox):
        return False
    return path.relative_to(inbox).parts[0] not in (DONE.name, FAILED.name)


class OtherNames:
    """Hard links of files that are replaced or deleted: under another name the content stays."""

    def __init__(self) -> None:
        self._links: dict[tuple[int, int], tuple[int, Path]] = {}

    def count(self, path: Path) -> None:
        """Count a name that is about to be taken from a file."""
        try:
            found = path.stat()
        except OSError:  # removed meanwhile
            return
        key = found.st_dev, found.st_ino
        if key in self._links or found.st_nlink > 1:
            left, first = self._links.get(key, (found.st_nlink, path))
            self._links[key] = left - 1, first

    def remaining(self) -> list[Path]:
        """Return the first name of each file that has others which were not counted."""
        return [path for left, path in self._links.values() if left > 0]
