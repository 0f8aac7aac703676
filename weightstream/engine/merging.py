"""One weighing that comes through several apps: which readings only repeat another. Compiled."""

import math

from weightstream.engine.compiled import jit
from weightstream.engine.mixture import COPY_DAYS, COPY_KG, LB
from weightstream.engine.retro import Series

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
def has_source(x: Series, leader: int, i: int, first: int) -> bool:
    """Whether reading i's source already is among those of a weighing, told up to there."""
    found = x.k.source[leader] == x.k.source[i]
    for n in range(leader + 1, i):
        found = found or (x.work[n - first].copy_of == leader and x.k.source[n] == x.k.source[i])
    return found


@jit
def mark_copies(x: Series, first: int, last: int) -> None:
    """Put the first reading of the weighing that each one repeats into COPY_OF; -1: none.

    From another source, within two minutes, the same weight; a source repeats no weighing that it
    has told itself. Days without an hour repeat days without an hour. What a person said of a
    reading makes it one of its own.
    """
    for i in range(first, last):
        x.work[i - first].copy_of = -1
        dated = math.isnan(x.k.hour[i])
        n = i - 1
        while n >= first and x.k.day[i] - x.k.day[n] <= COPY_DAYS and x.k.forced[i] == 0:
            leads = x.work[n - first].copy_of < 0 and math.isnan(x.k.hour[n]) == dated
            if (
                leads
                and same_weight(x.k.weight[n], x.k.weight[i])
                and not has_source(x, n, i, first)
            ):
                x.work[i - first].copy_of = n
                break
            n -= 1
