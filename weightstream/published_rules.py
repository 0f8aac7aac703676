"""Published rules for cleaning body weights, implemented by us without code of their authors.

Each takes a batch and returns a Judgement. If a rule gives no estimate of the underlying weight,
the level is the last value that it kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weightstream.batch import UserBatch
from weightstream.engine.compiled import shared
from weightstream.schema import REASONS
from weightstream.types import Bools, Floats, Ints

KG_PER_LB = 0.45359237


@dataclass(frozen=True)
class Judgement:
    """The result of a method for N readings. Floats are NaN if it gives none.

    expected, sd: prediction of the reading made without it. reason: index into schema.REASONS,
    0 if accepted, -1 if rejected without a name.
    """

    accepted: Bools
    level: Floats
    expected: Floats
    sd: Floats
    p_valid: Floats
    reason: Ints
    suggested: Floats


def judged(
    accepted: Bools, level: Floats, expected: Floats | None = None, sd: Floats | None = None
) -> Judgement:
    empty = np.full(len(accepted), np.nan)
    return Judgement(
        accepted=accepted,
        level=level,
        expected=empty if expected is None else expected,
        sd=empty if sd is None else sd,
        p_valid=empty,
        reason=np.where(accepted, 0, -1),
        suggested=empty,
    )


def range_check(batch: UserBatch) -> Judgement:
    """75-600 lb, the commonest limits among 62 VA studies (Evans 2022)."""
    kept = (batch.weight_kg >= 75 * KG_PER_LB) & (batch.weight_kg <= 600 * KG_PER_LB)
    return judged(kept, last_kept(batch.indptr, batch.weight_kg, kept))


def chan_raffa(batch: UserBatch) -> Judgement:
    """Chan & Raffa 2017: 50-750 lb, then within 3 SD of the person's mean (retrospective)."""
    kept = (batch.weight_kg >= 50 * KG_PER_LB) & (batch.weight_kg <= 750 * KG_PER_LB)
    for first, last in zip(batch.indptr[:-1], batch.indptr[1:], strict=True):
        own = kept[first:last]
        values = batch.weight_kg[first:last][own]
        if len(values) > 1:
            apart = np.abs(batch.weight_kg[first:last] - values.mean())
            own &= apart <= 3 * values.std(ddof=1)
    return judged(kept, last_kept(batch.indptr, batch.weight_kg, kept))


def median_deviation(batch: UserBatch) -> Judgement:
    """Modified z-score of at most 3.5 (Iglewicz & Hoaglin 1993) over the person's series."""
    kept = np.ones(len(batch.weight_kg), bool)
    for first, last in zip(batch.indptr[:-1], batch.indptr[1:], strict=True):
        values = batch.weight_kg[first:last]
        apart = np.abs(values - np.median(values))
        kept[first:last] = 0.6745 * apart <= 3.5 * np.median(apart)
    return judged(kept, last_kept(batch.indptr, batch.weight_kg, kept))


def ewma_growthcleanr(batch: UserBatch) -> Judgement:
    """In the manner of growthcleanr's adult algorithm (vignette, 2021; retrospective).

    20-500 kg; hundreds, pounds and swapped tens and units where the undone value fits the EWMA of
    the others (weights |days|^-5, 15 positions each way); then, worst first and again, what is
    more than 4 + 18 ln(1 + months to the nearer neighbour) kg from the EWMA and three quarters of
    that from the EWMA without either neighbour. Its height, carried-forward, same-day and error
    load steps are left out.
    """
    size = len(batch.weight_kg)
    kept, reason = np.ones(size, np.bool_), np.zeros(size, np.int64)
    level, empty = np.empty(size), np.full(size, np.nan)
    codes = np.array([REASONS.index(n) for n in ("hundreds_off", "unit_lb_as_kg", "digit_swap")])
    _ewma_rounds(batch.indptr, batch.day, batch.weight_kg, codes, kept, reason, level)
    return Judgement(kept, level, empty, empty, empty, reason, empty)


def ewma_trend(batch: UserBatch) -> Judgement:
    """The Hacker's Diet trend as in TrendWeight and Libra: 10 % a day, missing days interpolated.

    Neither has a gate. Ours: 20-500 kg; 5 % or 3 kg from the trend, whichever is more; three
    rejected values in a row within 3 kg of each other restart the trend.
    """
    kept, level = np.ones(len(batch.weight_kg), np.bool_), np.empty(len(batch.weight_kg))
    _trend(batch.indptr, batch.day, batch.weight_kg, kept, level)
    return judged(kept, level)


PUBLISHED: dict[str, Callable[[UserBatch], Judgement]] = {
    "range check": range_check,
    "Chan & Raffa 3 SD": chan_raffa,
    "MAD": median_deviation,
    "EWMA (growthcleanr)": ewma_growthcleanr,
    "EWMA trend + gate": ewma_trend,
}


@shared
def last_kept(indptr: Ints, kg: Floats, kept: Bools) -> Floats:
    level = np.empty(len(kg))
    for user in range(len(indptr) - 1):
        last = np.nan
        for row in range(indptr[user], indptr[user + 1]):
            if kept[row]:
                last = kg[row]
            level[row] = last
    return level


@shared
def _trend(indptr: Ints, day: Floats, kg: Floats, kept: Bools, level: Floats) -> None:
    for user in range(len(indptr) - 1):
        trend = before = last = np.nan
        away, lowest, highest = 0, 0.0, 0.0
        for row in range(indptr[user], indptr[user + 1]):
            level[row] = trend
            if kg[row] < 20.0 or kg[row] > 500.0:
                kept[row] = False
                continue
            if np.isnan(trend):
                trend = before = level[row] = kg[row]
                last = np.floor(day[row])
                continue
            days = np.floor(day[row]) - last
            if abs(kg[row] - trend) > max(3.0, 0.05 * trend):
                kept[row] = False
                lowest = kg[row] if away == 0 else min(lowest, kg[row])
                highest = kg[row] if away == 0 else max(highest, kg[row])
                away = 1 if highest - lowest > 3.0 else away + 1
                if away == 1:
                    lowest = highest = kg[row]
                if away < 3:
                    continue
                kept[row] = True
                trend = before = kg[row]
                days = 0
            for k in range(1, int(days) + 1):
                trend += 0.1 * (before + (kg[row] - before) * k / days - trend)
            away, before, last = 0, kg[row], np.floor(day[row])
            level[row] = trend


@shared
def _ewma(day: Floats, kg: Floats, kept: Bools, row: int, skip: int) -> float:
    """Return the EWMA of the others around `row`, up to 15 kept ones each way, without `skip`."""
    total = weights = 0.0
    for way in (-1, 1):
        at, seen = row + way, 0
        while 0 <= at < len(kg) and seen < 15:
            if kept[at]:
                apart = abs(np.floor(day[at]) - np.floor(day[row]))
                if at != skip and apart > 0:
                    weight = apart**-5.0
                    total += weight * kg[at]
                    weights += weight
                seen += 1
            at += way
    return total / weights if weights > 0 else np.nan


@shared
def _neighbour(kept: Bools, row: int, way: int) -> int:
    at = row + way
    while 0 <= at < len(kept) and not kept[at]:
        at += way
    return at


@shared
def _excess(day: Floats, kg: Floats, kept: Bools, row: int) -> float:
    """Return by how many kg a value is too far from its EWMA; negative if it is not."""
    off = kg[row] - _ewma(day, kg, kept, row, row)
    before, after = _neighbour(kept, row, -1), _neighbour(kept, row, 1)
    gap = np.inf
    if before >= 0:
        gap = day[row] - day[before]
    if after < len(kg):
        gap = min(gap, day[after] - day[row])
    if np.isnan(off) or np.isinf(gap):
        return -1.0
    allowed = 4.0 + 18.0 * np.log(1.0 + gap / 30.4375)
    without_before = abs(kg[row] - _ewma(day, kg, kept, row, before))
    without_after = abs(kg[row] - _ewma(day, kg, kept, row, after))
    if without_before <= 0.75 * allowed or without_after <= 0.75 * allowed:
        return -1.0
    return abs(off) - allowed


@shared
def _special_case(kg: float, around: float, codes: Ints) -> int:
    """Return the special case whose undone value is nearest to its neighbours, within 5 kg."""
    found, nearest = -1, 5.0
    for hundreds in (100.0, 200.0, 100 * KG_PER_LB, 200 * KG_PER_LB, 300 * KG_PER_LB):
        off = abs(abs(kg - around) - hundreds)
        if off < nearest:
            found, nearest = codes[0], off
    off = abs(kg * KG_PER_LB - around)
    if off < nearest:
        found, nearest = codes[1], off
    ones, tens = int(kg) % 10, int(kg) // 10 % 10
    off = abs(kg + 9.0 * (ones - tens) - around)
    if abs(ones - tens) >= 3 and off < nearest:
        found = codes[2]
    return found


@shared
def _ewma_rounds(
    indptr: Ints,
    day: Floats,
    kg: Floats,
    codes: Ints,
    kept: Bools,
    reason: Ints,
    level: Floats,
) -> None:
    for user in range(len(indptr) - 1):
        first, last = indptr[user], indptr[user + 1]
        days, values, keep = day[first:last], kg[first:last], kept[first:last]
        for row in range(last - first):
            keep[row] = 20.0 <= values[row] <= 500.0
            reason[first + row] = 0 if keep[row] else -1
        while True:
            worst, most = -1, 0.0
            for row in range(last - first):
                if keep[row]:
                    excess = _excess(days, values, keep, row)
                    if excess > most:
                        worst, most = row, excess
            if worst < 0:
                break
            around = _ewma(days, values, keep, worst, worst)
            reason[first + worst] = _special_case(values[worst], around, codes)
            keep[worst] = False
        for row in range(last - first):
            around = _ewma(days, values, keep, row, row)
            level[first + row] = values[row] if keep[row] else around
