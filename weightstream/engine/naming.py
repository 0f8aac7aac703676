"""Which error a rejected reading is, with what only the whole series can say. Compiled."""

import math

from weightstream.batch import Floats
from weightstream.engine.calendar import other_dates
from weightstream.engine.compiled import jit
from weightstream.engine.housemates import tell_other_persons
from weightstream.engine.kernel import LEVEL, LEVEL_SD, SUGGESTED
from weightstream.engine.mixture import (
    CONVERTED,
    COPY_RATE,
    HUNDREDS_OFF,
    LATTICE_KG,
    LB,
    OTHER_PERSON,
    OUTLIER,
    REASON_COUNT,
    REPEAT,
    STATED,
    WRONG_DATE,
    explain,
    likeliest,
    normal,
    pounds_ratio,
    shows,
)
from weightstream.engine.model import (
    BURST,
    LEVEL_NOISE,
    POUNDS,
    POUNDS_SHARE,
    RATE,
    TREND_VAR,
    WATER_VAR,
    WHOLE_NUMBERS,
    WHOLES,
)
from weightstream.engine.retro import (
    ALONE,
    BACK,
    BESIDE,
    COPY_OF,
    FACTOR,
    KIND,
    LOO,
    LOO_VAR,
    MISSING,
    NAMED,
    NEAR,
    NEXT,
    NOISE,
    OFFSET,
    OFTEN,
    OTHER,
    REST,
    SURE,
    WHO,
    Series,
)

UNIT_READINGS = 4.0  # after which a person's own habits of writing count as much as others'
MOST_WHOLE = 0.9  # of a source's numbers: nobody knows that it always rounds
UNLINKED = -2.0  # as NEXT: a rejected reading that is in no chain yet


@jit
def nearest(day: Floats, first: int, last: int, wanted: float) -> int:
    """Row of first:last, sorted by day, whose day is nearest."""
    low, high = first, last - 1
    while low < high:
        middle = (low + high) // 2
        if day[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > first and wanted - day[low - 1] < day[low] - wanted else low


@jit
def on_other_day(k: Series, i: int, first: int, last: int) -> float:
    """Density of reading i as the right value of a day that is easily written for its own."""
    total = 0.0
    count = 0
    w, s = k.work[i - first], k.table[k.source[i]]
    dates = other_dates(k.day[i])
    for at in range(3):
        day = dates[at]
        if math.isnan(day) or day < k.day[first] or day > k.day[last - 1]:
            continue
        count += 1
        row = nearest(k.day, first, last, day)
        gap = abs(k.day[row] - day)
        v = k.out[row, LEVEL_SD] ** 2 + gap * (k.p[LEVEL_NOISE] + k.p[TREND_VAR] * gap)
        mean = w[FACTOR] * k.out[row, LEVEL] + w[OFFSET]
        total += normal(k.weight[i] - mean, v + w[NOISE] + k.p[WATER_VAR])
    return s[RATE + WRONG_DATE] * total / count if count > 0 else 0.0


@jit
def weigh_errors(k: Series, i: int, first: int, last: int) -> None:
    """Prior times density of each error at a rejected reading by itself."""
    w, s = k.work[i - first], k.table[k.source[i]]
    explain(k.weight[i], w[LOO], w[LOO_VAR] + w[NOISE], s, k.p, k.density, k.undone)
    if w[COPY_OF] >= 0.0:
        k.density[REPEAT] = COPY_RATE / LATTICE_KG
    k.density[WRONG_DATE] = on_other_day(k, i, first, last)


@jit
def raised(k: Series, i: int, row: int, first: int) -> None:
    """Raise the density of the kind of error that the source's row beside reading i is (eq. 6)."""
    w = k.work[row - first]
    kind = int(w[KIND])
    if kind > 0:
        rate = k.table[k.source[i], RATE + kind]
        k.density[kind] *= 1.0 + k.p[BURST] * w[SURE] / rate


@jit
def weigh_in_chain(k: Series, i: int, first: int, last: int) -> float:
    """Weigh errors at a rejected reading, in view of rejected ones beside it; returns the sum."""
    weigh_errors(k, i, first, last)
    before, after = int(k.work[i - first, BACK]), int(k.work[i - first, NEXT])
    if before >= 0 and k.work[i - first, BESIDE] == 1.0:
        raised(k, i, before, first)
    if after >= 0 and k.work[after - first, BESIDE] == 1.0:
        raised(k, i, after, first)
    return sum_of(k.density)


@jit
def sum_of(density: Floats) -> float:
    total = 0.0
    for reason in range(1, REASON_COUNT):
        total += density[reason]
    return total


@jit
def learn_unit(k: Series, first: int, last: int) -> None:
    """How often this person types in pounds, by the decimals of accepted readings."""
    pounds, told = UNIT_READINGS * POUNDS_SHARE, UNIT_READINGS
    for i in range(first, last):
        if k.accepted[i]:
            ratio = pounds_ratio(k.weight[i])
            pounds += ratio > 1.0
            told += ratio > 1.0 or ratio == 0.0
    k.p[POUNDS] = pounds / told


@jit
def learn_rounding(k: Series, head: int, first: int, last: int) -> None:
    """How often this person's source shows whole numbers, by its accepted readings."""
    whole, told = UNIT_READINGS * WHOLE_NUMBERS, UNIT_READINGS
    for i in range(first, last):
        if k.accepted[i] and k.source[i] == k.source[head]:
            whole += shows(k.weight[i], STATED) or shows(k.weight[i] / LB, 0.1 * CONVERTED)
            told += 1.0
    k.p[WHOLES] = min(whole / told, MOST_WHOLE)


@jit
def name_chain(k: Series, head: int, first: int, last: int) -> None:
    """Name the rejected readings of one source, by what they are together."""
    learn_rounding(k, head, first, last)
    i = head
    while i >= 0:
        w = k.work[i - first]
        weigh_errors(k, i, first, last)
        kind = likeliest(k.density)
        w[KIND] = kind if kind <= HUNDREDS_OFF else 0.0
        w[SURE] = k.density[kind] / sum_of(k.density)
        i = int(w[NEXT])
    i = head
    while i >= 0:
        w = k.work[i - first]
        w[REST] = weigh_in_chain(k, i, first, last) - k.density[OTHER_PERSON]
        w[ALONE] = w[OTHER] = k.density[OTHER_PERSON]
        w[WHO] = w[NEAR] = w[OFTEN] = 0.0
        k.density[OTHER_PERSON] = 0.0
        reason = likeliest(k.density)
        w[NAMED] = 0.0 if reason == OUTLIER else k.density[reason]
        i = int(w[NEXT])
    tell_other_persons(k, head, first)
    i = head
    while i >= 0:
        w = k.work[i - first]
        weigh_in_chain(k, i, first, last)
        k.density[OTHER_PERSON] = w[OTHER]
        name(k, i)
        i = int(w[NEXT])


@jit
def chain(k: Series, head: int, first: int, last: int) -> None:
    """Link the rejected rows of the head's source from there on by NEXT and BACK.

    BESIDE: 1 where no other reading of the source lies between a row and the one before.
    """
    end = -1
    beside = False
    for i in range(head, last):
        if k.source[i] != k.source[head]:
            continue
        w = k.work[i - first]
        if w[NEXT] == UNLINKED:
            w[NEXT], w[BACK], w[BESIDE] = MISSING, end, beside
            if end >= 0:
                k.work[end - first, NEXT] = i
            end, beside = i, True
        else:
            beside = False


@jit
def name_rejected(k: Series, first: int, last: int) -> None:
    """Reasons and suggestions of rejected readings, with what only the whole series can say.

    Those on which a person has decided keep their reason and tell nothing about others.
    """
    for i in range(first, last):
        asked = not k.accepted[i] and k.forced[i] == 0
        k.work[i - first, NEXT] = UNLINKED if asked else MISSING
    learn_unit(k, first, last)
    for head in range(first, last):
        if k.work[head - first, NEXT] == UNLINKED:
            chain(k, head, first, last)
            name_chain(k, head, first, last)


@jit
def name(k: Series, i: int) -> None:
    """Name reading i by the densities that stand, and count what it may be."""
    total = sum_of(k.density)
    for reason in range(1, REASON_COUNT):
        k.tally[k.source[i], reason] += k.density[reason] / total
    k.reason[i] = likeliest(k.density)
    k.out[i, SUGGESTED] = k.undone[k.reason[i]]
