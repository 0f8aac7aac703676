"""Writing a file completely or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weightstream.errors import ConfigError


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `out` when the block ends. Raises ConfigError.

    A new file is readable only by its owner; a replaced file keeps its mode. If `out` is a symbolic
    link, its target is replaced. Something that is not a file, such as /dev/null, is refused.
    """
    try:
        place = Path(os.path.realpath(out))
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise ConfigError(f"{out}: is a device or a pipe; name a file")
        unfinished = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        with removed(unfinished):
            mode = place.stat().st_mode & 0o777 if place.is_file() else 0o600
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            unfinished.chmod(mode)
            yield unfinished
            os.replace(unfinished, place)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"{out}: cannot be written ({reason})") from None


@contextmanager
def removed(unfinished: Path) -> Iterator[None]:
    """Delete the file when the block ends, even by an error."""
    try:
        yield
    finally:
        with suppress(OSError):  # it is not there, or could never be
            unfinished.unlink()
