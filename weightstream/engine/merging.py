"""One weighing that comes through several apps: which readings only repeat another. Compiled."""

import math

from weightstream.engine.compiled import jit
from weightstream.engine.mixture import COPY_DAYS, COPY_KG, LB
from weightstream.engine.retro import COPY_OF, Series

SMALLEST_STEP_KG = 0.01


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
def has_source(k: Series, leader: int, i: int, first: int) -> bool:
    """Whether reading i's source already is among those of a weighing, told up to there."""
    found = k.source[leader] == k.source[i]
    for n in range(leader + 1, i):
        found = found or (k.work[n - first, COPY_OF] == leader and k.source[n] == k.source[i])
    return found


@jit
def mark_copies(k: Series, first: int, last: int) -> None:
    """Put the first reading of the weighing that each one repeats into COPY_OF; -1: none.

    From another source, within two minutes, the same weight; a source repeats no weighing that it
    has told itself. Days without an hour repeat days without an hour. What a person said of a
    reading makes it one of its own.
    """
    for i in range(first, last):
        k.work[i - first, COPY_OF] = -1.0
        dated = math.isnan(k.hour[i])
        n = i - 1
        while n >= first and k.day[i] - k.day[n] <= COPY_DAYS and k.forced[i] == 0:
            leads = k.work[n - first, COPY_OF] < 0.0 and math.isnan(k.hour[n]) == dated
            if leads and same_weight(k.weight[n], k.weight[i]) and not has_source(k, n, i, first):
                k.work[i - first, COPY_OF] = n
                break
            n -= 1
