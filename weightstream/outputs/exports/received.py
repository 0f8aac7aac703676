"""The store as it was received: every stored row with its cells as written, usable or not."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from weightstream.outputs.exports.table_files import write_tables
from weightstream.store import queries
from weightstream.store.verifying import verify_persons, verify_shared

RECEIVED = pa.schema(
    [
        ("user_id", pa.string()),
        ("effectiveDateTime", pa.string()),
        ("source_type", pa.string()),
        ("weight", pa.string()),
        ("unit", pa.string()),
        ("id", pa.string()),  # the source's own
        ("measurement_id", pa.string()),
        ("quarantined_as", pa.string()),
        ("detail", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
    ]
)
"""Named as in the main CSV, so that it can be read again."""

USERS_AT_A_TIME = 1000
ROWS_AT_A_TIME = 50_000

_MEASUREMENTS = (
    "select m.user_id, raw_time, source, raw_weight, raw_unit, record_id, measurement_id, "
    "null, null, f.name, line from json_each(?) wanted "
    "cross join measurements m on m.user_id = wanted.value join files f on f.id = m.file "
    "order by m.user_id, effective_at, measurement_id"
)
_QUARANTINE = (
    "select user_id, time, source, weight, unit, null, null, reason, detail, file, line "
    "from quarantine where ? is null or user_id in (select value from json_each(?)) "
    "order by file_id, line"
)


def received(connection: sqlite3.Connection, users: list[str] | None) -> Iterator[pa.Table]:
    """Yield RECEIVED: measurements by person and time, then quarantined rows by file and line."""
    wanted = [user for user, _ in queries.revisions(connection)] if users is None else users
    for some in queries.chunks(wanted, USERS_AT_A_TIME):
        verify_persons(connection, some)
        yield queries.table(connection, RECEIVED, _MEASUREMENTS, (queries.listed(some),))
    verify_shared(connection, ("quarantine",))
    listed = None
    if users is not None:
        spellings = (queries.quarantined_spellings(connection, user) for user in users)
        listed = queries.listed([cell for cells in spellings for cell in cells])
    rows = connection.execute(_QUARANTINE, (listed, listed))
    while part := rows.fetchmany(ROWS_AT_A_TIME):
        yield queries.table_of(part, RECEIVED)


def export_received(
    connection: sqlite3.Connection, out: Path, timezone: str, users: list[str] | None = None
) -> int:
    """Write RECEIVED to out (.csv, .parquet or .ndjson); see export.Write."""
    return write_tables(out, RECEIVED, received(connection, users))
