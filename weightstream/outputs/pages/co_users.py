"""Two persons on one account, found from the decisions on the readings.

The engine rejects single readings as another person's. If such readings come again and again, with
one weight and in turn with the person's own, two persons share the account. If both weights are
close, or both come equally often, the engine cannot always distinguish them; then the plausible
readings form two weights that take turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weightstream.movement import Bools, Floats, Ints
from weightstream.outputs.pages.courses import Alert

OTHER_PERSON = "other_person"
YEAR, QUARTER = 365.0, 90.0
"""Days before the newest reading that are looked at: as the judge parts the readings, and where
their weights alone part them, which slow changes blur."""
LEAST_OTHERS = 5
"""Readings that the judge must have called another person's."""
LEAST_READINGS = 5
"""Of each of both."""
NEWEST = 10
"""Readings of each of both whose median is told as their weight."""
LEAST_TURNS = 6
"""Times that the readings change from one to the other: a body that moves and returns makes two."""
LEAST_APART = 5.0
"""Between both weights, in SDs of one person's readings."""
MOST_MIXED = 0.05
"""Share of readings that are nearer to the other's weight."""
MOST_SPREAD_KG = 3.0
"""SD of one person's readings (engine.housemates: SAME_PERSON_KG)."""
LEAST_MARGIN_KG, MARGIN = 1.0, 3.0
"""How far from a person's weight a reading may be theirs: at least so many kg, or so many SDs."""


@dataclass(frozen=True)
class CoUsers:
    """Two persons of one account. kg: their weights by their newest readings; count: their
    readings since (UTC date); first who has more of the accepted ones. margin: how far from these
    weights a reading may be theirs, kg. mixed: the judge accepts readings of both, so that the
    level is nobody's."""

    kg: tuple[float, float]
    count: tuple[int, int]
    since: str
    margin: float
    mixed: bool


def co_users(columns: Mapping[str, Sequence[Any]], day: Floats) -> CoUsers | None:
    """Return the two persons of an account that seems to be shared, or None.

    columns: verdict, reason, weight_kg and effective_at of N readings of one person, in the order
    of time; reason a list. day: (N,).
    """
    if columns["reason"].count(OTHER_PERSON) < LEAST_OTHERS:
        return None
    may = [
        verdict == "accepted" or reason == OTHER_PERSON
        for verdict, reason in zip(columns["verdict"], columns["reason"], strict=True)
    ]
    row = np.flatnonzero(np.array(may, bool) & (day >= day[-1] - YEAR))
    accepted: Bools = np.array([columns["verdict"][i] == "accepted" for i in row.tolist()], bool)
    if np.count_nonzero(~accepted) < LEAST_OTHERS:
        return None
    kg = np.asarray(columns["weight_kg"], np.float64)
    if _two_weights(kg[row], accepted):
        return _told(columns, row, kg[row], accepted, mixed=False)
    newest = day[row] >= day[-1] - QUARTER
    row, accepted = row[newest], accepted[newest]
    if np.count_nonzero(~accepted) < LEAST_OTHERS:
        return None
    upper = _upper_half(kg[row])
    if not _two_weights(kg[row], upper):
        return None
    more = np.count_nonzero(accepted & upper) >= np.count_nonzero(accepted & ~upper)
    side = upper if more else ~upper
    mixed = np.count_nonzero(accepted & ~side) >= LEAST_READINGS
    return _told(columns, row, kg[row], side, mixed=bool(mixed))


def without_swaps(
    alerts: Sequence[Alert], shared: CoUsers | None, columns: Mapping[str, Sequence[Any]]
) -> list[Alert]:
    """Leave out alerts that only say that the other person was weighed."""
    if shared is None or not alerts:
        return list(alerts)
    low, high = min(shared.kg) - shared.margin, max(shared.kg) + shared.margin
    least = abs(shared.kg[0] - shared.kg[1]) / 2.0
    row = {at: i for i, at in enumerate(columns["effective_at"])}
    kept = []
    for alert in alerts:
        end = float(columns["weight_kg"][row[alert.at]])
        swap = abs(alert.change_kg) >= least
        swap &= low <= end <= high and low <= end - alert.change_kg <= high
        if not swap or alert.at[:10] < shared.since:
            kept.append(alert)
    return kept


def _two_weights(kg: Floats, side: Bools) -> bool:
    """Whether readings and those of the other side are of two bodies that take turns."""
    sides = kg[side], kg[~side]
    if min(map(len, sides)) < LEAST_READINGS:
        return False
    spread = max(map(_spread, sides))
    turns = np.count_nonzero(side[1:] != side[:-1])
    first, second = (float(np.median(one)) for one in sides)
    nearer = np.abs(kg - first) < np.abs(kg - second)
    if turns < LEAST_TURNS or np.mean(nearer != side) > MOST_MIXED:
        return False
    return spread <= MOST_SPREAD_KG and abs(first - second) >= LEAST_APART * spread


def _told(
    columns: Mapping[str, Sequence[Any]], row: Ints, kg: Floats, side: Bools, *, mixed: bool
) -> CoUsers:
    first, second = kg[side], kg[~side]
    return CoUsers(
        (float(np.median(first[-NEWEST:])), float(np.median(second[-NEWEST:]))),
        (len(first), len(second)),
        str(columns["effective_at"][row[0]])[:10],
        max(LEAST_MARGIN_KG, MARGIN * max(_spread(first), _spread(second))),
        mixed,
    )


def _upper_half(kg: Floats) -> Bools:
    """Part values into an upper and a lower group that scatter least around their means."""
    ordered = np.sort(kg)
    below = np.arange(1, len(kg))
    sums = np.cumsum(ordered)
    lower, upper = sums[:-1] / below, (sums[-1] - sums[:-1]) / (len(kg) - below)
    between = below * (len(kg) - below) * (upper - lower) ** 2
    cut = int(np.argmax(between))
    return np.asarray(kg > ordered[cut], bool)


def _spread(kg: Floats) -> float:
    """SD of readings around a weight that may move slowly, by the median successive difference."""
    return float(np.median(np.abs(np.diff(kg)))) / (0.6745 * float(np.sqrt(2.0)))
