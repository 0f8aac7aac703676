"""One weighing that is told several times: which readings only repeat another. Compiled."""

import math

from weightstream.engine.compiled import jit
from weightstream.engine.mixture import COPY_DAYS, COPY_KG, LB
from weightstream.engine.retro import Series

SMALLEST_STEP_KG = 0.01
MINUTE_DAYS, SECOND_DAYS = 1.0 / 1440.0, 1.0 / 86_400.0
SAME_DAYS = 1e-3 * SECOND_DAYS
"""So near to each other are floats of one time."""
QUARTER_DAYS, MOST_ZONES = 15.0 / 1440.0, 4 * 14 + 0.5
ZONE_DAYS = MOST_ZONES * QUARTER_DAYS
"""Timezones lie whole quarters of an hour apart, and no more than 14 hours from UTC."""
MOST_BACK = 200
"""Readings before one that are looked at."""


@jit
def shown_step(kg: float) -> float:
    """The step that a number was rounded to: a tenth of a kg, a tenth of a pound, or finer."""
    for step in (0.1, 0.1 * LB):
        if abs(kg / step - round(kg / step)) < 1e-4:
            return step
    return SMALLEST_STEP_KG


@jit
def same_weight(a: float, b: float) -> bool:
    """Whether two numbers may be one weight, each rounded to its own step."""
    if abs(a - b) <= COPY_KG:
        return True
    step, other = shown_step(a), shown_step(b)
    return step != other and abs(a - b) <= 0.5 * (step + other) + 1e-6


@jit
def one_clock(a: float, b: float) -> bool:
    """Whether two times may be one, told to the minute or second and told more finely.

    a <= b, in days. The coarser one is a whole minute (second) that the finer one was cut off or
    rounded to. Two times that are equally fine are one only if they are equal.
    """
    if b - a < SAME_DAYS:
        return True
    for unit in (MINUTE_DAYS, SECOND_DAYS):
        whole_a = abs(a / unit - round(a / unit)) * unit < SAME_DAYS
        whole_b = abs(b / unit - round(b / unit)) * unit < SAME_DAYS
        if whole_a != whole_b:
            return b - a < (unit if whole_a else 0.5 * unit) - SAME_DAYS
    return False


@jit
def retimed(a: float, b: float) -> bool:
    """Whether two times may be one, told in two timezones: to the second, apart by whole quarters.

    a <= b, in days. Of two weighings of a day one pair in 900 lies so. Whole minutes prove nothing:
    many a clock shows no more.
    """
    apart = (b - a) / QUARTER_DAYS
    whole = abs(a / MINUTE_DAYS - round(a / MINUTE_DAYS)) * MINUTE_DAYS < SAME_DAYS
    return (
        0.5 < apart < MOST_ZONES and abs(apart - round(apart)) * QUARTER_DAYS < SAME_DAYS
    ) and not whole


@jit
def one_time(a: float, b: float) -> bool:
    """Whether a source may have told two times of one weighing, a <= b in days."""
    return one_clock(a, b) or retimed(a, b)


@jit
def may_join(x: Series, leader: int, i: int, first: int) -> bool:
    """Whether reading i may be of the weighing that `leader` began, told up to there.

    A source tells a weighing once; what it tells of it besides is the same in a coarser spelling.
    """
    for n in range(leader, i):
        of_it = n == leader or x.work[n - first].copy_of == leader
        if of_it and x.k.readings[n].source == x.k.readings[i].source:
            if not one_time(x.k.readings[n].day, x.k.readings[i].day):
                return False
            if not same_weight(x.k.readings[n].weight, x.k.readings[i].weight):
                return False
    return True


@jit
def mark_copies(x: Series, first: int, last: int) -> None:
    """Put the first reading of the weighing that each one repeats into COPY_OF; -1: none.

    The same weight within two minutes of any telling of that weighing: from another source, or
    from the same one in a coarser spelling; or as it is told in another timezone. Days without an
    hour repeat days without an hour. What a person said of a reading makes it one of its own.
    """
    for i in range(first, last):
        x.work[i - first].copy_of = -1
        dated = math.isnan(x.k.readings[i].hour)
        n, farthest = i - 1, max(first, i - MOST_BACK)
        while (
            n >= farthest
            and x.k.readings[i].day - x.k.readings[n].day <= ZONE_DAYS
            and x.k.readings[i].forced == 0
        ):
            leader = x.work[n - first].copy_of
            if leader < 0:
                leader = n
            near = x.k.readings[i].day - x.k.readings[n].day <= COPY_DAYS
            if (
                (near or retimed(x.k.readings[n].day, x.k.readings[i].day))
                and math.isnan(x.k.readings[n].hour) == dated
                and same_weight(x.k.readings[n].weight, x.k.readings[i].weight)
                and may_join(x, leader, i, first)
            ):
                x.work[i - first].copy_of = leader
                break
            n -= 1
