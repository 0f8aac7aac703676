"""Alerts on a person's weight: rules of care programmes, and unusual changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from weightstream.movement import Ints, Process
from weightstream.outputs.pages.courses import DAY, Alert, Courses, each
from weightstream.outputs.pages.rules import (
    RULES,
    Rule,
    Scales,
    broken_rules,
    seen_and_accepted,
    well_seen,
)
from weightstream.outputs.pages.unusual import unusual_changes

UNUSUAL = "unusual"
RULE_SETS = (*RULES, UNUSUAL)
"""What [alerts] rules may name."""
LONGER = 2.0
"""Times as long as another alert: a loss over months does not say what a fall within it says."""
UNEXPLAINED_SHARE = 0.12
"""A reading further from the level than this share of it is no change of a body within days."""


@dataclass(frozen=True)
class Watch:
    """What is watched. rule_sets: of RULE_SETS, for each of the U persons.

    false_per_year: of "unusual" alerts, for a person whose changes are all usual.
    least_probability: of alerts of rules.
    """

    rule_sets: Sequence[Sequence[str]]
    false_per_year: float
    least_probability: float


def alerts(people: Courses, scales: Scales, process: Process, watch: Watch) -> list[list[Alert]]:
    """Alerts of each person, oldest first; one for what several rules tell at the same reading."""
    found = broken_rules(
        people,
        scales,
        process,
        [_rules(names) for names in watch.rule_sets],
        watch.least_probability,
    )
    counts = seen_and_accepted(people)
    changes = unusual_changes(people, process, watch.false_per_year)
    for person, (start, stop) in enumerate(each(people)):
        if UNUSUAL in watch.rule_sets[person]:
            found[person] += [
                alert
                for alert in changes[person]
                if well_seen(counts, *_span(people, alert, start, stop)).all()
            ]
            found[person] += _unconfirmed(people, start, stop)
        found[person] = _once(found[person])
    return found


def _rules(names: Sequence[str]) -> list[Rule]:
    return [rule for name in names for rule in RULES.get(name, ())]


def _once(found: Sequence[Alert]) -> list[Alert]:
    """Sort alerts by time, without those that say again what one before them in `found` says: a
    change in the same direction, over days that both have, and not over many more."""
    kept: list[Alert] = []
    for alert in found:
        if not any(_says_the_same(one, alert) for one in kept):
            kept.append(alert)
    return sorted(kept, key=lambda alert: alert.at)


def _says_the_same(one: Alert, alert: Alert) -> bool:
    if (one.change_kg > 0) != (alert.change_kg > 0):
        return False
    if _began(alert) >= _second(one.at) or _began(one) >= _second(alert.at):
        return False
    if one.kind == alert.kind:
        return one.kind == UNUSUAL  # of two windows; a rule's are of stretches apart
    return one.days <= LONGER * alert.days


def _second(at: str) -> float:
    return datetime.fromisoformat(at[:19]).replace(tzinfo=UTC).timestamp()


def _began(alert: Alert) -> float:
    return _second(alert.at) - alert.days * DAY


def _span(people: Courses, alert: Alert, start: int, stop: int) -> tuple[Ints, Ints]:
    """First and last row of a person, a day more on both sides, that an alert spans."""
    ago = (_second(alert.at) - people.time_us[start:stop] / 1e6) / DAY
    rows = start + np.flatnonzero((ago >= -1.0) & (ago <= alert.days + 1.0))
    return rows[:1], rows[-1:]


def _unconfirmed(people: Courses, start: int, stop: int) -> list[Alert]:
    """The newest reading, where it was rejected without a known cause and may be a change."""
    columns, last = people.columns, stop - 1
    if stop == start or columns["verdict"][last] != "rejected":
        return []
    level = columns["level_kg"][start:last]
    before = np.flatnonzero(~np.isnan(level))
    if columns["reason"][last] != "outlier" or len(before) == 0:
        return []
    seen = int(before[-1])
    change = float(columns["weight_kg"][last]) - float(level[seen])
    if abs(change) > UNEXPLAINED_SHARE * level[seen]:
        return []
    days = float(people.time_us[last] - people.time_us[start + seen]) / (DAY * 1e6)
    probability = float(np.nan_to_num(columns["p_valid"][last]))
    at = str(columns["effective_at"][last])
    return [Alert(at, "unconfirmed", days, change, probability, at)]
