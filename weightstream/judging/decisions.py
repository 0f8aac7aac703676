"""Decisions of a pass of the engine, and where they differ from the stored ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.engine import Filtered
from weightstream.judging.batch_result import Column, Rows, rows_of
from weightstream.judging.series import AnnotatedSeries
from weightstream.judging.stored import PLACED, UPDATED, Stored
from weightstream.types import Bools, Codes, Floats, Ints

CAUSAL, RETRO = "causal", "retro"
MOVED = "moved"
"""The last verdict on a reading that was assigned to another person."""
NOT_CURRENT = pa.array(["superseded", "retracted"])
FIRST_NOT_CURRENT = schema.REASONS.index("superseded")
VERDICTS = pa.array(["rejected", "accepted"])
REASONS = pa.array(schema.REASONS)
KEY = ("user_id", "effective_at", "measurement_id")


@dataclass(frozen=True)
class DecisionDiff:
    """The decisions of a pass over N readings, compared with the current ones.

    decisions: new versions. estimates: current versions whose estimates changed, with new values.
    accepted: (N,) bool, the verdicts in force afterwards. net_accepted: (N,) int64, 1 where a
    rejected reading is accepted now, -1 where an accepted one no longer is.
    """

    decisions: Rows
    estimates: Rows
    accepted: Bools
    net_accepted: Ints


def diff_decisions(
    stored: Stored,
    readings: AnnotatedSeries,
    filtered: Filtered,
    since: Mapping[str, str],
    stage: str,
    model: str,
) -> DecisionDiff:
    """Compare the decisions of a pass with the stored ones.

    readings: N of U persons; filtered: the engine's result for each. since: persons of whom stored
    readings were judged again, and the effective_at from which on (stored.Stored). A causal pass
    leaves the decisions of retro unchanged, since retro has seen more and will judge again; unless
    a source has since corrected or retracted the record, or has withdrawn that.
    """
    series, user, users = readings.table, readings.user, len(readings.user_ids)
    columns = decision_columns(readings, filtered, stage, model)
    is_stored = series["new_row"].to_numpy() < 0
    version = np.ones(len(series), np.int64)
    run = np.zeros(len(series), np.int64)
    revised, moved = np.ones(len(series), bool), np.zeros(len(series), bool)
    accepted, net_accepted = filtered.accepted.copy(), np.zeros(len(series), np.int64)
    gone = PLACED.empty_table()
    if since:
        before, at, gone = current(stored, since, series, stage)
        known = np.flatnonzero(at >= 0)
        was = before.take(at[known])
        stays = _stays(was, filtered.reason[known], stage)
        was_accepted = pc.equal(was["verdict"], "accepted").to_numpy()
        resumed = np.array([bool(since.get(person)) for person in readings.user_ids])
        _keep_changes(columns, was, known, resumed[user[known]])
        accepted[known] = np.where(stays, was_accepted, accepted[known])
        net_accepted[known] = accepted[known].astype(np.int64) - was_accepted
        version[known] = was["version"].to_numpy()
        run[known] = was["run"].to_numpy()
        revised[known], moved[known] = (
            changed & ~stays for changed in _changed(columns, was, known, stage, model)
        )
        version[known] += revised[known]
    columns["version"] = version if is_stored.any() else 1
    estimates = _filter(columns | {"run": run}, moved)
    versions = rows_of(user[revised], users, _filter(columns, revised))
    return DecisionDiff(
        with_moves(versions, gone, readings.user_ids, stage, model) if len(gone) else versions,
        rows_of(user[moved], users, estimates),
        accepted,
        net_accepted,
    )


def _keep_changes(columns: dict[str, Any], was: pa.Table, rows: Ints, resumed: Bools) -> None:
    """Keep a stored change over 28 days where this pass has not looked back so far."""
    for name in ("change_28d_kg", "change_28d_margin_kg"):
        now = columns[name] = columns[name].copy()
        lost = resumed & np.isnan(now[rows])
        now[rows[lost]] = pc.fill_null(was[name], np.nan).to_numpy()[lost]


def _changed(
    columns: Mapping[str, Any], was: pa.Table, rows: Ints, stage: str, model: str
) -> tuple[Bools, Bools]:
    """Return where the decision on some rows is another, and where only its estimates are."""
    revised = _differs(columns, was, rows, ("verdict", "reason", "suggested_kg"))
    seen_anew = pc.not_equal(was["stage"], stage).to_numpy()  # also where there is no figure
    seen_anew |= pc.not_equal(was["model"], model).to_numpy()
    return revised, (_differs(columns, was, rows, UPDATED) | seen_anew) & ~revised


def _stays(was: pa.Table, reason: Codes, stage: str) -> Bools:
    """Return where the stored decisions `was` stay, whatever reason the pass found."""
    if stage != CAUSAL:
        return np.zeros(len(was), bool)
    stays = pc.equal(was["stage"], RETRO).to_numpy()
    stays &= ~pc.is_in(was["reason"], NOT_CURRENT).to_numpy() & (reason < FIRST_NOT_CURRENT)
    return stays & pc.not_equal(was["verdict"], MOVED).to_numpy()


def current(
    stored: Stored, since: Mapping[str, str], series: pa.Table, stage: str
) -> tuple[pa.Table, Ints, pa.Table]:
    """Look up the current decisions of some persons.

    Returns them; (N,) the row of each reading of the series in them, -1 where there is none; and
    those (PLACED) whose reading is in another person's series now.
    """
    if not stored.has_assignments(list(since)):
        before = stored.current(since, stage)
        at = pc.index_in(series["measurement_id"], before["measurement_id"])
        return before, pc.fill_null(at, -1).to_numpy(), PLACED.empty_table()
    before = stored.current(since, stage, PLACED)
    whose, was_whose = (
        pc.binary_join_element_wise(table["measurement_id"], table["user_id"], " ")
        for table in (series, before)
    )
    in_place = pc.or_(pc.is_in(was_whose, whose), pc.equal(before["verdict"], MOVED))
    # Of the others the series holds only what comes after a state.
    entire = pa.array([user for user, day in since.items() if not day], pa.string())
    in_place = pc.or_(in_place, pc.invert(pc.is_in(before["user_id"], entire)))
    at = pc.fill_null(pc.index_in(whose, was_whose), -1)
    return before, at.to_numpy(), before.filter(pc.invert(in_place))


def with_moves(
    versions: Rows, gone: pa.Table, user_ids: Sequence[str], stage: str, model: str
) -> Rows:
    """Add the last versions of readings that are in another person's series now."""
    columns: dict[str, Any] = {
        **{name: gone[name] for name in (*KEY, "received_user")},
        "version": pc.add(gone["version"], 1),
        "verdict": pa.array([MOVED] * len(gone)),
        "reason": pa.array(["override"] * len(gone)),
    }
    ends = pa.table(columns)
    rows = int(versions.indptr[-1])
    arrays = {
        name: value if isinstance(value, pa.Array) else pa.array(np.broadcast_to(value, rows))
        for name, value in versions.columns.items()
    }
    if rows:
        ends = pa.concat_tables([pa.table(arrays), ends], promote_options="default")
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
        "p_reason": filtered.p_reason,
        "second_reason": REASONS.take(
            pa.array(filtered.second_reason, mask=filtered.second_reason < 0)
        ),
        "p_second": filtered.p_second,
        "p_valid": filtered.p_valid,
        "expected_kg": filtered.expected,
        "expected_margin_kg": (filtered.expected_hi - filtered.expected_lo) / 2,
        "level_kg": filtered.level,
        "level_margin_kg": (filtered.level_hi - filtered.level_lo) / 2,
        "trend_kg_per_week": filtered.trend,
        "change_28d_kg": filtered.change_28d,
        "change_28d_margin_kg": (filtered.change_28d_hi - filtered.change_28d_lo) / 2,
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
    """Return where any of the named columns has changed; empty equals empty."""
    different = np.zeros(len(rows), bool)
    for name in names:
        column = columns[name]
        if isinstance(column, pa.Array):
            now, before = column.take(pa.array(rows)), was[name]
            different |= pc.not_equal(pc.fill_null(now, ""), pc.fill_null(before, "")).to_numpy()
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
    """Return (U,) the value at each person's last reading that is data; NaN where there is none."""
    user, users = readings.user, len(readings.user_ids)
    if readings.data is not None:
        values, user = values[readings.data], user[readings.data]
    last = np.searchsorted(user, np.arange(users), side="right") - 1
    found = np.full(users, np.nan)
    present = np.bincount(user, minlength=users) > 0
    found[present] = values[last[present]]
    return found
