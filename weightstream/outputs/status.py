"""`weightstream status`: what the store holds, in a few lines."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from weightstream.config import Config
from weightstream.errors import plain
from weightstream.judging.explanation import EXPLAINED_BY, explain
from weightstream.outputs.pages.co_users import LEAST_OTHERS, CoUsers, co_users
from weightstream.store import models, queries
from weightstream.store.connection import STORE_NAME, ReadPool
from weightstream.store.histories import histories
from weightstream.store.verifying import verify_structure

NEWEST = 5
PERSONS_AT_A_TIME = 50
# A copy of a weighing is not an error.
COPIES = """
select count(*) from decisions d where reason = 'repeat' and verdict = 'rejected' and version = (
  select max(version) from decisions v
  where v.user_id = d.user_id and v.effective_at = d.effective_at
    and v.measurement_id = d.measurement_id
)
"""
COUNTS = {
    "persons": "select count(*) from users",
    "measurements": "select coalesce(sum(readings), 0) from users",
    "rejected": "select coalesce(sum(rejected), 0) from users",
    "copies": COPIES,
    "level shifts": "select count(*) from level_shifts",
    "quarantined": "select count(*) from quarantine",
    "files": "select count(*) from files",
    "erased": "select count(*) from erasures",
}
RUNS = """
select kind, status, started_at, coalesce(rows_in, 0), run_id from runs order by id desc limit 5
"""
UNFINISHED = "select exists (select 1 from erasures where finished_at is null)"
QUARANTINE = "select reason, count(*) from quarantine group by reason order by count(*) desc"
REJECTED = f"""
select user_id, effective_at, source, {", ".join(EXPLAINED_BY)}
from json_each(?) wanted cross join current_decisions v on v.user_id = wanted.value
where verdict = 'rejected' and reason <> 'repeat' order by effective_at desc limit {NEWEST}
"""  # noqa: S608
WITH_OTHERS = """
select user_id from current_decisions
where reason = 'other_person' and verdict = 'rejected'
group by user_id having count(*) >= ? order by user_id
"""
REJECTED_USERS = "select user_id, last_us from users where rejected order by last_us desc, user_id"


def status_text(config: Config) -> str:
    """Return counts, quarantine by reason, newest runs and rejections. Raises StoreError."""
    data_dir = config.data.data_dir.absolute()
    with ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        verify_structure(connection)
        judging = models.judging_on(connection, config)
        lines = _lines(connection, data_dir / STORE_NAME, judging.fingerprint)
        return "\n".join([*lines, *_shared(connection, judging.timezone)])


def _lines(connection: sqlite3.Connection, path: Path, basis: str) -> list[str]:
    """basis: Judging.fingerprint of now."""
    lines = [f"{path} ({path.stat().st_size / 1e6:,.1f} MB)"]
    counts = {name: connection.execute(query).fetchone()[0] for name, query in COUNTS.items()}
    counts["waiting for retro"] = len(queries.due(connection, basis)[0])
    counts["rejected"] -= counts["copies"]
    lines += [f"  {name:<18}{count:>12,}" for name, count in counts.items()]
    for reason, count in connection.execute(QUARANTINE):
        lines.append(f"    {reason:<16}{count:>12,}")
    lines += _unfinished(connection, basis)
    lines.append("newest runs")
    for kind, status, started, rows, run_id in connection.execute(RUNS):
        lines.append(f"  {started}  {kind:<11}{status:<10}{rows or 0:>12,} rows  {run_id}")
    rejected = newest_rejected(connection)
    if rejected:
        lines.append("newest rejected readings")
    for user, at, source, *told in rejected:
        lines.append(f"  {at}  {plain(user)}  {plain(source)}: {explain(*told)}")
    return lines


def _unfinished(connection: sqlite3.Connection, basis: str) -> Iterator[str]:
    """Yield what must be done, or what the next command does by itself."""
    if otherwise := queries.judged_otherwise(connection, basis):
        yield (
            f"  {otherwise:,} persons were judged by another engine, configuration or set of "
            "parameters: run `weightstream retro`"
        )
    if waiting := len(queries.awaiting_override(connection)):
        yield f"  overrides of {waiting:,} persons were cut short: the next command applies them"
    if connection.execute(UNFINISHED).fetchone()[0]:
        yield "  an erasure was cut short: run `weightstream erase` for that person again"
    for name in queries.stale_models(connection):
        yield f"  {name} is stale (a person was erased since): run `weightstream learn`"


def _shared(connection: sqlite3.Connection, timezone: str) -> list[str]:
    lines = [
        f"  {plain(user)}: about {one.kg[0]:.1f} kg ({one.count[0]:,} readings since {one.since}) "
        f"and {one.kg[1]:.1f} kg ({one.count[1]:,})"
        for user, one in shared_accounts(connection, timezone)
    ]
    if not lines:
        return []
    more = [f"  ... and {len(lines) - NEWEST:,} more"] if len(lines) > NEWEST else []
    return ["accounts that two persons seem to share", *lines[:NEWEST], *more]


def shared_accounts(connection: sqlite3.Connection, timezone: str) -> Iterator[tuple[str, CoUsers]]:
    """Yield persons who seem to share their account, by name."""
    users = [user for (user,) in connection.execute(WITH_OTHERS, (LEAST_OTHERS,))]
    for start in range(0, len(users), PERSONS_AT_A_TIME):
        found = histories(connection, users[start : start + PERSONS_AT_A_TIME], timezone)
        for user, rows in found.each():
            columns = {name: column[rows] for name, column in found.columns.items()}
            shared = co_users(columns, found.time_us[rows] / 86_400e6)
            if shared is not None:
                yield user, shared


def newest_rejected(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """(user_id, effective_at, source, *EXPLAINED_BY) of the NEWEST rejected readings.

    Verdicts are in no index, so persons are asked in the order of their last readings, until no
    other can have a newer rejected one.
    """
    found: list[tuple[Any, ...]] = []
    people = connection.execute(REJECTED_USERS)
    while some := people.fetchmany(PERSONS_AT_A_TIME):
        if len(found) == NEWEST and _day_after(some[0][1]) < found[-1][1]:
            break
        wanted = json.dumps([user for user, _ in some])
        found += connection.execute(REJECTED, (wanted,))
        found = sorted(found, key=lambda row: row[1], reverse=True)[:NEWEST]
    return found


def _day_after(us: int) -> str:
    """Later than a reading's time may be written: of a date alone the local day is known."""
    return f"{datetime.fromtimestamp(us / 1e6, UTC) + timedelta(days=1):%Y-%m-%d}"
