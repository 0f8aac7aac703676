"""Whether a file that cannot be taken apart holds an id, however it is packed or written."""

import bz2
import gzip
import html
import json
import lzma
import re
import sqlite3
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.errors import InputError
from weightstream.intake.tombstones import SHORT_ID
from weightstream.readers.parquet import texts_of
from weightstream.readers.source import BOMB_BYTES, BOMB_RATIO, GZIP_MAGIC, ZIP_MAGIC

ENCODINGS = (
    *("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252"),
    *("mac-roman", "cp850", "cp1250", "cp1251", "cp1253", "cp1255", "cp1256", "koi8-r"),
    *("shift-jis", "euc-jp", "gb18030", "big5", "euc-kr", "tis-620"),
)
"""All of them write ASCII as UTF-8 or one of its wider kin does, so most ids have few forms."""
PARQUET_MAGIC, ARROW_MAGIC, SQLITE_MAGIC = b"PAR1", b"ARROW1\0\0", b"SQLite format 3\0"
TAR_MAGIC, TAR_AT = b"ustar", 257
HEAD_BYTES = 512
CHUNK = 1 << 20
DEPTH = 4
"""So many packings within each other are opened."""


def _by_arrow(codec: str) -> Callable[[Any], Any]:
    return lambda stream: pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec)


UNPACK: dict[bytes, Callable[[Any], Any]] = {
    GZIP_MAGIC: lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x5d\0\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _by_arrow("zstd"),
    b"\x04\x22\x4d\x18": _by_arrow("lz4"),
}
"""By the first bytes of what is packed so."""
PACKED = (*UNPACK, ZIP_MAGIC, PARQUET_MAGIC)
UNOPENED = (
    *(b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x9d", b"\x1f\xa0", b"LZIP", b"\x89LZO\0"),
    *(b"MSCF", b"xar!", b"\xff\x06\0\0sNaPpY", b"%PDF-", b"ORC", b"Obj\x01", b"\x89HDF\r\n"),
    *(b"-----BEGIN PGP MESSAGE", b"age-encryption.org/", b"Salted__"),
)
"""The first bytes of what packs or encrypts its content in a way that is not undone here."""


def holds(path: Path, user_id: str) -> bool:
    """Return whether the id stands in a file, in any of ENCODINGS, packed in any of PACKED.

    An id of digits counts only where no other digit or letter is beside it. Raises InputError for
    what unpacks to far more than it is, is packed too often, or in a way that cannot be undone;
    OSError and others for damage.
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
    if head.startswith((PARQUET_MAGIC, ARROW_MAGIC)):
        return _in_batches(stream, user_id, head.startswith(PARQUET_MAGIC))
    if head.startswith(ZIP_MAGIC):
        with zipfile.ZipFile(stream) as archive:
            return any(_in_member(archive, info, pattern, user_id, most, depth - 1)
                       for info in archive.infolist())  # fmt: skip
    for magic, unpack in UNPACK.items():
        if head.startswith(magic):
            return _holds(_held(unpack(stream), most), pattern, user_id, most, depth - 1)
    if any(pattern.search(part) for part in _parts(stream, most)):
        return True
    if head.startswith(UNOPENED):
        raise InputError("it is packed or encrypted")
    stream.seek(0)
    return head.startswith(TAR_MAGIC, TAR_AT) and _in_tar(stream, pattern, user_id, most, depth)


def _in_tar(
    stream: BinaryIO, pattern: re.Pattern[bytes], user_id: str, most: int, depth: int
) -> bool:
    """Search the members: they may be packed."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for info in archive:
            if depth == 0:
                raise InputError("it is packed in too many layers")
            member = archive.extractfile(info) if info.isreg() else None
            if member and _holds(cast(BinaryIO, member), pattern, user_id, most, depth - 1):
                return True
    return False


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
    """Return whether a database has a cell that is the person's id, also as a number.

    A short id counts only where a column is called user_id, as in a copy of a store.
    Raises sqlite3.DatabaseError or UnicodeDecodeError for a damaged one.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        query = "select name from sqlite_master where type = 'table'"
        for (table,) in connection.execute(query).fetchall():
            with suppress(sqlite3.OperationalError):  # a virtual table of a missing module
                if _in_table(connection, table, user_id):
                    return True
    return False


def _in_table(connection: sqlite3.Connection, table: str, user_id: str) -> bool:
    name = '"' + table.replace('"', '""') + '"'
    columns = [row[1] for row in connection.execute(f"pragma table_info({name})")]
    if len(user_id) < SHORT_ID:
        columns = [column for column in columns if column == "user_id"]
    found = 'cast("{0}" as text) = ?1'
    if user_id.isascii() and user_id.isdecimal() and not user_id.startswith("0"):
        found += ' or "{0}" = cast(?1 as integer)'  # 4711.0, as of a column with empty cells
    same = " or ".join(found.format(one.replace('"', '""')) for one in columns)
    query = f"select exists (select 1 from {name} where {same})"  # noqa: S608
    return bool(columns and connection.execute(query, (user_id,)).fetchone()[0])


def _in_batches(stream: BinaryIO, user_id: str, parquet: bool) -> bool:
    """Search the texts of a Parquet or Arrow file, also those within lists and structs."""
    beside, forms = (r"(^|[^0-9A-Za-z])", r"([^0-9A-Za-z]|$)"), sorted(forms_of(user_id))
    for batch in _batches(stream, parquet):
        for cells in (_written(leaf) for column in batch.columns for leaf in _leaves(column)):
            found = (
                [pc.match_substring_regex(cells, user_id.join(beside))]
                if user_id.isdigit()
                else [pc.match_substring(cells, form) for form in forms]
            )
            if any(pc.any(one).as_py() for one in found):
                return True
    return False


def _written(column: pa.Array) -> pa.Array:
    """Return cells as text: those that are bytes as the reader writes them, which may be UUIDs."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind) or isinstance(kind, pa.BaseExtensionType):
        return texts_of(column)
    return column.cast(pa.string(), safe=False)


def _batches(stream: BinaryIO, parquet: bool) -> Iterator[pa.RecordBatch]:
    if parquet:
        with pq.ParquetFile(stream) as file:
            yield from file.iter_batches()
        return
    with pa.ipc.open_file(stream) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _leaves(column: pa.Array) -> Iterator[pa.Array]:
    """Yield the values of a column that are neither lists nor structs."""
    if pa.types.is_dictionary(column.type):
        yield from _leaves(column.dictionary)
    elif pa.types.is_map(column.type):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif pa.types.is_struct(column.type):
        for one in column.flatten():
            yield from _leaves(one)
    elif pa.types.is_nested(column.type):
        yield from _leaves(column.flatten())
    else:
        yield column


def forms_of(user_id: str) -> set[str]:
    """Return how texts write an id: composed or not, and as JSON, CSV, HTML, XML or a URL do."""
    plain = {user_id, *(unicodedata.normalize(form, user_id) for form in ("NFC", "NFD"))}
    found = set(plain)
    for text in plain:
        in_json = json.dumps(text)[1:-1]
        in_url = quote(text, safe="", errors="surrogatepass")
        found |= {in_json, json.dumps(text, ensure_ascii=False)[1:-1], in_json.replace("/", r"\/")}
        found |= {text.replace('"', '""'), repr(text)[1:-1], in_url, quote(text, safe="/:@")}
        for escaped in (html.escape(text), html.escape(text, quote=False)):
            found |= {escaped, escaped.encode("ascii", "xmlcharrefreplace").decode()}
    return found


def _pattern(user_id: str) -> re.Pattern[bytes]:
    """Return what finds the id in any of ENCODINGS that can write it."""
    found = set()
    for text in forms_of(user_id):
        for encoding in ENCODINGS:
            try:
                escaped = re.escape(text.encode(encoding))
            except UnicodeEncodeError:
                continue
            before, after = _beside(encoding) if user_id.isdigit() else (b"", b"")
            found.add(before + escaped + after)
    return re.compile(b"|".join(sorted(found)))


def _beside(encoding: str) -> tuple[bytes, bytes]:
    """Return patterns for: no digit or letter comes before, or after."""
    width = len("0".encode(encoding))
    first = not encoding.endswith("be")
    word = b"[0-9A-Za-z]" + b"\\0" * (width - 1) if first else b"\\0" * (width - 1) + b"[0-9A-Za-z]"
    return b"(?<!" + word + b")", b"(?!" + word + b")"
