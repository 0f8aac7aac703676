"""The stored data of some persons in columns, for their pages."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.demographics import of_persons
from weightstream.judging.decisions import MOVED
from weightstream.parsing.times import parse_times
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.verifying import (
    Damage,
    complain,
    verified_columns,
    verify_columns,
    verify_persons,
)
from weightstream.types import Ints

MEASURED = (
    "measurement_id",
    "effective_at",
    "source",
    "weight_kg",
    "raw_weight",
    "raw_unit",
    "raw_time",
    "local_hour",
    "file",
    "line",
)
DECIDED = (
    "version",
    "verdict",
    "reason",
    "stage",
    "model",
    "received_user",
    "second_reason",
    "p_reason",
    "p_second",
    "p_valid",
    "suggested_kg",
    "expected_kg",
    "expected_margin_kg",
    "level_kg",
    "level_margin_kg",
    "trend_kg_per_week",
    "change_28d_kg",
    "change_28d_margin_kg",
)
REPLACED = ("version", "stage", "verdict", "reason", "suggested_kg")
OWN = "{} t on t.user_id = w.value"
ASSIGNED = (
    "overrides o on o.assigned_to = w.value and o.withdrawn_at is null and o.user_id <> w.value "
    "join {} t on t.user_id = o.user_id and t.effective_at = o.effective_at "
    "and t.measurement_id = o.measurement_id"
)
"""How rows of a table belong to a person w.value: received for them, or assigned to them."""
BESIDE = ("users", "level_shifts", "overrides")
"""Tables that pages show of a person besides measurements and decisions."""
NUMBERS = ("weight_kg", "local_hour", *DECIDED[DECIDED.index("p_reason") :])


@dataclass(frozen=True)
class Histories:
    """Decided measurements of U persons, N rows, each person's in the order of the export.

    user_ids: (U,), who has any. indptr: (U + 1,) int64, offsets of their rows. time_us: (N,) int64,
    microseconds since 1970 UTC; a date alone is its noon. columns: N values each, by the names of
    the export: float64 arrays of numbers (NaN where empty), lists of other values. replaced: by
    person, measurement_id and REPLACED of versions that later ones replaced. people:
    schema.DEMOGRAPHICS, a row per person.
    """

    user_ids: tuple[str, ...]
    indptr: Ints
    time_us: Ints
    columns: dict[str, Any]
    replaced: dict[str, list[tuple[Any, ...]]]
    people: pa.Table

    def each(self) -> Iterator[tuple[str, slice]]:
        """Yield persons and their rows."""
        for name, (start, stop) in zip(self.user_ids, pairwise(self.indptr.tolist()), strict=True):
            yield name, slice(start, stop)


def histories(connection: sqlite3.Connection, user_ids: Sequence[str], timezone: str) -> Histories:
    """Read the histories of those of user_ids who have decided measurements, in that order.

    A measurement that an override assigns to another person is in that one's history. Raises
    StoreError if a row is not as it was written, or missing.
    """
    verify_persons(connection, user_ids, BESIDE)
    measured = _columns(connection, "measurements", MEASURED, user_ids)
    result = _columns(connection, "decisions", ("measurement_id", *DECIDED), user_ids)
    newest, assigned = _newest(result)
    rows = np.array([newest.get(name, -1) for name in measured["measurement_id"]], np.int64)
    if assigned:
        measured, rows = _with_assigned(connection, measured, rows, assigned, user_ids)
    time_us = parse_times(pa.array(measured["effective_at"], pa.string()), timezone, None).us
    order = _order(measured, time_us)
    order = order[rows[order] >= 0]
    rows = rows[order]
    order, rows = (some[result["verdict"][rows] != MOVED] for some in (order, rows))
    columns = {name: _taken(measured, name, order) for name in MEASURED}
    columns |= {name: _taken(result, name, rows) for name in DECIDED if name != "received_user"}
    person = measured["person"][order].astype(np.int64)
    first = np.flatnonzero(np.diff(person, prepend=-1))
    names = tuple(user_ids[number] for number in person[first])
    return Histories(
        names,
        np.append(first, len(person)),
        time_us[order],
        _as_exported(connection, columns),
        _replaced(result, [*newest.values(), *assigned.values()], user_ids),
        of_persons(names, StoredPersons(connection).demographics(names)),
    )


def _newest(result: dict[str, Any]) -> tuple[dict[str, int], dict[tuple[int, str], int]]:
    """Return rows of the newest versions: by measurement, and by person and measurement of those
    that were received for another person. Of several versions the newest is last."""
    own = np.array([user is None for user in result["received_user"]], bool)
    rows = np.flatnonzero(own)
    newest = dict(zip(result["measurement_id"][rows], rows.tolist(), strict=True))
    assigned = {
        (result["person"][row], result["measurement_id"][row]): row
        for row in np.flatnonzero(~own).tolist()
    }
    return newest, assigned


def _with_assigned(
    connection: sqlite3.Connection,
    measured: dict[str, Any],
    rows: Ints,
    assigned: dict[tuple[int, str], int],
    user_ids: Sequence[str],
) -> tuple[dict[str, Any], Ints]:
    """Add measurements that were received for others, and the rows of decisions on them."""
    names = verified_columns("measurements", MEASURED)
    found = connection.execute(
        f"select distinct w.key, {', '.join('m.' + name for name in names)} "  # noqa: S608
        "from json_each(?) w cross join decisions d on d.user_id = w.value "
        "join measurements m on m.user_id = d.received_user "
        "and m.effective_at = d.effective_at and m.measurement_id = d.measurement_id",
        (json.dumps(list(user_ids)),),
    ).fetchall()
    if lost := assigned.keys() - {(person, name) for person, name, *_ in found}:
        complain(connection, Damage(missing={user_ids[person] for person, _ in lost}))
    more = dict(zip(("person", *names), np.array(found, object).T, strict=True))
    verify_columns(connection, "measurements", more)
    also = [assigned[person, name] for person, name, *_ in found]
    concat = {name: np.concatenate([measured[name], more[name]]) for name in measured}
    return concat, np.concatenate([rows, also])


def _columns(
    connection: sqlite3.Connection, table: str, names: Sequence[str], user_ids: Sequence[str]
) -> dict[str, Any]:
    """Read all rows of user_ids in a table, by its key; person: index into user_ids.

    Raises StoreError if one is not as it was written.
    """
    wanted = verified_columns(table, names)
    some = ", ".join("t." + name for name in wanted)
    rows: list[Any] = []
    for how in (OWN, ASSIGNED) if table == "measurements" else (OWN,):
        rows += connection.execute(
            f"select w.key, {some} from json_each(?) w cross join {how.format(table)}",  # noqa: S608
            (json.dumps(list(user_ids)),),
        ).fetchall()
    cells = np.array(rows, object).reshape(len(rows), len(wanted) + 1)
    columns = dict(zip(("person", *wanted), cells.T, strict=True))
    verify_columns(connection, table, columns)
    return {name: columns[name] for name in ("person", *names)}


def _order(measured: dict[str, Any], time_us: Ints) -> Ints:
    """Return the order of rows by person, time, source, kg, id."""
    keys = {"person": measured["person"], "time": time_us}
    keys |= {name: measured[name] for name in ("source", "weight_kg", "measurement_id")}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return order.to_numpy().astype(np.int64)


def _taken(columns: dict[str, Any], name: str, rows: Ints) -> Any:
    values = columns[name][rows]
    return values.astype(np.float64) if name in NUMBERS else values.tolist()


def _replaced(
    result: dict[str, Any], newest: Sequence[int], user_ids: Sequence[str]
) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    left = result["verdict"] != MOVED
    left[newest] = False
    for row in np.flatnonzero(left).tolist():
        version = tuple(result[name][row] for name in ("measurement_id", *REPLACED))
        found.setdefault(user_ids[result["person"][row]], []).append(version)
    return found


def _as_exported(connection: sqlite3.Connection, columns: dict[str, Any]) -> dict[str, Any]:
    for name in ("expected", "level", "change_28d"):
        margin = columns.pop(f"{name}_margin_kg")
        columns[f"{name}_lo_kg"] = columns[f"{name}_kg"] - margin
        columns[f"{name}_hi_kg"] = columns[f"{name}_kg"] + margin
    numbers = json.dumps(sorted(set(columns["file"])))
    names = dict(
        connection.execute(
            "select f.id, f.name from json_each(?) w join files f on f.id = w.value", (numbers,)
        )
    )
    if lost := {*columns["file"]} - {*names}:
        complain(connection, Damage([f"{len(lost):,} files are missing"]))
    columns["file"] = [names[number] for number in columns["file"]]
    return columns
