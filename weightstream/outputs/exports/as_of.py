"""Export what was known at an earlier time: the verdicts, reasons and suggestions of that time.

A decision is known from the end of the run that made it, or from the run's start if it never ended.
The store keeps estimates only for the current version of a decision, so their columns are empty.
"""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from weightstream.errors import ConfigError
from weightstream.judging.stored import UPDATED
from weightstream.outputs.exports.decisions import (
    STORED,
    USERS_AT_A_TIME,
    explanations,
    in_order,
    write_tables,
)
from weightstream.parsing.times import parse_times
from weightstream.schema import EXPORT
from weightstream.store import queries
from weightstream.store.verifying import verify_persons

KEPT = ("weight_kg", "suggested_kg")
"""Of the numbers, those that every version of a decision keeps; the current one alone has all."""
ELSEWHERE = {
    "user_id": "d.user_id",
    "effective_at": "m.effective_at",
    "measurement_id": "d.measurement_id",
    "file": "f.name",
    "override": "o.action",
    "override_by": "o.made_by",
}
"""Columns that several tables of QUERY have, or that it calls otherwise."""
QUERY = """
select {columns}
from json_each(?1) wanted
cross join decisions d on d.user_id = wanted.value
join measurements m on m.user_id = coalesce(d.received_user, d.user_id)
  and m.effective_at = d.effective_at and m.measurement_id = d.measurement_id
join runs r on r.id = d.run
join files f on f.id = m.file
left join overrides o on o.measurement_id = d.measurement_id and o.made_at <= ?2
  and (o.withdrawn_at is null or o.withdrawn_at > ?2)
where d.verdict <> 'moved' and d.version = (
  select max(v.version) from decisions v
  where v.user_id = d.user_id and v.effective_at = d.effective_at
    and v.measurement_id = d.measurement_id and v.run in (select value from json_each(?3))
)
"""


def moment(text: str, timezone: str) -> str:
    """A time as the store writes it: an instant, or the last millisecond of a day.

    A wall time without an offset, and a day, are those of the store's timezone. Raises ConfigError.
    """
    times = parse_times(pa.array([text]), timezone, None)
    us = int(times.us[0])
    try:
        if not times.bad[0] and np.isnan(times.hour[0]):
            after = datetime.fromisoformat(str(times.effective_at[0])) + timedelta(days=1)
            midnight = pa.array([f"{after:%Y-%m-%d}T00:00:00"])
            us = int(parse_times(midnight, timezone, None).us[0]) - 1000
        at = None if times.bad[0] else datetime.fromtimestamp(us // 1000 / 1000, UTC)
    except (ValueError, OverflowError):  # beyond the years that a datetime holds
        at = None
    if at is None:
        raise ConfigError(
            f"--as-of {text!r} is not a time; write a day as 2024-05-31, or 2024-05-31T12:00:00Z"
        )
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decisions_known(
    connection: sqlite3.Connection, timezone: str, users: list[str] | None, at: str
) -> Iterator[pa.Table]:
    """EXPORT tables as export.current_decisions gives them, of what was known at a moment."""
    ended = connection.execute(
        "select json_group_array(id) from runs where coalesce(finished_at, started_at) <= ?", (at,)
    ).fetchone()[0]
    columns = ", ".join(
        "null" if _is_estimate(column) else ELSEWHERE.get(column.name, column.name)
        for column in STORED
    )
    query = QUERY.format(columns=columns)
    rows = connection.execute("select user_id from users order by user_id")
    everyone = [user for (user,) in rows]
    for some in queries.chunks(everyone if users is None else users, USERS_AT_A_TIME):
        verify_persons(connection, some)
        table = queries.table(connection, STORED, query, (json.dumps(list(some)), at, ended))
        table = in_order(table, timezone)
        yield table.append_column("explanation", explanations(table)).select(EXPORT.names)


def _is_estimate(column: pa.Field) -> bool:
    return column.name in UPDATED or (pa.types.is_floating(column.type) and column.name not in KEPT)


def export_known(
    as_of: str,
    connection: sqlite3.Connection,
    out: Path,
    timezone: str,
    users: list[str] | None = None,
) -> int:
    """Write what was known at a time (see `moment`), as export.export does what is known now."""
    at = moment(as_of, timezone)
    return write_tables(out, EXPORT, decisions_known(connection, timezone, users, at))
