"""Opening source files: plain or gzip, told by their content; every failure is one sentence."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from weightstream.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 64 << 10
_CHUNK = 1 << 20


@contextmanager
def open_source(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, unpacked. Raises InputError for whatever goes wrong in reading it.

    A gzip file is unpacked to its end once before its first byte is used: of one that was cut off
    nothing is read.
    """
    with reading(path), path.open("rb") as plain:
        if not _is_gzip(plain):
            yield plain
            return
        with gzip.open(plain) as checked:
            while checked.read(_CHUNK):
                pass
        plain.seek(0)
        with gzip.open(plain) as unpacked:
            yield cast(BinaryIO, unpacked)


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked: what formats are recognised by. Raises InputError."""
    with reading(path), path.open("rb") as plain:
        if not _is_gzip(plain):
            return plain.read(HEAD_BYTES)
        with gzip.open(plain) as unpacked:
            return unpacked.read(HEAD_BYTES)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise InputError for a path that is no file, and for whatever goes wrong in reading it."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is not a regular file; save its content to one")
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the files in it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(f"{path} is a damaged or cut off gzip file; fetch it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_gzip(stream: BinaryIO) -> bool:
    magic = stream.read(2)
    stream.seek(0)
    return magic == GZIP_MAGIC
