"""Which error a rejected reading is, with what only the whole series can say. Compiled."""

import math

from weightstream.batch import Floats
from weightstream.engine.calendar import other_dates
from weightstream.engine.compiled import jit
from weightstream.engine.kernel import LEVEL, LEVEL_SD, SUGGESTED
from weightstream.engine.mixture import (
    COPY_RATE,
    LATTICE_KG,
    OTHER_PERSON,
    OUTLIER,
    REASON_COUNT,
    REPEAT,
    WRONG_DATE,
    explain,
    likeliest,
    normal,
)
from weightstream.engine.model import LEVEL_NOISE, RATE, TREND_VAR, WATER_VAR
from weightstream.engine.retro import (
    ALONE,
    COPY_OF,
    FACTOR,
    LOO,
    LOO_VAR,
    MISSING,
    NAMED,
    NOISE,
    OFFSET,
    OTHER,
    REST,
    WHO,
    Series,
)

STRANGERS = 0.25  # another person who comes is a stranger as if so many had come before
SAME_PERSON_KG = 3.0  # how far two readings of one other person are apart, over months
NEIGHBOURS = 30  # rejected readings of the source looked at on each side for that person
TURNS = 8


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
def weigh_errors(k: Series, i: int, first: int, last: int) -> float:
    """Prior times density of each error at a rejected reading by itself; returns the sum."""
    w, s = k.work[i - first], k.table[k.source[i]]
    explain(k.weight[i], w[LOO], w[LOO_VAR] + w[NOISE], s, k.p, k.density, k.undone)
    if w[COPY_OF] >= 0.0:
        k.density[REPEAT] = COPY_RATE / LATTICE_KG
    k.density[WRONG_DATE] = on_other_day(k, i, first, last)
    total = 0.0
    for reason in range(1, REASON_COUNT):
        total += k.density[reason]
    return total


@jit
def of_another(k: Series, i: int, first: int, last: int) -> float:
    """Density of a rejected reading as another person's, given who else was on that scale.

    Another person is one who was there before or after, the likelier the more often they were
    (a Chinese restaurant), or a stranger. How often each reading was, is in WHO.
    """
    near, often = 0.0, 0.0
    for way in range(-1, 2, 2):
        n, seen = i + way, 0
        while first <= n < last and seen < NEIGHBOURS:
            if not k.accepted[n] and k.source[n] == k.source[i]:
                seen += 1
                who = k.work[n - first, WHO]
                if who > 0.0:
                    often += who
                    near += who * normal(k.weight[i] - k.weight[n], SAME_PERSON_KG**2)
            n += way
    rate = k.table[k.source[i], RATE + OTHER_PERSON]
    return (STRANGERS * k.work[i - first, ALONE] + rate * near) / (STRANGERS + often)


@jit
def name_rejected(k: Series, first: int, last: int) -> None:
    """Reasons and suggestions of rejected readings, with what only the whole series can say.

    Readings that a named error explains best tell nothing about who else is on the scale. Nor do
    those on which a person has decided; they keep their reason.
    """
    for i in range(first, last):
        w = k.work[i - first]
        w[WHO], w[REST] = 0.0, MISSING
        if not k.accepted[i] and k.forced[i] == 0:
            w[REST] = weigh_errors(k, i, first, last) - k.density[OTHER_PERSON]
            w[ALONE] = w[OTHER] = k.density[OTHER_PERSON]
            k.density[OTHER_PERSON] = 0.0
            reason = likeliest(k.density)
            w[NAMED] = 0.0 if reason == OUTLIER else k.density[reason]
    for _ in range(TURNS):
        for i in range(first, last):
            w = k.work[i - first]
            if w[REST] != MISSING:
                w[OTHER] = of_another(k, i, first, last)
                w[WHO] = w[OTHER] / (w[OTHER] + w[REST]) if w[OTHER] >= w[NAMED] else 0.0
    for i in range(first, last):
        if k.work[i - first, REST] != MISSING:
            weigh_errors(k, i, first, last)
            k.density[OTHER_PERSON] = k.work[i - first, OTHER]
            name(k, i)


@jit
def name(k: Series, i: int) -> None:
    """Name reading i by the densities that stand, and count what it may be."""
    total = 0.0
    for reason in range(1, REASON_COUNT):
        total += k.density[reason]
    for reason in range(1, REASON_COUNT):
        k.tally[k.source[i], reason] += k.density[reason] / total
    k.reason[i] = likeliest(k.density)
    k.out[i, SUGGESTED] = k.undone[k.reason[i]]
