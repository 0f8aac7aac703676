"""Gains and losses that care programmes act on, in readings as they came and in filtered levels.

A rule is broken if a reading differs by more than the rule's limit from the first reading within
its days, or a filtered level from the first such level. Readings count even if they are rejected:
only named errors, copies and readings that a reviewer rejected are left out. So a gain is reported
on the day, whatever the verdict on its first readings is.

The probability is that the body changed by more than the limit. The difference of two readings is
usual movement, a rapid spell, the spread of meals and coats, or an error of either reading; each is
normal around 0, with the variances and shares below, and Bayes' theorem gives the share of each in
the difference. A second reading that shows the same makes errors and coats a tenth as likely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import erf
from typing import Any

import numpy as np

from weightstream.movement import Bools, Floats, Ints, Process, usual_variance
from weightstream.outputs.pages.courses import DAY, Alert, Courses
from weightstream.schema import Z95

RAPID_PER_YEAR = 1.0
"""Prior: rapid spells of a person in a year."""
RAPID_KG2_PER_DAY, RAPID_DAYS = 6.0, 4.0
"""Variance that such a spell adds in a day, and for how many days it does."""
TAIL_SHARE, TAIL_KG = 0.03, 2.0
"""Right readings with more than the usual scatter (a meal, a coat), and its SD."""
ERROR_KG = 12.0
"""SD of what an error without a known cause is off."""
SEEN_AGAIN = 0.1
"""How much less likely an error or a coat is where the reading before shows the same."""
LEAST_DAYS = 0.5
"""What is nearer in time is the same day's weight."""
SAME_HOUR = 0.25
"""Days by which readings of the same hour may be further apart than whole days."""
MOST_SHARE = 0.15
"""No body gains this share of its weight within a week."""
MOST_SURE = 0.999
"""A model is never surer of a body than this."""
STRETCH_DAYS = {"rapid_gain": 7.0, "weight_loss": 30.0}
"""A rule that is broken again within so many days, or by the next reading, says the same alert
again."""
PEAK_DAYS = 14.0
"""A level that is higher than most of those of so many days before and after is a peak, as of a
fluid episode: its end is no loss."""
SUSPECTS = frozenset({"", "ok", "override", "outlier", "other_person"})
"""Reasons of readings that may show a body: accepted, or rejected without a known slip."""


@dataclass(frozen=True)
class Rule:
    """A gain of more than kg, or a change of at least share of the level (a loss is negative),
    within days."""

    kind: str
    days: float
    kg: float = 0.0
    share: float = 0.0


RULES: Mapping[str, Sequence[Rule]] = {
    "heart-failure": (
        Rule("rapid_gain", 2.0, kg=1.4),
        Rule("rapid_gain", 3.0, kg=2.0),
        Rule("rapid_gain", 7.0, kg=2.3),
    ),
    "weight-loss": (
        Rule("weight_loss", 30.0, share=-0.05),
        Rule("weight_loss", 180.0, share=-0.10),
    ),
}
"""Rules by the name that configuration calls them."""


@dataclass(frozen=True)
class Scales:
    """What is believed of the S sources of some persons, by code. kg; (S,) float64 each."""

    bias: Floats
    noise: Floats
    error_rate: Floats


@dataclass(frozen=True)
class Broken:
    """Rows i and j < i (indexes into Watched) that break a rule, and how probably they do; (M,)."""

    now: Ints
    then: Ints
    change: Floats
    probability: Floats


@dataclass(frozen=True)
class Watched:
    """The K rows that may show a body. row: into the courses. kg: less the source's bias.

    second: since the person's first of them; key rises with person and time. scatter: variance of
    one reading, kg². error: rate of gross ones. hour: local, NaN where only the day is known.
    level, variance: as filtered, NaN where there is none. valid: how surely an accepted reading is
    right; 1 for others, which the level does not rest on. counts: seen_and_accepted of the courses.
    """

    row: Ints
    person: Ints
    second: Ints
    kg: Floats
    scatter: Floats
    error: Floats
    hour: Floats
    level: Floats
    variance: Floats
    valid: Floats
    counts: tuple[Ints, Ints]

    @property
    def key(self) -> Ints:
        return self.person * 10**12 + self.second


def broken_rules(
    people: Courses,
    scales: Scales,
    process: Process,
    rules: Sequence[Sequence[Rule]],
    least_probability: float,
) -> list[list[Alert]]:
    """Find what breaks the rules, oldest first: one alert for each stretch of readings that do.

    people: its columns also hold `hour` and `scale`, (N,) float64 and int64 (an index into scales).
    rules: of each of the U persons. least_probability: what is less probable is not told.
    """
    watched = watch(people, scales)
    found: list[list[tuple[int, Alert]]] = [[] for _ in rules]
    for rule in dict.fromkeys(rule for some in rules for rule in some):
        asked = np.array([rule in some for some in rules], bool)
        hits = break_level(watched, rule) if rule.share else break_reading(watched, rule, process)
        sure = np.minimum(hits.probability, MOST_SURE)
        keep = asked[watched.person[hits.now]] & (sure >= least_probability)
        for k in np.flatnonzero(keep).tolist():
            now, then = int(hits.now[k]), int(hits.then[k])
            days = float(watched.second[now] - watched.second[then]) / DAY
            at = str(people.columns["effective_at"][watched.row[now]])
            alert = Alert(at, rule.kind, days, float(hits.change[k]), float(sure[k]))
            found[int(watched.person[now])].append((now, alert))
    return [_stretches(alerts) for alerts in found]


def watch(people: Courses, scales: Scales) -> Watched:
    """Take the rows that may show a body."""
    columns = people.columns
    suspect = np.array([reason in SUSPECTS for reason in columns["reason"]], bool)
    refused = np.array(
        [
            reason == "override" and verdict == "rejected"
            for reason, verdict in zip(columns["reason"], columns["verdict"], strict=True)
        ],
        bool,
    )
    row = np.flatnonzero(suspect & ~refused)
    person = np.searchsorted(people.indptr, row, side="right") - 1
    second = people.time_us[row] // 1_000_000
    scale = columns["scale"][row]
    counts = seen_and_accepted(people)
    accepted = np.diff(counts[1])[row] > 0
    half = (columns["level_hi_kg"][row] - columns["level_lo_kg"][row]) / (2.0 * Z95)
    return Watched(
        row,
        person,
        second - second[np.searchsorted(person, person, side="left")] if len(row) else second,
        columns["weight_kg"][row] - scales.bias[scale],
        scales.noise[scale] ** 2,
        scales.error_rate[scale],
        columns["hour"][row],
        columns["level_kg"][row],
        half**2,
        np.where(accepted, np.nan_to_num(columns["p_valid"][row], nan=1.0), 1.0),
        counts,
    )


def break_reading(watched: Watched, rule: Rule, process: Process) -> Broken:
    """Compare each reading, and each filtered level, with the first within the rule's days."""
    now, then, days = _pairs(watched, rule)
    change = watched.kg[now] - watched.kg[then]
    moved = watched.level[now] - watched.level[then]
    possible = change <= MOST_SHARE * watched.kg[then]
    raw = possible & (change > rule.kg)
    level = (moved > rule.kg) & well_seen(watched.counts, watched.row[then], watched.row[now])
    some = np.flatnonzero(raw | level)
    now, then, days, raw = now[some], then[some], days[some], raw[some]
    change, moved = change[some], moved[some]
    shown = np.where(raw, _probable_gain(watched, now, then, days, rule, process), 0.0)
    known = np.nan_to_num(_certain(watched, now, then, moved - rule.kg), nan=0.0)
    known = np.where(level[some], known, 0.0)
    return Broken(now, then, np.where(known > shown, moved, change), np.maximum(shown, known))


def break_level(watched: Watched, rule: Rule) -> Broken:
    """Compare each filtered level with the first within the rule's days, as a share of it."""
    now, then, _ = _pairs(watched, rule)
    moved = watched.level[now] - watched.level[then]
    limit = rule.share * watched.level[then]
    seen = well_seen(watched.counts, watched.row[then], watched.row[now])
    some = np.flatnonzero((moved <= limit) & seen)
    some = some[~_after_peak(watched, now[some], then[some], limit[some])]
    now, then, moved = now[some], then[some], moved[some]
    beyond = limit[some] - moved
    return Broken(now, then, moved, np.nan_to_num(_certain(watched, now, then, beyond)))


def _after_peak(watched: Watched, now: Ints, then: Ints, limit: Floats) -> Bools:
    """(M,) whether less than half of a loss is left against the levels around row `then`."""
    key, around = watched.key, round(PEAK_DAYS * DAY)
    start = np.searchsorted(key, key[then] - around)
    stop = np.minimum(np.searchsorted(key, key[then] + around), now + 1)  # what was known then
    usual = np.full(len(now), np.inf)  # where nothing is known of before
    for k in np.flatnonzero(start < then).tolist():
        levels = watched.level[start[k] : stop[k]]
        usual[k] = np.median(levels[~np.isnan(levels)])
    return np.asarray(watched.level[now] - usual > limit / 2.0, bool)


def seen_and_accepted(people: Courses) -> tuple[Ints, Ints]:
    """(N + 1,) each: how many of the rows before a row are no copies, and are accepted."""
    columns = people.columns
    seen = np.array([reason != "repeat" for reason in columns["reason"]], bool)
    accepted = np.array([verdict == "accepted" for verdict in columns["verdict"]], bool)
    return np.append(0, np.cumsum(seen)), np.append(0, np.cumsum(accepted))


def well_seen(counts: tuple[Ints, Ints], first: Ints, last: Ints) -> Bools:
    """(M,) whether half of the rows first to last or more are accepted, copies aside: a level
    between many rejected ones may be anybody's.

    counts: seen_and_accepted of the courses. first, last: (M,) rows, the last one included.
    """
    seen, accepted = (some[last + 1] - some[first] for some in counts)
    return np.asarray(2 * accepted >= seen, bool)


def _pairs(watched: Watched, rule: Rule) -> tuple[Ints, Ints, Floats]:
    """Rows, the first row within the rule's days before each, and the days between."""
    key = watched.key
    back = round((rule.days + SAME_HOUR) * DAY)
    then = np.searchsorted(key, key - back, side="left")
    days = (key - key[then]) / DAY
    now = np.flatnonzero(days >= LEAST_DAYS)
    return now, then[now], days[now]


def _certain(watched: Watched, now: Ints, then: Ints, beyond: Floats) -> Floats:
    """Probability that levels are further apart than the limit which they exceed by `beyond`, and
    that the reading which shows it is right."""
    sure = _normal(beyond / np.sqrt(watched.variance[now] + watched.variance[then] + 1e-9))
    return np.asarray(watched.valid[now] * sure, np.float64)


def _probable_gain(
    watched: Watched, now: Ints, then: Ints, days: Floats, rule: Rule, process: Process
) -> Floats:
    """(M,) probability that the body gained more than the rule's limit, from two readings."""
    seen = watched.kg[now] - watched.kg[then]
    noise = watched.scatter[now] + watched.scatter[then] + _hours_apart(watched, now, then, process)
    wet = 2.0 * process.water_kg**2 * -np.expm1(-days / process.water_days)
    usual = usual_variance(days, process) + wet
    rapid = usual + RAPID_KG2_PER_DAY * np.minimum(days, RAPID_DAYS)
    again, before = _seen_again(watched, now, then)
    tail = TAIL_SHARE * (again + before)
    error = watched.error[now] * again + watched.error[then] * before
    spell = RAPID_PER_YEAR * days / 365.25
    calm = np.maximum(1.0 - spell - tail - error, 0.0)
    weighed, real = np.zeros(len(now)), np.zeros(len(now))
    for share, moved, blur in (
        (calm, usual, noise),
        (tail, usual, noise + TAIL_KG**2),
        (spell, rapid, noise),
    ):
        weight = share * _density(seen, moved + blur)
        spread = np.sqrt(moved * blur / (moved + blur))
        middle = seen * moved / (moved + blur)
        weighed += weight
        real += weight * _normal((middle - rule.kg) / spread)
    weighed += error * _density(seen, noise + ERROR_KG**2)
    return np.divide(real, weighed, out=real, where=weighed > 0.0)  # nothing explains it: 0


def _seen_again(watched: Watched, now: Ints, then: Ints) -> tuple[Floats, Floats]:
    """SEEN_AGAIN where the reading before the newest one shows half of the gain, and where the one
    before the first is as near to it; else 1."""
    between, earlier = now - 1, then - 1
    same = watched.person[earlier] == watched.person[then]
    seen = watched.kg[now] - watched.kg[then]
    gained = watched.kg[between] - watched.kg[then] > seen / 2.0
    again = np.where((between > then) & gained, SEEN_AGAIN, 1.0)
    apart = np.abs(watched.kg[earlier] - watched.kg[then])
    near = (earlier >= 0) & same & (apart < seen / 2.0)
    return again, np.where(near, SEEN_AGAIN, 1.0)


def _hours_apart(watched: Watched, now: Ints, then: Ints, process: Process) -> Floats:
    """Variance in kg² that other hours of the day make; nothing where an hour is not known."""
    apart = np.abs(watched.hour[now] - watched.hour[then])
    apart = np.nan_to_num(np.minimum(apart, 24.0 - apart))
    return np.asarray((process.evening_kg * apart / 12.0) ** 2, np.float64)


def _stretches(alerts: list[tuple[int, Alert]]) -> list[Alert]:
    """Of each stretch in which a kind of rule is broken, the most probable alert; of equally
    probable ones the largest change.

    alerts: each with the row (of Watched) that shows it.
    """
    best: list[Alert] = []
    last: dict[str, tuple[datetime, int, int]] = {}
    for row, alert in sorted(alerts, key=lambda one: one[1].at):
        at = datetime.fromisoformat(alert.at[:19])
        before, newest, place = last.get(alert.kind, (None, -1, -1))
        late = before is None or at - before > timedelta(days=STRETCH_DAYS[alert.kind])
        if late and (before is None or row > newest + 1):
            place = len(best)
            best.append(replace(alert, began=alert.at))
        elif _rank(alert) > _rank(best[place]):
            best[place] = replace(alert, began=best[place].began)
        last[alert.kind] = at, row, place
    return best


def _rank(alert: Alert) -> tuple[float, float]:
    return alert.probability, abs(alert.change_kg)


def _density(x: Floats, variance: Floats) -> Floats:
    return np.asarray(np.exp(-x * x / (2.0 * variance)) / np.sqrt(variance), np.float64)


def _normal(x: Floats) -> Any:
    return 0.5 * (1.0 + np.vectorize(erf, otypes=[float])(x / np.sqrt(2.0)))
