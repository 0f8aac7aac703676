"""What a pass of the engine over some series says, and where that differs from what is stored."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import Floats, Ints
from weightstream.engine import Filtered
from weightstream.judging.batch_result import Column, Rows, rows_of
from weightstream.judging.series import AnnotatedSeries
from weightstream.store import queries

Bools = npt.NDArray[np.bool_]

CAUSAL, RETRO = "causal", "retro"
MOVED = "moved"
"""The last verdict on a reading that is in another person's series from then on."""
FALLEN = pa.array(["superseded", "retracted"])
FALLEN_FROM = schema.REASONS.index("superseded")
VERDICTS = pa.array(["rejected", "accepted"])
REASONS = pa.array(schema.REASONS)
KEY = ("user_id", "effective_at", "measurement_id")


@dataclass(frozen=True)
class DecisionDiff:
    """The decisions of a pass over N readings, against those that stand.

    decisions: new versions. estimates: standing versions whose figures moved, as they are now.
    accepted: (N,) bool, the verdicts that stand afterwards. net_accepted: (N,) int64, 1 where a
    rejected reading is accepted now, -1 where an accepted one no longer is.
    """

    decisions: Rows
    estimates: Rows
    accepted: Bools
    net_accepted: Ints


def diff_decisions(
    connection: sqlite3.Connection | None,
    readings: AnnotatedSeries,
    filtered: Filtered,
    whole: Bools,
    stage: str,
    model: str,
) -> DecisionDiff:
    """Tell new decisions from standing ones.

    readings: N of U persons, and filtered what is said of each. whole: (U,) bool, these are all
    that the person has. A causal pass leaves what retro has decided as it is: retro had seen more,
    and will look again; but not where a source has corrected or taken back the record since, or
    does not any more.
    """
    series, user, users = readings.table, readings.user, len(readings.user_ids)
    columns = decision_columns(readings, filtered, stage, model)
    stored = series["new_row"].to_numpy() < 0
    version = np.ones(len(series), np.int64)
    run = np.zeros(len(series), np.int64)
    says, moved = np.ones(len(series), bool), np.zeros(len(series), bool)
    accepted, net_accepted = filtered.accepted.copy(), np.zeros(len(series), np.int64)
    gone = queries.PLACED.empty_table()
    if connection is not None and whole.any():
        ids = [person for person, all_of in zip(readings.user_ids, whole, strict=True) if all_of]
        before, at, gone = current(connection, ids, series, stage)
        known = np.flatnonzero(at >= 0)
        was = before.take(at[known])
        stays = np.full(len(known), stage == CAUSAL) & pc.equal(was["stage"], RETRO).to_numpy()
        stays &= ~pc.is_in(was["reason"], FALLEN).to_numpy() & (
            filtered.reason[known] < FALLEN_FROM
        )
        stays &= pc.not_equal(was["verdict"], MOVED).to_numpy()
        was_accepted = pc.equal(was["verdict"], "accepted").to_numpy()
        accepted[known] = np.where(stays, was_accepted, accepted[known])
        net_accepted[known] = accepted[known].astype(np.int64) - was_accepted
        version[known] = was["version"].to_numpy()
        run[known] = was["run"].to_numpy()
        says[known] = _differs(columns, was, known, ("verdict", "reason", "suggested_kg")) & ~stays
        seen_anew = pc.not_equal(was["stage"], stage).to_numpy()  # also where there is no figure
        seen_anew |= pc.not_equal(was["model"], model).to_numpy()
        moved[known] = _differs(columns, was, known, queries.ESTIMATES) | seen_anew
        moved[known] &= ~says[known] & ~stays
        version[known] += says[known]
    columns["version"] = version if stored.any() else 1
    estimates = _filter(columns | {"run": run}, moved)
    says_new = rows_of(user[says], users, _filter(columns, says))
    return DecisionDiff(
        with_moves(says_new, gone, readings.user_ids, stage, model) if len(gone) else says_new,
        rows_of(user[moved], users, estimates),
        accepted,
        net_accepted,
    )


def current(
    connection: sqlite3.Connection, user_ids: list[str], series: pa.Table, stage: str
) -> tuple[pa.Table, Ints, pa.Table]:
    """Current decisions of some persons; (N,) the row of each reading of the series in them, -1
    where it has none; and those (PLACED) whose reading is in another's series now."""
    if not queries.has_moves(connection, user_ids):
        before = queries.current(connection, user_ids, stage)
        at = pc.index_in(series["measurement_id"], before["measurement_id"])
        return before, pc.fill_null(at, -1).to_numpy(), queries.PLACED.empty_table()
    before = queries.current(connection, user_ids, stage, queries.PLACED)
    whose, was_whose = (
        pc.binary_join_element_wise(table["measurement_id"], table["user_id"], " ")
        for table in (series, before)
    )
    in_place = pc.or_(pc.is_in(was_whose, whose), pc.equal(before["verdict"], MOVED))
    at = pc.fill_null(pc.index_in(whose, was_whose), -1)
    return before, at.to_numpy(), before.filter(pc.invert(in_place))


def with_moves(
    statements: Rows, gone: pa.Table, user_ids: Sequence[str], stage: str, model: str
) -> Rows:
    """New versions, with those that end what was said of readings in another's series now."""
    columns: dict[str, Any] = {
        **{name: gone[name] for name in (*KEY, "received_user")},
        "version": pc.add(gone["version"], 1),
        "verdict": pa.array([MOVED] * len(gone)),
        "reason": pa.array(["override"] * len(gone)),
    }
    ends = pa.table(columns)
    rows = int(statements.indptr[-1])
    spelt = {
        name: value if isinstance(value, pa.Array) else pa.array(np.broadcast_to(value, rows))
        for name, value in statements.columns.items()
    }
    if rows:
        ends = pa.concat_tables([pa.table(spelt), ends], promote_options="default")
    number = pc.index_in(ends["user_id"], pa.array(user_ids, pa.string())).to_numpy()
    order = np.argsort(number, kind="stable")
    table = ends.take(order).combine_chunks()
    done = {name: table[name].combine_chunks() for name in table.column_names}
    return rows_of(number[order], len(user_ids), done | {"stage": stage, "model": model})


def decision_columns(
    readings: AnnotatedSeries, filtered: Filtered, stage: str, model: str
) -> dict[str, Any]:
    series = readings.table
    received = {} if readings.received_user is None else {"received_user": readings.received_user}
    return received | {
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


def shift_rows(readings: AnnotatedSeries, filtered: Filtered) -> Rows:
    series, user, users = readings.table, readings.user, len(readings.user_ids)
    order = np.argsort(filtered.shift_row, kind="stable")
    row = filtered.shift_row[order]
    return rows_of(
        user[row],
        users,
        {name: series[name].take(pa.array(row)).combine_chunks() for name in KEY}
        | {"from_kg": filtered.shift_from[order], "to_kg": filtered.shift_to[order]},
    )


def _differs(
    columns: Mapping[str, Any], was: pa.Table, rows: Ints, names: tuple[str, ...]
) -> Bools:
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


def _filter(columns: Mapping[str, Any], mask: Bools) -> dict[str, Any]:
    if mask.all():
        return dict(columns)
    return {name: _chosen(column, mask) for name, column in columns.items()}


def _chosen(column: Column, mask: Bools) -> Column:
    if isinstance(column, pa.Array):
        return column.filter(pa.array(mask))
    return column if isinstance(column, str | int) else column[mask]


def newest(values: Floats, readings: AnnotatedSeries) -> Floats:
    """(U,) the value at the last reading of each person that is data; NaN where there is none."""
    user, users = readings.user, len(readings.user_ids)
    if readings.data is not None:
        values, user = values[readings.data], user[readings.data]
    last = np.searchsorted(user, np.arange(users), side="right") - 1
    found = np.full(users, np.nan)
    present = np.bincount(user, minlength=users) > 0
    found[present] = values[last[present]]
    return found
