"""What a pass of the engine over some series says, and where that differs from what is stored."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import Floats, Ints
from weightstream.decided import Column, Rows, rows_of
from weightstream.engine import Filtered
from weightstream.store import reading

Mask = npt.NDArray[np.bool_]

CAUSAL, RETRO = "causal", "retro"
VERDICTS = pa.array(["rejected", "accepted"])
REASONS = pa.array(schema.REASONS)
KEY = ("user_id", "effective_at", "measurement_id")
ESTIMATES = (
    "p_valid",
    "expected_kg",
    "expected_margin_kg",
    "level_kg",
    "level_margin_kg",
    "trend_kg_per_week",
)


@dataclass(frozen=True)
class Said:
    """The decisions of a pass over N readings, against those that stand.

    decisions: new versions. estimates: figures of standing versions that moved.
    accepted: (N,) bool, the verdicts that stand afterwards. net_accepted: (N,) int64, 1 where a
    rejected reading is accepted now, -1 where an accepted one no longer is.
    """

    decisions: Rows
    estimates: Rows
    accepted: Mask
    net_accepted: Ints


def told_apart(
    connection: sqlite3.Connection | None,
    series: pa.Table,
    filtered: Filtered,
    user: Ints,
    users: int,
    stage: str,
    model: str,
) -> Said:
    """Tell new decisions from standing ones.

    series: N rows of series.SERIES; user: (N,) ascending, of `users` persons. A causal pass leaves
    what retro has decided as it is: retro had seen more, and will look again.
    """
    columns = decision_columns(series, filtered, stage, model)
    stored = series["new_row"].to_numpy() < 0
    version = np.ones(len(series), np.int64)
    says, moved = np.ones(len(series), bool), np.zeros(len(series), bool)
    accepted, net_accepted = filtered.accepted.copy(), np.zeros(len(series), np.int64)
    if connection is not None and stored.any():
        ids = series["user_id"].filter(pa.array(stored)).unique().to_pylist()
        before = reading.current(connection, ids)
        at = pc.fill_null(pc.index_in(series["measurement_id"], before["measurement_id"]), -1)
        known = np.flatnonzero(at.to_numpy() >= 0)
        was = before.take(at.to_numpy()[known])
        stays = np.full(len(known), stage == CAUSAL) & pc.equal(was["stage"], RETRO).to_numpy()
        was_accepted = pc.equal(was["verdict"], "accepted").to_numpy()
        accepted[known] = np.where(stays, was_accepted, accepted[known])
        net_accepted[known] = accepted[known].astype(np.int64) - was_accepted
        version[known] = was["version"].to_numpy()
        says[known] = _differs(columns, was, known, ("verdict", "reason", "suggested_kg")) & ~stays
        moved[known] = _differs(columns, was, known, ESTIMATES) & ~says[known] & ~stays
        version[known] += says[known]
    columns["version"] = version if stored.any() else 1
    moving = ("version", *KEY, *ESTIMATES, "stage", "model")
    estimates = _filter({name: columns[name] for name in moving}, moved)
    return Said(
        rows_of(user[says], users, _filter(columns, says)),
        rows_of(user[moved], users, estimates),
        accepted,
        net_accepted,
    )


def decision_columns(
    series: pa.Table, filtered: Filtered, stage: str, model: str
) -> dict[str, Any]:
    return {
        **{name: series[name].combine_chunks() for name in KEY},
        "verdict": VERDICTS.take(pa.array(filtered.accepted.astype(np.int8))),
        "reason": REASONS.take(pa.array(filtered.reason)),
        "p_valid": filtered.p_valid,
        "expected_kg": filtered.expected,
        "expected_margin_kg": (filtered.expected_hi - filtered.expected_lo) / 2,
        "level_kg": filtered.level,
        "level_margin_kg": (filtered.level_hi - filtered.level_lo) / 2,
        "trend_kg_per_week": filtered.trend,
        "suggested_kg": filtered.suggested,
        "stage": stage,
        "model": model,
    }


def shift_rows(series: pa.Table, filtered: Filtered, user: Ints, users: int) -> Rows:
    order = np.argsort(filtered.shift_row, kind="stable")
    row = filtered.shift_row[order]
    return rows_of(
        user[row],
        users,
        {name: series[name].take(pa.array(row)).combine_chunks() for name in KEY}
        | {"from_kg": filtered.shift_from[order], "to_kg": filtered.shift_to[order]},
    )


def _differs(columns: Mapping[str, Any], was: pa.Table, rows: Ints, names: tuple[str, ...]) -> Mask:
    """Where any of the named columns is not what it was; empty equals empty."""
    different = np.zeros(len(rows), bool)
    for name in names:
        column = columns[name]
        if isinstance(column, pa.Array):
            different |= pc.not_equal(column.take(pa.array(rows)), was[name]).to_numpy()
        else:
            before = pc.fill_null(was[name], np.nan).to_numpy()
            now = column[rows]
            different |= (now != before) & ~(np.isnan(now) & np.isnan(before))
    return different


def _filter(columns: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    if mask.all():
        return dict(columns)
    return {name: _chosen(column, mask) for name, column in columns.items()}


def _chosen(column: Column, mask: Mask) -> Column:
    if isinstance(column, pa.Array):
        return column.filter(pa.array(mask))
    return column if isinstance(column, str | int) else column[mask]


def newest(values: Floats, user: Ints, users: int) -> Floats:
    """(users,) the last value of each person; NaN where there is none. user: (N,) ascending."""
    last = np.searchsorted(user, np.arange(users), side="right") - 1
    found = np.full(users, np.nan)
    present = np.bincount(user, minlength=users) > 0
    found[present] = values[last[present]]
    return found
