"""Who else is on a scale: other persons who come again among one source's errors. Compiled.

Formulas: docs/judging.md, eq. 7a.
"""

import math

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.engine.densities import odds_to_p
from weightstream.engine.mixture import OTHER_PERSON, normal
from weightstream.engine.model import RATE
from weightstream.engine.retro import (
    ALONE,
    BACK,
    NAMED,
    NEAR,
    NEXT,
    OFTEN,
    OTHER,
    REST,
    WHO,
    Series,
)

STRANGERS = 0.25  # another person who comes is a stranger as if so many had come before
SAME_PERSON_KG = 3.0  # how far two readings of one other person are apart, over months
NEIGHBOURS = 30  # rejected readings of the source looked at on each side for that person
TURNS = 5
GUESTS_ODDS = math.log(4.0)  # that others on a scale come again, before it is seen


@jit
def who_besides(n: Floats, rate: float, alike: float, i: float) -> float:
    """How often the reading of row n is another person's, by all but one reading.

    n: work row. alike: density of the two as one person's. i: how often that other reading is
    another person's; what it said of n is taken out, or each would hear its own echo.
    """
    near, often = max(n[NEAR] - i * alike, 0.0), max(n[OFTEN] - i, 0.0)
    other = (STRANGERS * n[ALONE] + rate * near) / (STRANGERS + often)
    return other / (other + n[REST]) if other >= n[NAMED] else 0.0


@jit
def of_another(k: Series, i: int, first: int) -> float:
    """Density of a rejected reading as another person's, given who else was on that scale.

    Another person is one who was there before or after, the likelier the more often they were
    (a Chinese restaurant), or a stranger. How often each reading was, is in WHO.
    """
    w = k.work[i - first]
    rate = k.table[k.source[i], RATE + OTHER_PERSON]
    near, often = 0.0, 0.0
    for way in (NEXT, BACK):
        n, seen = int(w[way]), 0
        while n >= 0 and seen < NEIGHBOURS:
            seen += 1
            other = k.work[n - first]
            if other[WHO] > 0.0:
                alike = normal(k.weight[i] - k.weight[n], SAME_PERSON_KG**2)
                who = who_besides(other, rate, alike, w[WHO])
                often += who
                near += who * alike
            n = int(other[way])
    w[NEAR], w[OFTEN] = near, often
    return (STRANGERS * w[ALONE] + rate * near) / (STRANGERS + often)


@jit
def case_for_guests(w: Floats) -> float:
    """Log odds that a reading gives to others who come again, against strangers each time.

    Half of it: of two that agree, each counts the other.
    """
    by_guests, by_strangers = w[REST] + w[OTHER], w[REST] + w[ALONE]
    return 0.5 * math.log(by_guests / by_strangers) if by_guests > 0.0 < by_strangers else 0.0


@jit
def tell_other_persons(k: Series, head: int, first: int) -> None:
    """OTHER: the density of each rejected reading of a chain as another person's, given all.

    Others come again, or they are strangers each time; the chain tells which.
    """
    for _ in range(TURNS):
        i = head
        while i >= 0:
            w = k.work[i - first]
            w[OTHER] = of_another(k, i, first)
            w[WHO] = w[OTHER] / (w[OTHER] + w[REST]) if w[OTHER] >= w[NAMED] else 0.0
            i = int(w[NEXT])
    odds = GUESTS_ODDS
    i = head
    while i >= 0:
        odds += case_for_guests(k.work[i - first])
        i = int(k.work[i - first, NEXT])
    i = head
    while i >= 0:
        w = k.work[i - first]
        guests = odds_to_p(odds - case_for_guests(w))
        w[OTHER] = guests * w[OTHER] + (1.0 - guests) * w[ALONE]
        i = int(w[NEXT])
