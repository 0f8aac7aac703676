"""Health Connect: the export database of Android, alone or in its zip. Grams, UTC, own offset."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from weightstream.errors import InputError
from weightstream.readers.block import FORMAT, Block, Parse, ReadOptions, given, raw_table_of_rows
from weightstream.readers.source import Source, beside, head_of, local_file
from weightstream.scratch import scratch_folder

_MAGIC = b"SQLite format 3\x00"
_ROWS = 50_000
_TABLE = "weight_record_table"
_EPOCH = datetime(1970, 1, 1)


def recognise(head: bytes, name: str) -> bool:
    """A SQLite database."""
    return head.startswith(_MAGIC)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required. `line` is the row's id."""
    user = given(options.user, source, "whose weights it holds", "--user")
    with _database(source) as connection:
        try:
            query = _query(connection, source)
            # A damaged tree may give rows twice, or leave some out, without an error.
            if connection.execute(f"pragma quick_check({_TABLE})").fetchone() != ("ok",):
                raise sqlite3.DatabaseError
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(_ROWS):
                yield partial(_convert, rows, user)
        except (sqlite3.Error, UnicodeDecodeError):  # also of its own error messages
            raise InputError(f"{source} is damaged, or no database; export it again") from None


@contextmanager
def _database(source: Source) -> Iterator[sqlite3.Connection]:
    """Opened so that nothing is written beside the file. Raises InputError if it is none."""
    with ExitStack() as stack:
        path = stack.enter_context(local_file(source))
        joined = stack.enter_context(_with_journals(source, path))
        # Immutable: no journal is looked for or written.
        mode = "mode=rw" if joined else "mode=ro&immutable=1"
        uri = (joined or path).absolute().as_uri()
        connection = stack.enter_context(closing(sqlite3.connect(f"{uri}?{mode}", uri=True)))
        connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
        try:
            connection.execute("pragma trusted_schema = off")
            (size,) = connection.execute(
                "select page_count * page_size from pragma_page_count, pragma_page_size"
            ).fetchone()
        except (sqlite3.Error, UnicodeDecodeError):
            raise InputError(f"{source} is damaged, or no database; export it again") from None
        if not joined and size > path.stat().st_size:
            raise InputError(f"{source} is truncated; export it again")
        yield connection


@contextmanager
def _with_journals(source: Source, path: Path) -> Iterator[Path | None]:
    """A copy of the database at `path` with its journals beside it; None if it has none.

    A -wal holds what was written and is not in the database yet, a -journal what an interrupted
    change has to be taken back to.
    """
    journals = [(ending, beside(source, ending)) for ending in ("-wal", "-journal")]
    found = [(ending, one) for ending, one in journals if one and head_of(one)]
    if not found:
        yield None
        return
    with scratch_folder() as folder:
        copy = folder / "database"
        shutil.copyfile(path, copy)
        for ending, journal in found:
            with local_file(journal) as place:
                shutil.copyfile(place, f"{copy}{ending}")
        yield copy


def _query(connection: sqlite3.Connection, source: Source) -> str:
    # A view of that name could run anything.
    query = "select name from sqlite_master where type = 'table'"
    tables = {row[0] for row in connection.execute(query)}
    columns = {row[1] for row in connection.execute(f"pragma table_info({_TABLE})")}
    if _TABLE not in tables or not {"weight", "time"} <= columns:
        raise InputError(f"{source} is a database, but not one that Health Connect exports")
    apps = {row[1] for row in connection.execute("pragma table_info(application_info_table)")}
    known = "application_info_table" in tables and "app_info_id" in columns
    known = known and {"row_id", "package_name"} <= apps
    app = (
        "(select package_name from application_info_table a where a.row_id = w.app_info_id)"
        if known
        else "null"
    )
    uuid = "hex(w.uuid)" if "uuid" in columns else "null"
    updated = "w.last_modified_time" if "last_modified_time" in columns else "null"
    offset = "w.zone_offset" if "zone_offset" in columns else "null"
    return (
        f"select w.rowid, w.time, {offset}, w.weight, {app}, {uuid}, {updated}"  # noqa: S608
        f" from {_TABLE} w order by w.rowid"
    )


def _convert(rows: list[tuple[Any, ...]], user: str) -> Block:
    return Block(
        raw_table_of_rows(
            [
                {
                    "user_id": user,
                    "time": _iso(time, offset),
                    "source": app if isinstance(app, str) else "health_connect",
                    "weight": None if grams is None else str(grams),
                    "unit": "g",
                    "record_id": uuid or None,
                    "updated": _iso(updated, None),
                    "line": line,
                }
                for line, time, offset, grams, app, uuid, updated in rows
            ]
        ),
        FORMAT,
    )


def _iso(milliseconds: Any, offset_seconds: Any) -> str | None:
    """With the offset at which it was measured, or Z where that is unknown."""
    if milliseconds is None:
        return None
    try:
        east = timedelta(seconds=offset_seconds or 0)
        local = _EPOCH + timedelta(milliseconds=milliseconds) + east
        return local.replace(tzinfo=timezone(east)).isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError):
        return str(milliseconds)
