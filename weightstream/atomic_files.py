"""Files that are written whole, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weightstream.errors import ConfigError


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A path to write to, which becomes `out` when all is written. Raises ConfigError.

    A link stays, and what it leads to is replaced; what is no file, such as /dev/null, is not.
    """
    try:
        place = Path(os.path.realpath(out))
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise ConfigError(f"{out}: is a device or a pipe; name a file")
        unfinished = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        with removed(unfinished):
            yield unfinished
            os.replace(unfinished, place)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"{out}: cannot be written ({reason})") from None


@contextmanager
def removed(unfinished: Path) -> Iterator[None]:
    """Leave nothing there, whatever happens."""
    try:
        yield
    finally:
        with suppress(OSError):  # it is not there, or could never be
            unfinished.unlink()
