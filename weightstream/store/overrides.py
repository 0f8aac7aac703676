"""Overrides in the store: found, made, replaced and withdrawn. Within the caller's transaction."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from weightstream.store.writing import OVERRIDE_DUE, touch_persons


class Measured(NamedTuple):
    """A stored measurement. superseded: superseded or retracted, if its source did so."""

    user_id: str
    effective_at: str
    measurement_id: str
    weight_kg: float
    superseded: str | None


@dataclass(frozen=True)
class InForce:
    """An override in force."""

    id: int
    action: str
    assigned_to: str | None
    made_by: str
    note: str | None


def find(connection: sqlite3.Connection, measurement_ids: Iterable[str]) -> dict[str, Measured]:
    """Return the stored measurements among measurement_ids, by the id that was asked for.

    Ids of weightstream 0.1 are taken too. One scan of all measurements, whose keys begin with the
    person.
    """
    wanted = json.dumps(sorted(set(measurement_ids)))
    former = dict(
        connection.execute(
            "select former_id, measurement_id from json_each(?) w "
            "join former_ids on former_id = w.value",
            (wanted,),
        )
    )
    rows = connection.execute(
        "select m.user_id, m.effective_at, m.measurement_id, m.weight_kg, s.reason "
        "from measurements m left join superseded s using (user_id, effective_at, measurement_id) "
        "where m.measurement_id in (select value from json_each(?1)) "
        "or m.measurement_id in (select value from json_each(?2))",
        (wanted, json.dumps(sorted(former.values()))),
    )
    found = {row[2]: Measured(*row) for row in rows}
    return found | {name: found[known] for name, known in former.items() if known in found}


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
    """Mark persons whose overrides changed, so that the next command judges them."""
    wanted = json.dumps(list(user_ids))
    touch_persons(connection, "select value from json_each(?)", wanted, OVERRIDE_DUE)


def verdicts(connection: sqlite3.Connection, measured: Sequence[Measured]) -> dict[str, str]:
    """Return the current verdicts on measurements; those not judged yet are missing."""
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
