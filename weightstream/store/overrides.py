"""Overrides in the store: found, made, replaced and withdrawn. Within the caller's transaction."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from weightstream.store.writing import touch_persons


class Measured(NamedTuple):
    """A stored measurement. aside: superseded or retracted, if its source did so."""

    user_id: str
    effective_at: str
    measurement_id: str
    weight_kg: float
    superseded: str | None


@dataclass(frozen=True)
class InForce:
    """An override that stands."""

    id: int
    action: str
    assigned_to: str | None
    made_by: str
    note: str | None


def find(connection: sqlite3.Connection, measurement_ids: Iterable[str]) -> dict[str, Measured]:
    """Those that the store has; one scan of all measurements, whose keys begin with the person."""
    rows = connection.execute(
        "select m.user_id, m.effective_at, m.measurement_id, m.weight_kg, a.reason "
        "from measurements m left join set_aside a using (user_id, effective_at, measurement_id) "
        "where m.measurement_id in (select value from json_each(?))",
        (json.dumps(sorted(set(measurement_ids))),),
    )
    return {row[2]: Measured(*row) for row in rows}


def in_force(connection: sqlite3.Connection, measurement_id: str) -> InForce | None:
    row = connection.execute(
        "select id, action, assigned_to, made_by, note from overrides "
        "where measurement_id = ? and withdrawn_at is null",
        (measurement_id,),
    ).fetchone()
    return InForce(*row) if row else None


def withdraw(connection: sqlite3.Connection, override: InForce, by: str, at: str) -> None:
    connection.execute(
        "update overrides set withdrawn_at = ?, withdrawn_by = ? where id = ?",
        (at, by, override.id),
    )


def make(connection: sqlite3.Connection, measured: Measured, columns: dict[str, Any]) -> None:
    columns = columns | {
        "user_id": measured.user_id,
        "effective_at": measured.effective_at,
        "measurement_id": measured.measurement_id,
    }
    connection.execute(
        f"insert into overrides ({', '.join(columns)}) "  # noqa: S608
        f"values ({', '.join('?' for _ in columns)})",
        list(columns.values()),
    )


def is_known(connection: sqlite3.Connection, user_id: str) -> bool:
    query = "select exists (select 1 from users where user_id = ?)"
    return bool(connection.execute(query, (user_id,)).fetchone()[0])


def touch(connection: sqlite3.Connection, user_ids: Sequence[str]) -> None:
    """Their readings count differently from now on."""
    touch_persons(connection, "select value from json_each(?)", json.dumps(list(user_ids)))


def verdicts(connection: sqlite3.Connection, measured: Sequence[Measured]) -> dict[str, str]:
    """What the store says of measurements now; those that nobody has judged are not in it."""
    found = {}
    for one in measured:
        for verdict, reason in connection.execute(
            "select d.verdict, d.reason from decisions d where d.effective_at = ?1 "
            "and d.measurement_id = ?2 and d.user_id in (?3, (select assigned_to from overrides "
            "where measurement_id = ?2 and withdrawn_at is null)) and d.verdict <> 'moved' "
            "and d.version = (select max(version) from decisions v where v.user_id = d.user_id "
            "and v.effective_at = d.effective_at and v.measurement_id = d.measurement_id)",
            (one.effective_at, one.measurement_id, one.user_id),
        ):
            found[one.measurement_id] = f"{verdict}, {reason}"
    return found
