"""Which error a rejected reading is, with what only the whole series can say. Compiled."""

import math

from weightstream.batch import Floats, Ints
from weightstream.engine.calendar import other_dates
from weightstream.engine.compiled import jit
from weightstream.engine.kernel import LEVEL, LEVEL_SD, SUGGESTED
from weightstream.engine.mixture import (
    COPY_DAYS,
    COPY_KG,
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
from weightstream.engine.retro import FACTOR, LOO, LOO_VAR, NOISE, OFFSET, Series

CLUSTER_SHARE = 0.7  # of other people's readings: from one who comes again
CLUSTER_KG = 3.0
NEIGHBOURS = 30  # readings looked at on each side for one who comes again


@jit
def copies(day: Floats, weight: Floats, source: Ints, i: int, first: int) -> bool:
    """Whether reading i is the one before, come through another app."""
    return (
        i > first
        and source[i] != source[i - 1]
        and day[i] - day[i - 1] <= COPY_DAYS
        and abs(weight[i] - weight[i - 1]) <= COPY_KG
    )


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
def comes_again(k: Series, i: int, first: int, last: int) -> float:
    """Density of reading i as one who was on this scale at other times too; -1 without any."""
    total, count = 0.0, 0
    for way in range(-1, 2, 2):
        n, seen = i + way, 0
        while first <= n < last and seen < NEIGHBOURS:
            if not k.accepted[n] and k.source[n] == k.source[i]:
                seen += 1
                if k.reason[n] == OTHER_PERSON or k.reason[n] == OUTLIER:
                    count += 1
                    total += normal(k.weight[i] - k.weight[n], CLUSTER_KG**2)
            n += way
    return total / count if count > 0 else -1.0


@jit
def name(k: Series, i: int, first: int, last: int) -> None:
    """Reason and suggestion of a rejected reading, with what only the whole series can say."""
    w, s = k.work[i - first], k.table[k.source[i]]
    explain(k.weight[i], w[LOO], w[LOO_VAR] + w[NOISE], s, k.p, k.density, k.undone)
    if copies(k.day, k.weight, k.source, i, first):
        k.density[REPEAT] = COPY_RATE / LATTICE_KG
    again = comes_again(k, i, first, last)
    if again >= 0.0:
        rate = s[RATE + OTHER_PERSON]
        k.density[OTHER_PERSON] *= 1.0 - CLUSTER_SHARE
        k.density[OTHER_PERSON] += CLUSTER_SHARE * rate * again
    k.density[WRONG_DATE] = on_other_day(k, i, first, last)
    total = 0.0
    for reason in range(1, REASON_COUNT):
        total += k.density[reason]
    for reason in range(1, REASON_COUNT):
        k.tally[k.source[i], reason] += k.density[reason] / total
    k.reason[i] = likeliest(k.density)
    k.out[i, SUGGESTED] = k.undone[k.reason[i]]
