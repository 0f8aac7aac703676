"""The engine: judge each reading and estimate the weight behind them, person by person."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weightstream.batch import UserBatch
from weightstream.engine import filter as causal
from weightstream.engine import smoother
from weightstream.engine.change import CHANGE_DAYS, changes
from weightstream.engine.fingerprint import LAYOUT as STATE_LAYOUT
from weightstream.engine.fingerprint import fingerprint
from weightstream.engine.model import Model, build_model
from weightstream.engine.records import READING, ROW, Records
from weightstream.engine.state import STATE_SIZE, state_day
from weightstream.errors import BatchError
from weightstream.schema import REASONS, Z95
from weightstream.types import Bools, Codes, Floats, Ints

__all__ = [
    "CHANGE_DAYS",
    "STATE_LAYOUT",
    "STATE_SIZE",
    "Filtered",
    "Model",
    "build_model",
    "filter_batch",
    "fingerprint",
    "smooth_batch",
    "state_day",
]

SCALE_SD_KG = 0.2
"""Scales of one kind differ from person to person; nobody can see it from the one that there is."""


@dataclass(frozen=True)
class Filtered:
    """What the causal engine says of N readings of U persons. kg unless named otherwise.

    (N,) float64; NaN where nothing precedes or it does not apply: p_valid (probability that the
    reading is valid), expected and its 95 % interval (made without the reading), level and its
    95 % interval (slow weight, with this reading if accepted), trend (kg a week), suggested.
    accepted: (N,) bool. reason: (N,) int8, index into schema.REASONS.
    state: (U, STATE_SIZE) float64, after the last reading before those on which later readings can
    still change the decision; all NaN where there is none, and the whole series has to be filtered
    again.
    shift_user (index into U), shift_row (index into N, where the new level starts): (K,) int64.
    shift_from, shift_to: (K,) float64, level before and after.
    p_reason: (N,) posterior of the reason among all errors that a rejected reading may be;
    second_reason, p_second: the next one, -1 and NaN where there is none. log_density: (N,) of each
    reading by all before it (causal only).
    change_28d and its 95 % interval: (N,) kg by which the level has changed over the 28 days before
    a reading; NaN where the series is shorter.
    """

    p_valid: Floats
    expected: Floats
    expected_lo: Floats
    expected_hi: Floats
    level: Floats
    level_lo: Floats
    level_hi: Floats
    trend: Floats
    suggested: Floats
    accepted: Bools
    reason: Codes
    state: Floats
    shift_user: Ints
    shift_row: Ints
    shift_from: Floats
    shift_to: Floats
    p_reason: Floats
    second_reason: Codes
    p_second: Floats
    log_density: Floats
    change_28d: Floats
    change_28d_lo: Floats
    change_28d_hi: Floats


def filter_batch(
    batch: UserBatch, model: Model, start: Floats | None = None, engine: str = "compiled"
) -> Filtered:
    """Predict each reading from the ones before it, person by person, and decide on it.

    start: (U, STATE_SIZE) float64, states after an earlier part of the series, whose last reading
    state_day tells; a row of NaN is a new person; None: all are new. To go on from a state gives
    bit for bit what one pass gives, but for change_28d. engine: "compiled", or "pykalman", the slow
    reference. Raises BatchError if a person's times go backwards, a day is not finite, a weight is
    not a positive number, or the batch and the model name other sources. Formulas: docs/judging.md.
    """
    _check(batch, model)
    rows, users = len(batch.day), len(batch.user_ids)
    out = np.empty(rows, ROW)
    state = np.empty((users, STATE_SIZE))
    scale = np.empty(users)
    run = causal.filter_kernel if engine == "compiled" else _reference()[0]
    run(
        *series_of(batch),
        model.process,
        model.table,
        np.full((users, STATE_SIZE), np.nan) if start is None else start,
        out,
        state,
        scale,
    )
    return _named(batch, model, out, out["level_sd"], state)


def smooth_batch(
    batch: UserBatch, model: Model, tally: Floats | None = None, engine: str = "compiled"
) -> Filtered:
    """Judge each reading by all others of its person, and smooth the level over the whole series.

    Returns what filter_batch does, with this meaning: expected and its interval from all other
    readings; level and trend from all accepted ones; state as filter_batch gives it.
    tally: (S, len(REASONS)) float64, to which the expected number of errors by source and reason
    is added. A function of the sorted series alone. engine: as of filter_batch. Raises BatchError
    as filter_batch does. Formulas: docs/judging.md, eq. 8-9.
    """
    rows, users = len(batch.day), len(batch.user_ids)
    _check(batch, model)
    out = np.empty(rows, ROW)
    state = np.full((users, STATE_SIZE), np.nan)
    series = series_of(batch)
    parameters = (model.process, model.table)
    start, scale = state.copy(), np.empty(users)
    run, retro = causal.filter_kernel, smoother.smooth_kernel
    if engine != "compiled":
        run, retro = _reference()
    run(*series, *parameters, start, out, state, scale)
    causal_sd = out["level_sd"].copy()
    if tally is None:
        tally = np.zeros((len(batch.sources), len(REASONS)))
    retro(*series, *parameters, out, tally, scale)
    return _named(batch, model, out, causal_sd, state)


def _check(batch: UserBatch, model: Model) -> None:
    if batch.sources != model.sources:
        raise BatchError("the batch and the model name different sources; build the model for it")
    faults = (
        (~np.isfinite(batch.day), "has no finite time"),
        (~(np.isfinite(batch.weight_kg) & (batch.weight_kg > 0)), "has no positive weight"),
        (np.isinf(batch.hour), "has an infinite hour"),
        (_backwards(batch), "comes before the one that it follows; sort by person and time"),
    )
    for fault, words in faults:
        if fault.any():
            raise BatchError(f"reading {int(np.argmax(fault))} of the batch {words}")


def measurable(kg: Floats) -> Floats:
    """Return weights within what arithmetic can square; beyond it a value is nonsense as it is."""
    return np.clip(kg, 1e-6, 1e6)


def series_of(batch: UserBatch) -> tuple[Ints, Floats, Codes, Records]:
    """Return a batch as the kernels take it: the bounds of persons, births, sex, readings."""
    readings = np.empty(len(batch.day), READING)
    readings["day"], readings["hour"] = batch.day, batch.hour
    readings["weight"], readings["source"] = measurable(batch.weight_kg), batch.source
    readings["forced"] = 0 if batch.forced is None else batch.forced
    return batch.indptr, batch.born, batch.sex, readings


def _backwards(batch: UserBatch) -> Bools:
    back = np.zeros(len(batch.day), np.bool_)
    back[1:] = np.diff(batch.day) < 0
    back[batch.indptr[:-1][np.diff(batch.indptr) > 0]] = False
    return back


def _named(
    batch: UserBatch, model: Model, out: Records, causal_sd: Floats, state: Floats
) -> Filtered:
    expected, level = out["mean"].copy(), out["level"].copy()
    around, about = Z95 * out["sd"], Z95 * np.hypot(out["level_sd"], SCALE_SD_KG)
    change, margin = changes(batch, level, out["level_sd"], causal_sd, model.usual)
    shift_row = np.flatnonzero(~np.isnan(out["shift_to"]))
    return Filtered(
        p_valid=out["p"].copy(),
        expected=expected,
        expected_lo=expected - around,
        expected_hi=expected + around,
        level=level,
        level_lo=level - about,
        level_hi=level + about,
        trend=out["trend"] * 7.0,
        suggested=out["suggested"].copy(),
        accepted=out["accepted"].copy(),
        reason=out["reason"].copy(),
        state=state,
        shift_user=np.searchsorted(batch.indptr, shift_row, side="right") - 1,
        shift_row=shift_row,
        shift_from=out["shift_from"][shift_row],
        shift_to=out["shift_to"][shift_row],
        p_reason=out["p_reason"].copy(),
        second_reason=np.nan_to_num(out["second"], nan=-1.0).astype(np.int8),
        p_second=out["p_second"].copy(),
        log_density=out["evidence"].copy(),
        change_28d=change,
        change_28d_lo=change - margin,
        change_28d_hi=change + margin,
    )


def _reference() -> tuple[Callable[..., None], Callable[..., None]]:
    """Loaded when asked for: pykalman brings SciPy, pandas and 60 MB with it."""
    from weightstream.engine.reference import filter_reference, smooth_reference

    return filter_reference, smooth_reference
