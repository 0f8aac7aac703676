"""Find files that hold a person, and rewrite them without the person's rows."""

import gzip
import hashlib
import mmap
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from weightstream.erasing import reexport
from weightstream.erasing.reexport import is_export
from weightstream.erasing.searching import SQLITE_MAGIC, holds, lists_person
from weightstream.errors import InputError
from weightstream.intake.inbox import USER_FOLDER
from weightstream.intake.tombstones import OTHER_CELLS, SHORT_ID, rows_naming
from weightstream.parsing.coded import encode, trimmed
from weightstream.readers import ReadOptions, parses, recognise
from weightstream.readers.parquet import persons_of
from weightstream.readers.partitions import folder_columns
from weightstream.readers.records import MAX_RECORD_LINES
from weightstream.readers.source import GZIP_MAGIC, ZIP_MAGIC, Source, head_of, open_source
from weightstream.types import Bools, Ints

Kind = Literal[
    "export",
    "delimited",
    "ndjson",
    "parquet",
    "other",
    "whole",
    "text",
    "database",
    "closed",
    "unsearchable",
]
REWRITABLE = ("export", "delimited", "ndjson", "parquet", "whole")
ADVICE = {
    "other": "its format cannot be rewritten: take the person out where it is made, or delete it",
    "text": "it holds the id in an unknown format: check it",
    "database": "it holds the id, perhaps as a copy of a store: delete it",
    "closed": "it cannot be read: check it with sufficient rights",
    "unsearchable": "it cannot be searched: check or delete it",
    "name": "its name holds the id: rename or delete it",
    "mentioned": "rows of others, or other columns, still hold the id: check it",
    "linked": "a link leads to it, and it may hold the person: check it where it is",
    "other name": "another name of it (a hard link) still holds the person: delete that",
}
_PACKED = (GZIP_MAGIC, ZIP_MAGIC, b"PAR1")
_WORD = rb"[0-9A-Za-z_\x80-\xff]"
"""A full stop or hyphen between two of them belongs to the word, one at its end does not."""
_PLAIN = re.compile(r"[\w .:@+-]+", re.ASCII)


@dataclass(frozen=True)
class Held:
    """A file that holds a person. rows: of theirs, if it has rows; others: of other persons.

    ours: weightstream wrote it, from the store.
    """

    path: Path
    kind: Kind
    rows: int
    others: int = 0
    ours: bool = False

    @property
    def rewritable(self) -> bool:
        return self.kind in REWRITABLE


class Unfit(Exception):
    """The rows cannot be removed from this file safely."""


def holdings(
    files: Iterator[Path], user_id: str, options: ReadOptions, digests: Mapping[str, int]
) -> Iterator[Held]:
    """Yield those of the files that hold a person.

    digests: SHA-256 to size of the files that the store has the person's rows from. One that names
    nobody is theirs as a whole, as an option said when it was read; so is one in a folder of the
    inbox that names them. One that cannot be read may hold anybody.
    """
    for path in files:
        try:
            held = None if folder_of(path, user_id) else _held(path, user_id, options)
            if held is not None:
                yield held
            elif folder_of(path, user_id) or _is_one_of(path, digests):
                yield Held(path, "whole", 0)
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError:
            yield Held(path, "closed", 0)
        except Exception:  # whatever a reader trips over must not stop the erasure
            yield Held(path, "unsearchable", 0)


def folder_of(path: Path, user_id: str) -> bool:
    """Return whether the innermost `user=` folder of a path is this person's."""
    named = [part for part in path.parts if part.startswith(USER_FOLDER)]
    return bool(named) and trimmed(named[-1].removeprefix(USER_FOLDER)) == user_id


def _is_one_of(path: Path, digests: Mapping[str, int]) -> bool:
    return path.stat().st_size in digests.values() and digest(path) in digests


def mentions(held: Held, user_id: str) -> bool:
    """Return whether a text that was rewritten still holds the id as a word, in rows of others.

    Ids that are short or numbers are not searched for: years and weights look like them.
    """
    if held.kind not in ("delimited", "ndjson") or len(user_id) < SHORT_ID or user_id.isdigit():
        return False
    before = rb"(?<!%b)(?<!%b[.-])" % (_WORD, _WORD)
    word = re.compile(rb"%b%b(?![.-]?%b)" % (before, re.escape(user_id.encode()), _WORD))
    return any(word.search(line) for _, line in _lines(Source(held.path)))


def _held(path: Path, user_id: str, options: ReadOptions) -> Held | None:
    with path.open("rb") as file:
        is_database = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if is_database and lists_person(path, user_id):
        return Held(path, "database", 0)
    held, told = None, False
    if _may_hold(path, user_id):
        with suppress(InputError):  # of no format that is known
            held, told = _by_format(path, user_id, options)
    if held is not None or told or len(user_id) < SHORT_ID or not holds(path, user_id):
        return held
    return Held(path, "database" if is_database else "text", 0)


def _by_format(path: Path, user_id: str, options: ReadOptions) -> tuple[Held | None, bool]:
    """Return what a file holds of the person; and whether that is all, whatever else is in it.

    It is where each row or line says whose it is. Raises InputError for other formats.
    """
    source = Source(path)
    head = head_of(source)
    if is_export(path, head):
        rows, others, named = reexport.count(path, user_id)
        return Held(path, "export", rows, others, ours=True) if rows + named else None, True
    if _is_ndjson(source):
        theirs = [_is_theirs(line, user_id) for _, line in _lines(source) if line.strip()]
        return _held_as(path, "ndjson", np.array(theirs, bool), reexport.OBSERVED in head), True
    _, is_theirs = _rows(path, user_id, options)
    kind = {"csv": "delimited", "parquet": "parquet"}.get(recognise(path), "other")
    kind = "other" if head.startswith(ZIP_MAGIC) else kind
    return _held_as(path, kind, is_theirs), kind != "other"


def _held_as(path: Path, kind: str, theirs: Bools, ours: bool = False) -> Held | None:
    rows = int(theirs.sum())
    return Held(path, cast(Kind, kind), rows, len(theirs) - rows, ours) if rows else None


def _may_hold(path: Path, user_id: str) -> bool:
    """Return False if the id is not there, and could not be there in another way for a reader."""
    if not _PLAIN.fullmatch(user_id) or user_id in folder_columns(Source(path), ()).values():
        return True
    with path.open("rb") as file:
        if file.read(4).startswith(_PACKED):
            return True
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(user_id.encode("utf-8", "surrogatepass")) >= 0


def _rows(path: Path, user_id: str, options: ReadOptions) -> tuple[Ints, Bools]:
    """Return (N,) line of each row, and whether it is the person's. Raises InputError."""
    try:
        return _rows_with(path, user_id, options)
    except InputError:  # perhaps it names no unit, which an option gave
        return _rows_with(path, user_id, replace(options, unit="kg"))


def _rows_with(path: Path, user_id: str, options: ReadOptions) -> tuple[Ints, Bools]:
    lines, theirs = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for parse in parses(path, replace(options, every_row=True)):
        rows = parse().rows
        lines.append(rows["line"].to_numpy())
        theirs.append(rows_naming(rows, OTHER_CELLS, partial(_are, user_id)))
    return np.concatenate(lines), np.concatenate(theirs)


def _are(user_id: str, texts: list[str]) -> Bools:
    return np.array([text == user_id for text in texts], bool)


def _is_ndjson(source: Source) -> bool:
    with open_source(source) as content:
        first, second = content.readline(), content.readline()
    try:
        return bool(second.strip()) and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    with open_source(source) as content:
        yield from enumerate(content, 1)


def _is_theirs(line: bytes, user_id: str) -> bool:
    """Return whether a line of NDJSON names a person, in whatever field."""
    if _PLAIN.fullmatch(user_id) and user_id.encode() not in line:
        return False
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return len(user_id) >= SHORT_ID and user_id.encode() in line
    if not isinstance(record, dict):
        return False
    return _names(record, user_id)


def _names(value: Any, user_id: str) -> bool:
    """Return whether a text in it is the id, or a reference to it (Patient/ID)."""
    if isinstance(value, str):
        return value.strip() == user_id or value.endswith("/" + user_id)
    if isinstance(value, dict):
        return any(_names(one, user_id) for one in value.values())
    return isinstance(value, list) and any(_names(one, user_id) for one in value)


def take_out(held: Held, user_id: str, options: ReadOptions) -> tuple[str, str]:
    """Write the file without the person's rows, in one step; returns its SHA-256 before and after.

    Other rows stay as they are, byte for byte (Parquet: value for value). In a source, lines of the
    person become blank, so that the lines which the store names stay those of others. Raises Unfit,
    with nothing changed, if then anything of others were amiss; OSError.
    """
    unfinished = held.path.with_name(f".{held.path.name}.{secrets.token_hex(4)}{held.path.suffix}")
    try:
        unfinished.touch(0o600)
        unfinished.chmod(held.path.stat().st_mode & 0o777)
        if held.kind == "export":
            with _opened_like(held.path, unfinished) as out:
                reexport.rewrite(held.path, out, user_id)
        elif held.kind == "parquet":
            _rewrite_parquet(held.path, unfinished, user_id, options)
        else:
            _rewrite_lines(held, unfinished, user_id, options)
        digests = digest(held.path), digest(unfinished)
        os.replace(unfinished, held.path)
    finally:
        unfinished.unlink(missing_ok=True)
    return digests


def _rewrite_lines(held: Held, to: Path, user_id: str, options: ReadOptions) -> None:
    drop = (
        _drop_by_json(user_id) if held.kind == "ndjson" else _drop_by_line(held, user_id, options)
    )
    with _opened_like(held.path, to) as out:
        for number, line in _lines(Source(held.path)):
            if not drop(number, line):
                out.write(line)
            elif not held.ours:
                out.write(b"\n")
    if held.kind == "delimited":
        _check(held.path, to, user_id, options)


@contextmanager
def _opened_like(path: Path, to: Path) -> Iterator[BinaryIO]:
    """Open a file to write, packed if the other one is."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    with to.open("wb") as out:
        if not packed:
            yield out
            return
        with gzip.GzipFile(fileobj=out, mode="wb") as unpacked:
            yield cast(BinaryIO, unpacked)


def _drop_by_json(user_id: str) -> Callable[[int, bytes], bool]:
    def drop(number: int, line: bytes) -> bool:
        if not _is_theirs(line, user_id):
            return False
        if b'"Bundle"' in line:
            raise Unfit
        return True

    return drop


def _drop_by_line(held: Held, user_id: str, options: ReadOptions) -> Callable[[int, bytes], bool]:
    """Return which lines to drop; a record ends where the next one begins."""
    lines, theirs = _rows(held.path, user_id, options)
    ends = np.append(lines[1:], lines[-1] + MAX_RECORD_LINES)
    dropped = {
        line
        for start, end in zip(lines[theirs].tolist(), ends[theirs].tolist(), strict=True)
        for line in range(start, end)
    }
    return lambda number, line: number in dropped


def _check(before: Path, after: Path, user_id: str, options: ReadOptions) -> None:
    """Raise Unfit if the person is still there, or another row is not."""
    _, was = _rows(before, user_id, options)
    try:
        _, now = _rows(after, user_id, options)
    except InputError:
        raise Unfit from None
    if now.any() or len(now) != len(was) - was.sum():
        raise Unfit


def _rewrite_parquet(path: Path, to: Path, user_id: str, options: ReadOptions) -> None:
    with pq.ParquetFile(path) as file:
        of_rows = persons_of(path, options)
        with pq.ParquetWriter(to, file.schema_arrow) as writer:
            for batch in file.iter_batches():
                users = encode(of_rows(batch))
                theirs = users.spread(_are(user_id, users.texts.to_pylist()), False)
                writer.write_batch(batch.filter(pa.array(~theirs)))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
