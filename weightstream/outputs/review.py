"""The readings whose verdict is least certain, for a reviewer."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.judging.explanation import EXPLAINED_BY, below_one, explain
from weightstream.outputs.drawing import REVIEW_PAGE, drawing_of, read_people
from weightstream.outputs.pages.page import write_assets, write_page
from weightstream.outputs.pages.review import review_page
from weightstream.store.connection import ReadPool
from weightstream.store.locks import shared_run_lock
from weightstream.store.models import judging_on
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.verifying import verify_persons, verify_structure

COLUMNS = (
    "measurement_id",
    "user_id",
    "effective_at",
    "source",
    "verdict",
    *EXPLAINED_BY,
)
# Reads all versions directly, since a million rows through the view take seconds.
CANDIDATES = """
select user_id, effective_at, measurement_id, version from decisions
where p_valid is not null and reason <> 'repeat' and {whose}
order by abs(p_valid - 0.5), user_id, effective_at, measurement_id limit ?2
"""
STANDING = f"""
select {", ".join("v." + name for name in COLUMNS)}
from json_each(?) c cross join current_decisions v on v.user_id = json_extract(c.value, '$[0]')
  and v.effective_at = json_extract(c.value, '$[1]')
  and v.measurement_id = json_extract(c.value, '$[2]')
  and v.version = json_extract(c.value, '$[3]')
where v.override is null order by c.key
"""  # noqa: S608


def review(config: Config, user: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """Return COLUMNS and explanation of readings without an override, the least certain first.

    Raises StoreError; ConfigError for a person who is not in the store.
    """
    data_dir = config.data.data_dir.absolute()
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        if user is not None and user not in StoredPersons(connection).persons([user]):
            raise ConfigError(f"the store {pool.path} has no person called {user!r}")
        verify_structure(connection)
        connection.execute("begin")  # candidates and current decisions, as of one moment
        rows = least_certain(connection, user, limit)
        found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        verify_persons(connection, sorted({row["user_id"] for row in found}))
    return [row | {"explanation": explained(row)} for row in found]


def least_certain(
    connection: sqlite3.Connection, user: str | None, limit: int
) -> list[tuple[Any, ...]]:
    """Return COLUMNS of at most `limit` current decisions without an override."""
    query = CANDIDATES.format(whose="?1 is null" if user is None else "user_id = ?1")
    wanted = 2 * limit
    while True:
        candidates = connection.execute(query, (user, wanted)).fetchall()
        found = connection.execute(STANDING, (json.dumps(candidates),)).fetchall()
        if len(found) >= limit or len(candidates) < wanted:
            return found[:limit]
        wanted *= 4


def explained(row: dict[str, Any]) -> str:
    """Explain why a reading, accepted or rejected, is uncertain."""
    if row["verdict"] == "rejected":
        return explain(*(row[name] for name in EXPLAINED_BY))
    low, high = row["expected_lo_kg"], row["expected_hi_kg"]
    expected = f"expected {low:.1f}-{high:.1f} kg; " if low is not None else ""
    return f"{expected}{row['weight_kg']:.1f} was accepted; probability {below_one(row['p_valid'])}"


def reviewed(rows: list[dict[str, Any]]) -> str:
    """Return the readings as text; each line begins with the id for `override`."""
    if not rows:
        return "nothing to review"
    return "\n".join(
        f"{row['measurement_id']}  {row['effective_at']:<20}  {row['user_id']}  {row['source']}  "
        f"{row['verdict']}: {row['explanation']}"
        for row in rows
    )


def write_review_page(config: Config, rows: list[dict[str, Any]]) -> Path:
    """Draw the readings that `review` found as a page beside the others; returns where it is.

    Raises StoreError.
    """
    data_dir = config.data.data_dir.absolute()
    dashboards = data_dir / "dashboards"
    users = list(dict.fromkeys(row["user_id"] for row in rows))
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        drawing = drawing_of(dashboards, config, judging_on(connection, config))
        people = {one.user_id: one for one in read_people(connection, drawing, users)}
        write_assets(dashboards, drawing.language)
        write_page(dashboards / REVIEW_PAGE, review_page(rows, people, drawing.naming))
    return dashboards / REVIEW_PAGE
