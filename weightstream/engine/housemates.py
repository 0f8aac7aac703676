"""Who else is on a scale: other persons who come again among one source's errors. Compiled.

Formulas: docs/judging.md, eq. 7a.
"""

import math
from typing import Any

from weightstream.engine.compiled import jit
from weightstream.engine.densities import odds_to_p
from weightstream.engine.mixture import OTHER_PERSON, normal
from weightstream.engine.retro import Series

STRANGERS = 0.25  # another person who comes is a stranger as if so many had come before
SAME_PERSON_KG = 3.0  # how far two readings of one other person are apart, over months
NEIGHBOURS = 30  # rejected readings of the source looked at on each side for that person
TURNS = 5
GUESTS_ODDS = math.log(4.0)  # that others on a scale come again, before it is seen


@jit
def others_probability(n: Any, rate: float, alike: float, i: float) -> float:
    """How often the reading of row n is another person's, by all but one reading.

    n: work row. alike: density of the two as one person's. i: how often that other reading is
    another person's; what it said of n is taken out, or each would hear its own echo.
    """
    near, often = max(n.near - i * alike, 0.0), max(n.often - i, 0.0)
    other = (STRANGERS * n.alone + rate * near) / (STRANGERS + often)
    return other / (other + n.rest) if other >= n.named else 0.0


@jit
def of_another(x: Series, i: int, first: int) -> float:
    """Density of a rejected reading as another person's, given who else was on that scale.

    Another person is one who was there before or after, the likelier the more often they were
    (a Chinese restaurant), or a stranger. How often each reading was, is in WHO.
    """
    w = x.work[i - first]
    rate = x.k.table[x.k.readings[i].source].rate[OTHER_PERSON]
    near, often = 0.0, 0.0
    for way in range(2):
        n, seen = w.next if way == 0 else w.back, 0
        while n >= 0 and seen < NEIGHBOURS:
            seen += 1
            other = x.work[n - first]
            if other.who > 0.0:
                alike = normal(x.k.readings[i].weight - x.k.readings[n].weight, SAME_PERSON_KG**2)
                who = others_probability(other, rate, alike, w.who)
                often += who
                near += who * alike
            n = other.next if way == 0 else other.back
    w.near, w.often = near, often
    return (STRANGERS * w.alone + rate * near) / (STRANGERS + often)


@jit
def case_for_guests(w: Any) -> float:
    """Log odds that a reading gives to others who come again, against strangers each time.

    Half of it: of two that agree, each counts the other.
    """
    by_guests, by_strangers = w.rest + w.other, w.rest + w.alone
    return 0.5 * math.log(by_guests / by_strangers) if by_guests > 0.0 < by_strangers else 0.0


@jit
def tell_other_persons(x: Series, head: int, first: int) -> None:
    """OTHER: the density of each rejected reading of a chain as another person's, given all.

    Others come again, or they are strangers each time; the chain tells which.
    """
    for _ in range(TURNS):
        i = head
        while i >= 0:
            w = x.work[i - first]
            w.other = of_another(x, i, first)
            w.who = w.other / (w.other + w.rest) if w.other >= w.named else 0.0
            i = int(w.next)
    odds = GUESTS_ODDS
    i = head
    while i >= 0:
        odds += case_for_guests(x.work[i - first])
        i = int(x.work[i - first].next)
    i = head
    while i >= 0:
        w = x.work[i - first]
        guests = odds_to_p(odds - case_for_guests(w))
        w.other = guests * w.other + (1.0 - guests) * w.alone
        i = int(w.next)
