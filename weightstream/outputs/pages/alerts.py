"""What of a person's course is told as an alert: rules of care programmes, and unusual changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weightstream.outputs.pages.courses import DAY, Alert, Courses, each
from weightstream.outputs.pages.movement import Process
from weightstream.outputs.pages.rules import RULES, Rule, Scales, broken_rules
from weightstream.outputs.pages.unusual import unusual_changes

UNUSUAL = "unusual"
RULE_SETS = (*RULES, UNUSUAL)
"""What [alerts] rules may name."""
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
    changes = unusual_changes(people, process, watch.false_per_year)
    for person, (start, stop) in enumerate(each(people)):
        if UNUSUAL in watch.rule_sets[person]:
            found[person] += changes[person] + _unconfirmed(people, start, stop)
        found[person] = _once(found[person])
    return found


def _rules(names: Sequence[str]) -> list[Rule]:
    return [rule for name in names for rule in RULES.get(name, ())]


def _once(found: Sequence[Alert]) -> list[Alert]:
    """Keep the first named of alerts at one reading that say the same direction."""
    kept: dict[tuple[str, bool], Alert] = {}
    for alert in found:
        kept.setdefault((alert.at, alert.change_kg > 0), alert)
    return sorted(kept.values(), key=lambda alert: alert.at)


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
