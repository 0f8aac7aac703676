"""Whether a file that cannot be taken apart holds an id, however it is packed or written."""

import bz2
import gzip
import lzma
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.errors import InputError
from weightstream.readers.source import BOMB_BYTES, BOMB_RATIO, GZIP_MAGIC, ZIP_MAGIC

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252")
PARQUET_MAGIC, SQLITE_MAGIC = b"PAR1", b"SQLite format 3\0"
HEAD_BYTES = 16
CHUNK = 1 << 20
DEPTH = 4
"""So many packings within each other are opened."""


def _by_arrow(codec: str) -> Callable[[Any], Any]:
    return lambda stream: pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec)


UNPACK: dict[bytes, Callable[[Any], Any]] = {
    GZIP_MAGIC: lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _by_arrow("zstd"),
    b"\x04\x22\x4d\x18": _by_arrow("lz4"),
}
"""By the first bytes of what is packed so."""
PACKED = (*UNPACK, ZIP_MAGIC, PARQUET_MAGIC)


def holds(path: Path, user_id: str) -> bool:
    """Return whether the id stands in a file, in any of ENCODINGS, packed in any of PACKED.

    An id of digits counts only where no other digit or letter is beside it. Raises InputError for
    what unpacks to far more than it is or is packed too often; OSError and others for damage.
    """
    most = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    with path.open("rb") as stream:
        return _holds(stream, _pattern(user_id), user_id, most, DEPTH)


def _holds(
    stream: BinaryIO, pattern: re.Pattern[bytes], user_id: str, most: int, depth: int
) -> bool:
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if depth == 0 and head.startswith(PACKED):
        raise InputError("it is packed in too many layers")
    if head.startswith(PARQUET_MAGIC):
        return _in_parquet(stream, user_id)
    if head.startswith(ZIP_MAGIC):
        with zipfile.ZipFile(stream) as archive:
            return any(_in_member(archive, info, pattern, user_id, most, depth - 1)
                       for info in archive.infolist())  # fmt: skip
    for magic, unpack in UNPACK.items():
        if head.startswith(magic):
            return _holds(_held(unpack(stream), most), pattern, user_id, most, depth - 1)
    return any(pattern.search(part) for part in _parts(stream, most))


def _in_member(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    pattern: re.Pattern[bytes],
    user_id: str,
    most: int,
    depth: int,
) -> bool:
    if user_id in info.filename:
        return True
    with archive.open(info) as member:
        return _holds(cast(BinaryIO, member), pattern, user_id, most, depth)


def _held(stream: Any, most: int) -> BinaryIO:
    """Return unpacked content that can be read from its beginning again."""
    content = tempfile.SpooledTemporaryFile(max_size=64 << 20)  # noqa: SIM115, it ends with its reader
    for part in _parts(stream, most, overlap=0):
        content.write(part)
    content.seek(0)
    return cast(BinaryIO, content)


def _parts(stream: Any, most: int, overlap: int = 4096) -> Iterator[bytes]:
    """Yield content in parts that overlap, so that nothing is cut. Raises InputError for a bomb."""
    before, read = b"", 0
    while part := stream.read(CHUNK):
        read += len(part)
        if read > most:
            raise InputError("it unpacks to far more than its size")
        yield before + part
        before = part[-overlap:] if overlap else b""


def lists_person(path: Path, user_id: str) -> bool:
    """Return whether a database is a copy of a store that lists the person; of any length of id.

    Raises sqlite3.DatabaseError or UnicodeDecodeError for a damaged one.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(uri, uri=True)) as connection:
        query = "select exists (select 1 from users where user_id = ?)"
        return bool(connection.execute(query, (user_id,)).fetchone()[0])
    return False


def _in_parquet(stream: BinaryIO, user_id: str) -> bool:
    with pq.ParquetFile(stream) as file:
        for batch in file.iter_batches():
            for column in batch.columns:
                texts = column.dictionary if pa.types.is_dictionary(column.type) else column
                if not pa.types.is_nested(texts.type):
                    found = pc.match_substring(texts.cast(pa.string(), safe=False), user_id)
                    if pc.any(found).as_py():
                        return True
    return False


def _pattern(user_id: str) -> re.Pattern[bytes]:
    """Return what finds the id in any of ENCODINGS that can write it."""
    found = set()
    for encoding in ENCODINGS:
        try:
            text = re.escape(user_id.encode(encoding))
        except UnicodeEncodeError:
            continue
        before, after = _beside(encoding) if user_id.isdigit() else (b"", b"")
        found.add(before + text + after)
    return re.compile(b"|".join(sorted(found)))


def _beside(encoding: str) -> tuple[bytes, bytes]:
    """Return patterns for: no digit or letter comes before, or after."""
    width = len("0".encode(encoding))
    first = not encoding.endswith("be")
    word = b"[0-9A-Za-z]" + b"\\0" * (width - 1) if first else b"\\0" * (width - 1) + b"[0-9A-Za-z]"
    return b"(?<!" + word + b")", b"(?!" + word + b")"
