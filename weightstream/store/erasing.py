"""Deleting a person's rows from the store, and overwriting their bytes."""

import json
import re
import sqlite3
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from weightstream.errors import RunsUnderWay
from weightstream.intake.tombstones import SHORT_ID
from weightstream.parsing.coded import trimmed
from weightstream.store import overrides
from weightstream.store.checksums import recount
from weightstream.store.connection import explained, transaction
from weightstream.store.runs import now

PERSON_COLUMNS: dict[str, tuple[str, ...]] = {
    "alert_statuses": ("user_id",),
    "announced_alerts": ("user_id",),
    "decisions": ("user_id", "received_user"),
    "demographics": ("user_id",),
    "former_ids": ("user_id",),
    "level_shifts": ("user_id",),
    "measurements": ("user_id",),
    "overrides": ("user_id", "assigned_to"),
    "quarantine": ("user_id",),
    "records": ("user_id",),
    "row_counts": ("user_id",),
    "superseded": ("user_id",),
    "user_states": ("user_id",),
    "users": ("user_id",),
}
"""Every table that holds persons, and the columns with their ids: what erasure deletes from."""

FILE_NAMES = {"files": "name", "quarantine": "file"}
"""Names of source files, which may hold a person's id."""

CELLS = ("user_id", "time", "source", "weight", "unit", "detail")
"""Cells of a quarantined row; user_id comes first."""
_WITHIN_WORDS = r"[^\s,;|/=<>()\"']"
NO_NAME = "erased"
NOT_THEIRS = "assigned to a person who was erased"


def rows_of(connection: sqlite3.Connection, user_id: str) -> dict[str, int]:
    """Count the rows of a person by table, where there are any."""
    counts = {}
    for table, (which, at) in _conditions(connection, user_id).items():
        query = f"select count(*) from {table} where {which}"  # noqa: S608
        counts[table] = int(connection.execute(query, at).fetchone()[0])
    return {table: count for table, count in counts.items() if count}


def erased_at(connection: sqlite3.Connection, token: str) -> str | None:
    """Return when the person of a token was erased before."""
    row = connection.execute("select erased_at from erasures where token = ?", (token,)).fetchone()
    return row[0] if row else None


def source_files(connection: sqlite3.Connection, user_id: str) -> dict[str, int]:
    """Return SHA-256 and size of the files that a person's rows were read from."""
    return dict(
        connection.execute(
            "select sha256, bytes from files where id in (select file from measurements "
            "where user_id = ? union select file_id from quarantine where user_id = ?)",
            (user_id, user_id),
        )
    )


@dataclass(frozen=True)
class LeftToDo:
    """What is left to do after a person's rows are deleted.

    persons: others whose series changed. names: of source files that held the id. files: SHA-256
    to size of the files that the person's rows were read from.
    """

    persons: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)

    def with_more(self, persons: list[str], names: list[str], files: dict[str, int]) -> "LeftToDo":
        return LeftToDo(
            sorted({*self.persons, *persons}), sorted({*self.names, *names}), self.files | files
        )


def delete_person(
    connection: sqlite3.Connection, path: Path, user_id: str, token: str, check: str
) -> LeftToDo:
    """Delete a person's rows, and store the token that keeps them out, in one transaction.

    What is left to do is stored in the same transaction and returned, together with what an earlier
    erasure of the person that was cut short has left. Others with whom a reading was exchanged are
    marked, so that the next command judges them again. Parameters that were learnt before are
    marked stale. Runs that the store shows as running are dead, since nobody else holds the lock:
    they end as failed, and could not write if they were alive.
    """
    connection.execute("pragma secure_delete = on")
    with explained(path), transaction(connection):
        sources = _sources(connection, user_id)
        files = source_files(connection, user_id)
        neighbours = _part(connection, user_id)
        for table, (which, at) in _conditions(connection, user_id).items():
            connection.execute(f"delete from {table} where {which}", at)  # noqa: S608
        recount(connection, neighbours)
        _redact_quarantine(connection, user_id)
        renamed = [
            name
            for table, column in FILE_NAMES.items()
            for name in _redact_names(connection, table, column, user_id)
        ]
        left = _unfinished(connection, token).with_more(neighbours, renamed, files)
        connection.execute("update models set stale = 1")
        for source in sources:
            _forget_source(connection, source)
        connection.execute(
            "update runs set status = 'failed', finished_at = ? where status = 'running'", (now(),)
        )
        _keep_out(connection, token, check, left)
    return left


def _keep_out(connection: sqlite3.Connection, token: str, check: str, left: LeftToDo) -> None:
    """Store the token of a person, and what is left to do."""
    connection.execute(
        "insert or replace into settings (key, value) values ('erasure_key_check', ?)", (check,)
    )
    connection.execute(
        "insert into erasures (token, erased_at, left_to_do) values (?, ?, ?) "
        "on conflict (token) do update set finished_at = null, left_to_do = excluded.left_to_do",
        (token, now(), json.dumps(asdict(left))),
    )


def _unfinished(connection: sqlite3.Connection, token: str) -> LeftToDo:
    """Return what an interrupted erasure of the person has left to do."""
    row = connection.execute("select left_to_do from erasures where token = ?", (token,)).fetchone()
    return LeftToDo(**json.loads(row[0])) if row and row[0] else LeftToDo()


def _part(connection: sqlite3.Connection, user_id: str) -> list[str]:
    """Separate the person from others with whom readings were exchanged by override; return those.

    A reading of theirs that was assigned to this person returns to them, rejected.
    """
    rows = connection.execute(
        "select user_id from overrides where assigned_to = ?1 union "
        "select assigned_to from overrides where user_id = ?1 union "
        "select user_id from decisions where received_user = ?1 union "
        "select received_user from decisions where user_id = ?1",
        (user_id,),
    )
    neighbours = sorted({other for (other,) in rows} - {None, user_id})
    connection.execute(
        "update overrides set action = 'reject', assigned_to = null, note = ? "
        "where assigned_to = ? and user_id <> ?",
        (NOT_THEIRS, user_id, user_id),
    )
    overrides.touch(connection, neighbours)
    return neighbours


def _conditions(
    connection: sqlite3.Connection, user_id: str
) -> dict[str, tuple[str, tuple[str | int, ...]]]:
    """Return by table the condition for a person's rows and its values."""
    found: dict[str, tuple[str, tuple[str | int, ...]]] = {
        table: (" or ".join(f"{column} = ?" for column in columns), (user_id,) * len(columns))
        for table, columns in PERSON_COLUMNS.items()
    }
    rows = json.dumps(_quarantined(connection, user_id)[0])
    found["quarantine"] = ("rowid in (select value from json_each(?))", (rows,))
    return found


def _quarantined(
    connection: sqlite3.Connection, user_id: str
) -> tuple[list[int], list[tuple[int, list[str | None]]]]:
    """Return quarantined rows of the person, and CELLS without the id of rows of others.

    Quarantine holds cells as they were written. A row that names no known person may belong to
    anybody whose id is in it; a row of another known person stays.
    """
    theirs, others, word = [], [], _word(user_id)
    query = f"select rowid, {', '.join(CELLS)} from quarantine where "  # noqa: S608
    query += " or ".join(f"instr({name}, ?{n})" for name in CELLS for n in (1, 2))
    for row, *cells in connection.execute(query, _forms(user_id)).fetchall():
        name = trimmed(cells[0] or "")
        if name == user_id:
            theirs.append(row)
        elif len(user_id) >= SHORT_ID and any(word.search(cell) for cell in cells if cell):
            if overrides.is_known(connection, name):
                *rest, detail = (cell and word.sub(NO_NAME, cell) for cell in cells)
                others.append((row, [*rest, _without(detail, user_id)]))
            else:
                theirs.append(row)
    return theirs, others


def _forms(user_id: str) -> tuple[str, str]:
    """Return how an id may appear in a cell: as it is, or as a detail quotes it."""
    return user_id, repr(user_id)[1:-1]


def _without(detail: str | None, user_id: str) -> str | None:
    """Return a detail without the id, which may follow an escaped space where it quotes a cell."""
    for form in _forms(user_id):
        detail = detail and detail.replace(form, NO_NAME)
    return detail


def _word(user_id: str) -> re.Pattern[str]:
    """Return a pattern that finds an id as one or several words in a cell."""
    forms = "|".join(re.escape(form) for form in _forms(user_id))
    return re.compile(f"(?<!{_WITHIN_WORDS})(?:{forms})(?!{_WITHIN_WORDS})")


def _redact_quarantine(connection: sqlite3.Connection, user_id: str) -> None:
    """Remove the id from quarantined rows of others."""
    changes = ", ".join(f"{name} = ?" for name in CELLS)
    connection.executemany(
        f"update quarantine set {changes} where rowid = ?",  # noqa: S608
        [(*cells, row) for row, cells in _quarantined(connection, user_id)[1]],
    )


def holds_id(text: str, user_id: str) -> bool:
    """Return whether a name holds an id; a short one only as a word of its own."""
    return _id_in(user_id).search(text) is not None


def redacted(text: str, user_id: str) -> str:
    """Return a name without the id that it may hold."""
    return _id_in(user_id).sub(NO_NAME, text)


def _id_in(user_id: str) -> re.Pattern[str]:
    escaped = re.escape(user_id)
    return re.compile(escaped if len(user_id) >= SHORT_ID else rf"(?<![^\W_]){escaped}(?![^\W_])")


def _redact_names(
    connection: sqlite3.Connection, table: str, column: str, user_id: str
) -> list[str]:
    query = f"select distinct {column} from {table} where instr({column}, ?)"  # noqa: S608
    change = f"update {table} set {column} = ? where {column} = ?"  # noqa: S608
    names = [n for (n,) in connection.execute(query, (user_id,)) if holds_id(n, user_id)]
    connection.executemany(change, [(redacted(name, user_id), name) for name in names])
    return names


def _sources(connection: sqlite3.Connection, user_id: str) -> list[str]:
    """Return the sources of this person alone: their names may be personal ("Ann's phone")."""
    return [
        source
        for (source,) in connection.execute(
            "select distinct source from measurements where user_id = ?", (user_id,)
        ).fetchall()
        if not connection.execute(
            "select exists (select 1 from measurements where source = ? and user_id <> ?)",
            (source, user_id),
        ).fetchone()[0]
    ]


def _forget_source(connection: sqlite3.Connection, source: str) -> None:
    """Delete a source from every set of parameters; nobody's readings depend on it."""
    connection.execute("delete from sources where source = ?", (source,))
    for name, text in connection.execute("select name, parameters from models").fetchall():
        parameters = json.loads(text)
        if parameters["sources"].pop(source, None) is not None:
            connection.execute(
                "update models set parameters = ? where name = ?",
                (json.dumps(parameters, sort_keys=True), name),
            )


def rename_content(connection: sqlite3.Connection, path: Path, old: str, new: str) -> None:
    """Change the digest of a source file that was rewritten without a person."""
    with explained(path), transaction(connection):
        connection.execute("update or ignore files set sha256 = ? where sha256 = ?", (new, old))


def scrub(connection: sqlite3.Connection, path: Path, until: float) -> None:
    """Overwrite what was deleted or replaced at any time, in the store and its WAL.

    Raises RunsUnderWay if a reader keeps old pages alive beyond `until` (time.monotonic()).
    """
    with explained(path):
        _empty_wal(connection, path, until)
        connection.execute("vacuum")  # free space of pages keeps what was in it until then
        _empty_wal(connection, path, until)


def _empty_wal(connection: sqlite3.Connection, path: Path, until: float) -> None:
    while connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
        if time.monotonic() > until:
            raise RunsUnderWay(
                f"{path}: the person is erased from it, but another program that reads it keeps "
                "old pages on disk; close that program and run erase again"
            )
        time.sleep(0.1)


def nothing_left(connection: sqlite3.Connection, path: Path, token: str) -> None:
    """Forget what was left to do: it may hold the id. To be called before `scrub`."""
    with explained(path), transaction(connection):
        connection.execute("update erasures set left_to_do = null where token = ?", (token,))


def finish(connection: sqlite3.Connection, path: Path, token: str) -> None:
    """Record that an erasure is finished."""
    with explained(path), transaction(connection):
        connection.execute("update erasures set finished_at = ? where token = ?", (now(), token))
