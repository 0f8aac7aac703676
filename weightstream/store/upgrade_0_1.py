"""Migrating a store of weightstream 0.1 to 0.2, within the caller's transaction.

In 0.1 the identity of a measurement was its spelling; in 0.2 it is person, source, instant and
mass. So ids change, and copies of a measurement become one, with the smallest text. Its decisions
stay; decisions on the other copies are dropped, and their records and overrides pass to it. Every
former id leads to its present measurement, and everyone is due for retro.
"""

import sqlite3
from datetime import UTC, datetime

import pyarrow as pa

from weightstream.intake.identity import measurement_ids
from weightstream.store.tables import TABLES

STEPS_OF_0_1 = (
    "files_and_runs",
    "measurements_and_decisions",
    "persons",
    "sources_and_quarantine",
    "overrides_and_erasures",
    "learnt_parameters",
    "results_of_runs",
    "views_for_reading",
    "unfinished_erasures_and_stale_parameters",
    "corrections_and_human_decisions",
    "who_withdrew",
)
"""What a store of 0.1 has recorded of its migrations."""

APART = "of_0_1_"
FORMER_NAMES = {"superseded": "set_aside"}
ROWS_AT_A_TIME = 50_000
PLAIN = (
    *("settings", "runs", "files", "users", "sources", "models", "quarantine", "erasures"),
    "overrides",
)
"""Tables that are copied row by row; ids of measurements in them are corrected afterwards."""

# kept: the copy whose text stays.
RENAMED = """
create temp table renamed (
  user_id text not null,
  effective_at text not null,
  former_id text not null,
  measurement_id text not null,
  kept integer not null default 0,
  primary key (user_id, former_id)
) without rowid
"""
BY_NEW_ID = "create index renamed_new on renamed(user_id, measurement_id)"
MARK_KEPT = """
update renamed set kept = 1 where (user_id, former_id) in (
  select user_id, former_id from (
    select r.user_id, r.former_id, row_number() over (
      partition by r.user_id, r.measurement_id
      order by m.raw_weight, m.raw_unit, m.raw_time, m.file, m.line
    ) as place
    from renamed r join of_0_1_measurements m on m.user_id = r.user_id
      and m.effective_at = r.effective_at and m.measurement_id = r.former_id
  ) where place = 1
)
"""
OF_KEPT = {
    "measurements": "o.user_id",
    "decisions": "coalesce(o.received_user, o.user_id)",
    "level_shifts": "o.user_id",
}
"""Tables of which only the rows on the copy that stays are kept; whom it was received for."""

RECORDS = """
insert or ignore into records
  (user_id, source, record_id, measurement_id, updated, run, file, line)
select user_id, source, record_id, measurement_id, updated, run, file, line from (
  select o.user_id, o.source, o.record_id, coalesce(r.measurement_id, '') as measurement_id,
    o.updated, o.run, o.file, o.line
  from of_0_1_records o
  left join renamed r on r.user_id = o.user_id and r.former_id = o.measurement_id
  union all
  select o.user_id, o.source, coalesce(o.record_id, ''), r.measurement_id, o.updated, o.run,
    o.file, o.line
  from of_0_1_measurements o
  join renamed r on r.user_id = o.user_id and r.former_id = o.measurement_id and not r.kept
  join renamed k on k.user_id = r.user_id and k.measurement_id = r.measurement_id and k.kept
  join of_0_1_measurements m on m.user_id = k.user_id and m.effective_at = k.effective_at
    and m.measurement_id = k.former_id
  where coalesce(o.record_id, m.record_id) is not null
) order by user_id, source, record_id, measurement_id, updated desc, file, line
"""
# A measurement is data while one of its copies is.
SUPERSEDED = """
insert into superseded (user_id, effective_at, measurement_id, reason)
select r.user_id, r.effective_at, r.measurement_id, min(o.reason)
from renamed r left join of_0_1_set_aside o on o.user_id = r.user_id
  and o.effective_at = r.effective_at and o.measurement_id = r.former_id
group by r.user_id, r.effective_at, r.measurement_id
having count(o.reason) = count(*)
"""
FORMER_IDS = """
insert or ignore into former_ids (former_id, user_id, effective_at, measurement_id)
select former_id, user_id, effective_at, measurement_id from renamed
where former_id <> measurement_id order by former_id
"""
WITHDRAW_OLDER = """
update overrides set withdrawn_at = ?, withdrawn_by = 'weightstream 0.2'
where withdrawn_at is null and id not in (
  select max(o.id) from overrides o
  left join renamed r on r.user_id = o.user_id and r.former_id = o.measurement_id
  where o.withdrawn_at is null group by coalesce(r.measurement_id, o.measurement_id)
)
"""
RENAME_OVERRIDES = """
update overrides set measurement_id = coalesce((
  select r.measurement_id from renamed r
  where r.user_id = overrides.user_id and r.former_id = overrides.measurement_id
), measurement_id)
"""
# What the series hold is counted again by retro; until then the copies that went are left out.
USERS = """
update users set revision = revision + 1, dirty = 1,
  readings = max(readings - (
    select count(*) from renamed r where r.user_id = users.user_id and not r.kept
  ), 0),
  rejected = (
    select count(*) from decisions d where d.user_id = users.user_id and d.verdict = 'rejected'
      and d.version = (
        select max(version) from decisions v where v.user_id = d.user_id
          and v.effective_at = d.effective_at and v.measurement_id = d.measurement_id
      )
  )
"""
STATES = """
insert into user_states (user_id, basis, settled, state)
select user_id, '', 0, x'' from of_0_1_user_states
"""


def set_tables_apart(connection: sqlite3.Connection) -> None:
    """Drop views and indexes, and rename the tables, so that those of 0.2 can be made."""
    query = (
        "select type, name from sqlite_master where type in ('view', 'index') and sql not null "
        "and tbl_name <> '_sqlite_migrations'"
    )
    for kind, name in connection.execute(query).fetchall():
        connection.execute(f"drop {kind} {name}")
    for name in TABLES:
        former = FORMER_NAMES.get(name, name)
        if _exists(connection, former):
            connection.execute(f"alter table {former} rename to {APART}{former}")


def restore_rows(connection: sqlite3.Connection) -> None:
    """Fill the tables of 0.2 from the renamed ones, and drop those."""
    for name in PLAIN:
        _take_over(connection, name, f"{APART}{name} o")
    _rename_measurements(connection)
    for name, received_for in OF_KEPT.items():
        _take_over(
            connection,
            name,
            f"{APART}{name} o join renamed r on r.user_id = {received_for} "
            "and r.former_id = o.measurement_id and r.kept",
        )
    for statement in (RECORDS, SUPERSEDED, FORMER_IDS, USERS, STATES):
        connection.execute(statement)
    # Of two overrides in force on copies of one measurement, the later one stays so.
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    connection.execute(WITHDRAW_OLDER, (now,))
    connection.execute(RENAME_OVERRIDES)
    connection.execute("drop table renamed")
    for name in TABLES:
        former = FORMER_NAMES.get(name, name)
        connection.execute(f"drop table if exists {APART}{former}")


def _take_over(connection: sqlite3.Connection, name: str, rows: str) -> None:
    """Copy the columns that a table always had. rows: a table o, joined to `renamed` r or not."""
    former = set(_columns(connection, f"{APART}{name}"))
    columns = [column for column in _columns(connection, name) if column in former]
    cells = [
        "r.measurement_id" if column == "measurement_id" and " r on " in rows else f"o.{column}"
        for column in columns
    ]
    connection.execute(
        f"insert into {name} ({', '.join(columns)}) select {', '.join(cells)} from {rows}"  # noqa: S608
    )


def _rename_measurements(connection: sqlite3.Connection) -> None:
    """Map, by person, each id of 0.1 to its id of 0.2."""
    connection.execute(RENAMED)
    rows = connection.execute(
        "select user_id, effective_at, measurement_id, source, weight_kg from of_0_1_measurements"
    )
    while some := rows.fetchmany(ROWS_AT_A_TIME):
        user, at, former, source, kg = zip(*some, strict=True)
        table = pa.table(
            {
                "user_id": pa.array(user, pa.string()),
                "source": pa.array(source, pa.string()),
                "effective_at": pa.array(at, pa.string()),
                "weight_kg": pa.array(kg, pa.float64()),
            }
        )
        ids = measurement_ids(table).to_pylist()
        connection.executemany(
            "insert into renamed (user_id, effective_at, former_id, measurement_id) "
            "values (?, ?, ?, ?)",
            zip(user, at, former, ids, strict=True),
        )
    connection.execute(BY_NEW_ID)
    connection.execute(MARK_KEPT)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"pragma table_info({table})")]


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    query = "select exists (select 1 from sqlite_master where type = 'table' and name = ?)"
    return bool(connection.execute(query, (table,)).fetchone()[0])
