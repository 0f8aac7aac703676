"""What of the data's quality passed, failed, or was not checked, and why; and what to do about it.

Each source is checked in each metric over the weeks up to the newest reading. A check that cannot
be made says so: silence is no proof of quality.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isclose, log
from statistics import median, quantiles
from typing import Any, Literal

from weightstream.config import Quality
from weightstream.outputs.quality import Measured, Tally, checked_since, drift

Status = Literal["passed", "failed", "not checked"]
ALL = "all sources"
"""The source of a check of the whole store."""
INGEST = "the newest ingest"
"""The source of a check of what arrived last."""
CERTAIN = 10.0
"""Gain in log likelihood from which on a change of a share is no chance."""
VOLUME_WEEKS = 4
LEAST_WEEKS = 12
"""A source with fewer weeks, those four in them, has no usual volume."""
LEAST_PAUSES = 10
"""Whose readings, or ingests, paused less often has no usual pause."""

TO_DO = {
    "max_quarantined": "look at the reasons; a column or unit may need `--column` or `--unit`",
    "max_rejected": "look at some of them with `weightstream review`, and at the reasons",
    "coverage_95_tolerance": "`weightstream learn` learns the noise of sources",
    "coverage_50_tolerance": "`weightstream learn` learns the noise of sources",
    "max_difference_kg": "`weightstream learn` learns the biases of sources",
    "max_drift_kg": "ask whether scales or clothing rules changed; then `weightstream learn`",
    "max_rise.rejected": "ask what changed at the source in that week (units, firmware, mapping)",
    "max_rise.quarantined": "ask what changed in its files in that week (columns, units, dates)",
    "least_volume": "ask whether part of the source no longer arrives",
    "max_silence": "see whether its files still come: a feed, a mapping or a token may have ended",
}
"""The next step where a metric failed."""


@dataclass(frozen=True)
class Check:
    """source: its name, or ALL. metric: a key of [quality], and what of it after a dot.

    observed, limit, baseline: in the metric's unit (shares of 1, kg, days); None where there is
    none. baseline: what it was before. since: the week of the change. rows: what was looked at.
    said: why it failed or was not checked; empty where it passed.
    """

    source: str
    metric: str
    status: Status
    observed: float | None = None
    limit: float | None = None
    baseline: float | None = None
    since: date | None = None
    rows: int = 0
    said: str = ""

    @property
    def to_do(self) -> str:
        return TO_DO[self.metric] if self.status == "failed" else ""


def checks(measured: Measured, limits: Quality) -> list[Check]:
    """Every check of the store and of each source, in the order of sources."""
    found = [_newest_ingest(measured, limits), _ingests(measured, limits)]
    for source in measured.weeks:
        found += _of_source(measured, source, limits)
    return found


def breaches(measured: Measured, limits: Quality) -> list[str]:
    """One sentence for each check that failed."""
    return sentences(checks(measured, limits))


def sentences(found: Sequence[Check]) -> list[str]:
    """Those that failed, in words."""
    return [f"{one.source}: {one.said}" for one in found if one.status == "failed"]


def _of_source(measured: Measured, source: str, limits: Quality) -> Iterator[Check]:
    tally = measured.of(source, since=checked_since(measured, limits))
    few = ""
    if tally.rows < limits.min_readings:
        few = f"{tally.rows:,} rows in these weeks; quality.min_readings is {limits.min_readings:,}"
    for check in _tally_checks(tally, limits):
        yield replace(_unless(check, few), source=source)
    for check in (_drift(measured, source, limits), *_rises(measured, source, limits)):
        yield replace(_unless(check, few), source=source)
    yield replace(_volume(measured, source, limits), source=source)
    yield replace(_silence(measured, source, limits), source=source)


def _unless(check: Check, why_not: str) -> Check:
    """The check, or that it was not made and why."""
    return replace(check, status="not checked", said=why_not) if why_not else check


def _limited(
    metric: str, observed: float, limit: float, rows: int, said: str, **more: Any
) -> Check:
    """Passed unless observed, without its sign, is more than the limit."""
    failed = abs(observed) > limit and not isclose(abs(observed), limit, abs_tol=1e-9)
    status: Status = "failed" if failed else "passed"
    return Check(
        ALL, metric, status, observed, limit, rows=rows, said=said if failed else "", **more
    )


def _tally_checks(tally: Tally, limits: Quality) -> Iterator[Check]:
    for what, count, among, key in (
        ("rows were quarantined", tally.quarantined.total(), tally.rows, "max_quarantined"),
        ("readings were rejected", tally.errors, tally.judged, "max_rejected"),
    ):
        most, share = getattr(limits, key), count / among if among else 0.0
        said = f"{share:.1%} of {among:,} {what}; quality.{key} is {most:.1%}"
        yield _limited(key, share, most, among, said)
    few = ""
    if tally.compared < limits.min_readings:
        few = (
            f"{tally.compared:,} accepted readings with an expectation; quality.min_readings is "
            f"{limits.min_readings:,}"
        )
    for percent, inside in ((95, tally.inside_95), (50, tally.inside_50)):
        key = f"coverage_{percent}_tolerance"
        share, most = (
            inside / tally.compared if tally.compared else percent / 100,
            getattr(limits, key),
        )
        said = (
            f"{share:.1%} of {tally.compared:,} accepted readings lie in their {percent} % "
            f"interval; quality.{key} is {most:.1%}"
        )
        check = _limited(key, share - percent / 100, most, tally.compared, said)
        yield _unless(replace(check, observed=share, baseline=percent / 100), few)
    difference = tally.mean_difference or 0.0
    said = (
        f"accepted readings are {difference:+.2f} kg from what was expected, on average; "
        f"quality.max_difference_kg is {limits.max_difference_kg:g}"
    )
    check = _limited(
        "max_difference_kg", difference, limits.max_difference_kg, tally.compared, said
    )
    yield _unless(check, few)


def _drift(measured: Measured, source: str, limits: Quality) -> Check:
    found = drift(measured, source, limits)
    if found is None:
        why = "too few readings in these weeks, or before them, to tell a drift"
        return Check(ALL, "max_drift_kg", "not checked", limit=limits.max_drift_kg, said=why)
    change, error = found
    said = (
        f"the average difference from what was expected changed by {change:+.2f} kg against the "
        f"weeks before; quality.max_drift_kg is {limits.max_drift_kg:g}"
    )
    check = _limited("max_drift_kg", change, max(limits.max_drift_kg, 2.0 * error), 0, said)
    return replace(check, limit=limits.max_drift_kg)


def _rises(measured: Measured, source: str, limits: Quality) -> Iterator[Check]:
    """Whether the share of rejected or quarantined rows rose from one week on."""
    for what, part, whole in RISING:
        metric, (found, rows) = f"max_rise.{what}", _change_point(measured, source, part, whole)
        if found is None:
            why = "fewer than two weeks with rows"
            yield Check(ALL, metric, "not checked", limit=limits.max_rise, said=why)
            continue
        since, before, after, gain = found
        start = checked_since(measured, limits)
        rise = after - before if gain > CERTAIN and (start is None or since >= start) else 0.0
        said = (
            f"{after:.1%} of rows are {what} since the week of {since}, {before:.1%} before; "
            f"quality.max_rise is {limits.max_rise:.1%}"
        )
        check = _limited(metric, max(rise, 0.0), limits.max_rise, rows, said)
        failed = check.status == "failed"
        yield replace(
            check,
            observed=after if failed else check.observed,
            baseline=before if failed else None,
            since=since if failed else None,
        )


RISING: tuple[tuple[str, Callable[[Tally], int], Callable[[Tally], int]], ...] = (
    ("rejected", lambda tally: tally.errors, lambda tally: tally.judged),
    ("quarantined", lambda tally: tally.quarantined.total(), lambda tally: tally.rows),
)


def _change_point(
    measured: Measured,
    source: str,
    part: Callable[[Tally], int],
    whole: Callable[[Tally], int],
) -> tuple[tuple[date, float, float, float] | None, int]:
    """The week from which on a share is most clearly another: (week, share before, share after,
    gain in log likelihood of two binomial shares against one), or None; and the rows in all."""
    weeks = sorted(
        (week, part(tally), whole(tally))
        for week, tally in measured.weeks[source].items()
        if week is not None and whole(tally)
    )
    hits, rows = sum(hit for _, hit, _ in weeks), sum(n for *_, n in weeks)
    best: tuple[date, float, float, float] | None = None
    seen_hits = seen = 0
    for k, (week, hit, n) in enumerate(weeks):
        if k:
            before, after = seen_hits / seen, (hits - seen_hits) / (rows - seen)
            gain = (
                _likelihood(seen_hits, seen)
                + _likelihood(hits - seen_hits, rows - seen)
                - _likelihood(hits, rows)
            )
            if best is None or gain > best[3]:
                best = (week, before, after, gain)
        seen_hits, seen = seen_hits + hit, seen + n
    return best, rows


def _likelihood(hits: int, rows: int) -> float:
    """Log likelihood of so many hits in so many rows, at their own share."""
    return sum(n * log(n / rows) for n in (hits, rows - hits) if n)


def _volume(measured: Measured, source: str, limits: Quality) -> Check:
    """Rows of the last four weeks against the weeks before; the newest week may be under way."""
    metric, newest = "least_volume", measured.newest_week
    rows = {week: tally.rows for week, tally in measured.weeks[source].items() if week}
    if newest is None or not rows or (newest - min(rows)).days // 7 < LEAST_WEEKS:
        why = f"its readings span fewer than {LEAST_WEEKS} weeks"
        return Check(ALL, metric, "not checked", limit=limits.least_volume, said=why)
    span = (newest - min(rows)).days // 7
    weekly = [rows.get(newest - timedelta(weeks=back), 0) for back in range(1, span + 1)]
    usual = median(weekly[VOLUME_WEEKS:])
    now = sum(weekly[:VOLUME_WEEKS]) / VOLUME_WEEKS
    if usual * VOLUME_WEEKS < limits.min_readings / 10:
        why = f"usually {usual:g} row{'' if usual == 1 else 's'} a week: too few to tell"
        return Check(ALL, metric, "not checked", limit=limits.least_volume, said=why)
    failed = now < limits.least_volume * usual
    said = (
        f"{now:,.0f} rows a week in the last {VOLUME_WEEKS} weeks, usually {usual:,.0f}; "
        f"quality.least_volume is {limits.least_volume:.0%}"
    )
    status: Status = "failed" if failed else "passed"
    found = Check(ALL, metric, status, now, limits.least_volume * usual, float(usual))
    return replace(found, said=said if failed else "", rows=sum(weekly[:VOLUME_WEEKS]))


def _silence(measured: Measured, source: str, limits: Quality) -> Check:
    """Days without a reading of the source, up to the newest reading of any source."""
    days = measured.days.get(source, ())
    newest = max((some[-1] for some in measured.days.values() if some), default=None)
    if newest is None or not days:
        return Check(ALL, "max_silence", "not checked", said="it has no reading with a day")
    return _pauses(days, newest, limits, "no reading")


def _ingests(measured: Measured, limits: Quality) -> Check:
    """Days without an ingest that brought rows, up to now."""
    started = {
        datetime.fromisoformat(run["started_at"]).astimezone(UTC).date()
        for run in measured.runs
        if run["kind"] == "ingest" and run["rows_in"] and "started_at" in run
    }
    if not started or measured.asked is None:
        return Check(ALL, "max_silence", "not checked", said="nothing was ingested yet")
    return _pauses(sorted(started), measured.asked.date(), limits, "no ingest")


def _pauses(days: Sequence[date], until: date, limits: Quality, what: str) -> Check:
    """Whether the pause after the last of days is beyond what is usual between them."""
    pauses = [(b - a).days for a, b in pairwise(days)]
    silent = float((until - days[-1]).days)
    if len(pauses) < LEAST_PAUSES:
        why = f"on {len(days)} day{'s' * (len(days) > 1)} only: no pause is usual yet"
        return Check(ALL, "max_silence", "not checked", silent, rows=len(days), said=why)
    longest = quantiles(pauses, n=20, method="inclusive")[-1]
    usual, most = sum(pauses) / len(pauses), limits.max_silence * longest
    said = (
        f"{what} for {silent:g} days, usually every {usual:.1f} (19 of 20 pauses are at most "
        f"{longest:g}); quality.max_silence is {limits.max_silence:g}"
    )
    check = _limited("max_silence", silent, most, len(days), said)
    return replace(check, baseline=usual)


def _newest_ingest(measured: Measured, limits: Quality) -> Check:
    newest = next(
        (run for run in measured.runs if run["kind"] == "ingest" and run["rows_in"]), None
    )
    source = INGEST
    if newest is None:
        why = "nothing was ingested yet"
        return Check(source, "max_quarantined", "not checked", said=why)
    share, rows = newest["quarantined"] / newest["rows_in"], newest["rows_in"]
    said = (
        f"{share:.1%} of {rows:,} rows were quarantined; quality.max_quarantined is "
        f"{limits.max_quarantined:.1%}"
    )
    check = _limited("max_quarantined", share, limits.max_quarantined, rows, said)
    return replace(check, source=source)


def as_json(check: Check) -> dict[str, Any]:
    """A check in quality.json."""
    return {
        "source": check.source,
        "metric": check.metric,
        "status": check.status,
        "observed": _rounded(check.observed),
        "limit": _rounded(check.limit),
        "baseline": _rounded(check.baseline),
        "since": check.since and check.since.isoformat(),
        "rows": check.rows,
        "said": check.said,
        "to_do": check.to_do,
    }


def validation(found: Sequence[Check], asked: datetime | None) -> dict[str, Any]:
    """The checks in the shape of a validation result of Great Expectations 1.x, for tools that
    read those. What was not checked is no expectation: it stands in meta."""
    made = [check for check in found if check.status != "not checked"]
    good = sum(check.status == "passed" for check in made)
    return {
        "success": good == len(made),
        "suite_name": "weightstream quality",
        "results": [
            {
                "success": check.status == "passed",
                "expectation_config": {
                    "type": f"weightstream_{check.metric.replace('.', '_')}",
                    "kwargs": {"source": check.source, "limit": _rounded(check.limit)},
                    "meta": {"to_do": check.to_do} if check.to_do else {},
                },
                "result": {
                    "observed_value": _rounded(check.observed),
                    "element_count": check.rows,
                    "details": {"baseline": _rounded(check.baseline), "said": check.said},
                },
                "exception_info": {"raised_exception": False, "exception_message": None},
            }
            for check in made
        ],
        "statistics": {
            "evaluated_expectations": len(made),
            "successful_expectations": good,
            "unsuccessful_expectations": len(made) - good,
            "success_percent": 100.0 * good / len(made) if made else None,
        },
        "meta": {
            "run_time": asked and asked.isoformat(timespec="seconds"),
            "not_checked": [as_json(check) for check in found if check.status == "not checked"],
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
