"""Which error a rejected reading is, with what only the whole series can say. Compiled."""

import math

from weightstream.engine.calendar import other_dates
from weightstream.engine.compiled import jit
from weightstream.engine.filter import name as write_name
from weightstream.engine.housemates import tell_other_persons
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
from weightstream.engine.model import POUNDS_SHARE, WHOLE_NUMBERS
from weightstream.engine.process import scatter, size, small
from weightstream.engine.records import Records
from weightstream.engine.retro import Series

MISSING = -1
UNIT_READINGS = 4.0  # after which a person's own habits of writing count as much as others'
MOST_WHOLE = 0.9  # of a source's numbers: nobody knows that it always rounds
BESIDE_RATE = 0.6  # how often an error of one kind has one of the same kind beside it
UNLINKED = -2  # as NEXT: a rejected reading that is in no chain yet


@jit
def nearest(readings: Records, first: int, last: int, wanted: float) -> int:
    """Row of first:last, sorted by day, whose day is nearest."""
    low, high = first, last - 1
    while low < high:
        middle = (low + high) // 2
        if readings[middle].day < wanted:
            low = middle + 1
        else:
            high = middle
    if low > first and wanted - readings[low - 1].day < readings[low].day - wanted:
        return low - 1
    return low


@jit
def on_other_day(x: Series, i: int, first: int, last: int) -> float:
    """Density of reading i as the right value of a day that is easily written for its own."""
    total = 0.0
    count = 0
    w, s, p = x.work[i - first], x.k.table[x.k.readings[i].source], x.k.p[0]
    dates = other_dates(x.k.readings[i].day)
    for at in range(3):
        day = dates[at]
        if math.isnan(day) or day < x.k.readings[first].day or day > x.k.readings[last - 1].day:
            continue
        count += 1
        row = nearest(x.k.readings, first, last, day)
        level = x.out[row].level
        if math.isnan(level):  # of a series in which nothing is valid
            continue
        gap = abs(x.k.readings[row].day - day)
        moved = size(level) * p.scale * gap * (p.level_noise + p.trend_var * gap)
        noise = (w.noise + p.water_var * p.scale) * scatter(level) ** 2
        mean = w.factor * level + w.offset * small(level)
        total += normal(x.k.readings[i].weight - mean, x.out[row].level_sd ** 2 + moved + noise)
    return s.rate[WRONG_DATE] * total / count if count > 0 else 0.0


@jit
def weigh_errors(x: Series, i: int, first: int, last: int) -> None:
    """Prior times density of each error at a rejected reading by itself."""
    w, s, p = x.work[i - first], x.k.table[x.k.readings[i].source], x.k.p[0]
    p.age = x.k.readings[i].day - p.born
    explain(x.k.readings[i].weight, w.loo, w.loo_var, s, p, x.k.errors)
    if w.copy_of >= 0.0:
        x.k.errors[REPEAT].density = COPY_RATE / LATTICE_KG
    x.k.errors[WRONG_DATE].density = on_other_day(x, i, first, last)


@jit
def raised(x: Series, i: int, row: int, first: int) -> None:
    """Raise the density of the kind of error that the source's row beside reading i is."""
    w = x.work[row - first]
    kind = int(w.kind)
    if kind > 0:
        rate = x.k.table[x.k.readings[i].source].rate[kind]
        x.k.errors[kind].density *= 1.0 + BESIDE_RATE * w.sure / rate


@jit
def weigh_in_chain(x: Series, i: int, first: int, last: int) -> float:
    """Weigh errors at a rejected reading, in view of rejected ones beside it; returns the sum."""
    weigh_errors(x, i, first, last)
    before, after = int(x.work[i - first].back), int(x.work[i - first].next)
    if before >= 0 and x.work[i - first].beside == 1.0:
        raised(x, i, before, first)
    if after >= 0 and x.work[after - first].beside == 1.0:
        raised(x, i, after, first)
    return sum_of(x.k.errors)


@jit
def sum_of(errors: Records) -> float:
    total = 0.0
    for reason in range(1, REASON_COUNT):
        total += errors[reason].density
    return total


@jit
def learn_unit(x: Series, first: int, last: int) -> None:
    """How often this person types in pounds, by the decimals of accepted readings."""
    pounds, told = UNIT_READINGS * POUNDS_SHARE, UNIT_READINGS
    for i in range(first, last):
        if x.out[i].accepted:
            ratio = pounds_ratio(x.k.readings[i].weight)
            pounds += ratio > 1.0
            told += ratio > 1.0 or ratio == 0.0
    x.k.p[0].pounds = pounds / told


@jit
def learn_rounding(x: Series, head: int, first: int, last: int) -> None:
    """How often this person's source shows whole numbers, by its accepted readings."""
    whole, told = UNIT_READINGS * WHOLE_NUMBERS, UNIT_READINGS
    for i in range(first, last):
        if x.out[i].accepted and x.k.readings[i].source == x.k.readings[head].source:
            kg = x.k.readings[i].weight
            whole += shows(kg, STATED) or shows(kg / LB, 0.1 * CONVERTED)
            told += 1.0
    x.k.p[0].wholes = min(whole / told, MOST_WHOLE)


@jit
def name_chain(x: Series, head: int, first: int, last: int) -> None:
    """Name the rejected readings of one source, by what they are together."""
    learn_rounding(x, head, first, last)
    i = head
    while i >= 0:
        w = x.work[i - first]
        weigh_errors(x, i, first, last)
        kind = likeliest(x.k.errors)
        w.kind = kind if kind <= HUNDREDS_OFF else 0.0
        w.sure = x.k.errors[kind].density / sum_of(x.k.errors)
        i = int(w.next)
    i = head
    while i >= 0:
        w = x.work[i - first]
        w.rest = weigh_in_chain(x, i, first, last) - x.k.errors[OTHER_PERSON].density
        w.alone = w.other = x.k.errors[OTHER_PERSON].density
        w.who = w.near = w.often = 0.0
        x.k.errors[OTHER_PERSON].density = 0.0
        reason = likeliest(x.k.errors)
        w.named = 0.0 if reason == OUTLIER else x.k.errors[reason].density
        i = int(w.next)
    tell_other_persons(x, head, first)
    i = head
    while i >= 0:
        w = x.work[i - first]
        weigh_in_chain(x, i, first, last)
        x.k.errors[OTHER_PERSON].density = w.other
        name_reading(x, i)
        i = int(w.next)


@jit
def chain(x: Series, head: int, first: int, last: int) -> None:
    """Link the rejected rows of the head's source from there on by NEXT and BACK.

    BESIDE: 1 where no other reading of the source lies between a row and the one before.
    """
    end = -1
    beside = False
    for i in range(head, last):
        if x.k.readings[i].source != x.k.readings[head].source:
            continue
        w = x.work[i - first]
        if w.next == UNLINKED:
            w.next, w.back, w.beside = MISSING, end, beside
            if end >= 0:
                x.work[end - first].next = i
            end, beside = i, True
        else:
            beside = False


@jit
def name_rejected(x: Series, first: int, last: int) -> None:
    """Reasons and suggestions of rejected readings, with what only the whole series can say.

    Those on which a person has decided keep their reason and tell nothing about others.
    """
    for i in range(first, last):
        asked = not x.out[i].accepted and x.k.readings[i].forced == 0
        x.work[i - first].next = UNLINKED if asked else MISSING
    learn_unit(x, first, last)
    for head in range(first, last):
        if x.work[head - first].next == UNLINKED:
            chain(x, head, first, last)
            name_chain(x, head, first, last)


@jit
def name_reading(x: Series, i: int) -> None:
    """Name reading i by the densities that stand, and count what it may be."""
    total = sum_of(x.k.errors)
    for reason in range(1, REASON_COUNT):
        x.tally[x.k.readings[i].source, reason] += x.k.errors[reason].density / total
    x.out[i].reason = write_name(x.out[i], x.k.errors)
