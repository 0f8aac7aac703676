"""What is counted of a store, against counts by hand; and each limit, just kept and just passed."""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from weightstream.config import Config, Quality
from weightstream.outputs import checks, quality
from weightstream.outputs.exports.decisions import current_decisions
from weightstream.outputs.quality import Measured, Tally
from weightstream.schema import QUARANTINE_REASONS, REASONS
from weightstream.store.overriding import OverrideRequest, override

MONDAY = date(2024, 7, 1)


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    """Two sources, daily over new year; errors, dates without an hour, rows of no use."""
    rng = np.random.default_rng(2)
    rows = []
    for user, kg in (("ann", 81.0), ("bob", 70.0), ("cid", 95.0)):
        for n in range(60):
            day = date(2023, 12, 1) + timedelta(days=n)
            at = f"{day}T07:00:00Z" if n % 4 else str(day)
            weight = kg * (2.2046 if n in (20, 40) else 1.0) + rng.normal(0, 0.4)
            rows.append((user, at, f"{weight:.1f}", "kg", "scale" if n % 3 else "<b>clinic"))
    rows += [
        ("ann", "2023-12-20", "80", "parsec", "scale"),
        ("ann", "2023-12-21T08:00:00Z", "", "kg", "scale"),
        ("ann", "no day", "80", "kg", "scale"),
        ("ann", "0025-03-01", "80", "kg", "scale"),
        ("ann", "0025-03-01", "80", "parsec", ""),
    ]
    folder = fresh_dir()
    store_files(folder, csv_of(*rows, *rows[:2]), csv_of(("dot", "2024-01-02", "60")),
                settings={"data": {"min_readings": 2}})  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def connection(store):
    with closing(sqlite3.connect(store / "weightstream.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def measured(connection):
    return quality.measure(connection)


def exported(connection):
    return [row for table in current_decisions(connection, "UTC") for row in table.to_pylist()]


def monday(text):
    day = date.fromisoformat(text[:10])
    return day - timedelta(days=day.weekday())


def test_every_week_counts_what_the_export_shows(connection, measured):
    rows = exported(connection)
    accepted, rejected, days = Counter(), Counter(), Counter()
    inside = {50: Counter(), 95: Counter()}
    for row in rows:
        at = (row["source"], monday(row["effective_at"]))
        days[at] += len(row["effective_at"]) == 10
        if row["verdict"] == "rejected":
            rejected[(*at, row["reason"])] += 1
            continue
        accepted[at] += 1
        if row["expected_kg"] is not None:
            half = (row["expected_hi_kg"] - row["expected_lo_kg"]) / 2
            away = abs(row["weight_kg"] - row["expected_kg"])
            inside[95][at] += away <= half
            inside[50][at] += away <= half * 0.67449 / 1.95996
    assert rejected.total() >= 5
    found = {
        (source, week): tally
        for source, weeks in measured.weeks.items()
        for week, tally in weeks.items()
        if week
    }
    for at, tally in found.items():
        assert tally.accepted == accepted[at], at
        assert tally.date_only - tally.undecided == days[at], at
        assert (tally.inside_50, tally.inside_95) == (inside[50][at], inside[95][at]), at
        assert tally.rejected == Counter({k[2]: n for k, n in rejected.items() if k[:2] == at}), at
    assert sum(tally.accepted for tally in found.values()) == accepted.total()


def test_differences_are_sums_over_the_accepted(connection, measured):
    differences = [
        (row["weight_kg"] - row["expected_kg"], row["expected_hi_kg"] - row["expected_kg"])
        for row in exported(connection)
        if row["source"] == "scale" and row["verdict"] == "accepted" and row["expected_kg"]
    ]
    tally = measured.of("scale")
    away, half = np.array(differences).T
    assert tally.compared == len(away)
    assert tally.mean_difference == pytest.approx(away.mean())
    assert tally.error_of_mean == pytest.approx(away.std() / len(away) ** 0.5)
    assert tally.z_squares == pytest.approx(((away / half * 1.959964) ** 2).sum())


def test_undecided_readings_and_duplicates_are_seen(measured):
    assert sum(measured.of(source).undecided for source in measured.weeks) == 1
    assert measured.of("scale").readings + measured.of("<b>clinic").readings == 181


def test_what_a_person_assigned_to_another_was_wrong_of_its_source(store_files, csv_of, fresh_dir):
    folder = fresh_dir()
    store_files(folder, csv_of(("a", "2024-01-01", "80"), ("b", "2024-01-02", "81")))
    with closing(sqlite3.connect(folder / "weightstream.db")) as opened:
        query = "select measurement_id from measurements where user_id = 'a'"
        ((which,),) = opened.execute(query)
        config = Config.model_validate({"data": {"data_dir": folder}})
        override(config, [OverrideRequest(which, "assign", "b", "eva", None)])
        tally = quality.measure(opened).of("scale")
    assert (tally.readings, tally.accepted, tally.rejected.total(), tally.undecided) == (2, 1, 1, 0)


def test_quarantine_stands_in_its_week_if_that_can_be_told(measured):
    scale = measured.weeks["scale"]
    assert scale[date(2023, 12, 18)].quarantined == {"unknown_unit": 1, "missing_field": 1}
    assert scale[None].quarantined == {"bad_timestamp": 1, "too_old": 1}
    assert measured.weeks["unknown"][None].quarantined == {"unknown_unit": 1}
    assert measured.of("scale").rows == measured.of("scale").readings + 4


def test_every_reason_of_quarantine_says_something_of_the_data():
    words = (*quality.CONFORMANCE, *quality.COMPLETENESS, *quality.PLAUSIBILITY)
    assert sorted(words) == sorted(QUARANTINE_REASONS)


def good(n=1000):
    """Readings as they should be."""
    return Tally(accepted=n, compared=n, inside_95=n * 95 // 100, inside_50=n // 2, squares=n * 0.2)


def measured_of(now, before=None, run=None):
    weeks = {MONDAY: now} | ({MONDAY - timedelta(weeks=20): before} if before else {})
    newest = {"kind": "ingest", "rows_in": 100, "quarantined": 0} | (run or {})
    return Measured({"scale": weeks}, [newest], 100, 0)


def changed(**values):
    tally = good()
    for name, value in values.items():
        setattr(tally, name, value)
    return tally


BEYOND = {
    "max_quarantined": (measured_of(changed(quarantined=Counter(bad_number=200))), 0.17, 0.15),
    "max_rejected": (measured_of(changed(rejected=Counter(outlier=500))), 0.34, 0.33),
    "coverage_95_tolerance": (measured_of(changed(inside_95=880)), 0.071, 0.069),
    "coverage_50_tolerance": (measured_of(changed(inside_50=700)), 0.201, 0.199),
    "max_difference_kg": (measured_of(changed(difference=-600.0, squares=600.0)), 0.61, 0.59),
    "max_drift_kg": (
        measured_of(changed(difference=300.0, squares=400.0), changed(difference=-300.0)),
        0.61,
        0.59,
    ),
}


@pytest.mark.parametrize("key", BEYOND)
def test_each_limit_is_kept_or_passed(key):
    measured, kept, passed = BEYOND[key]
    assert checks.breaches(measured, Quality(**{key: kept})) == []
    (said,) = checks.breaches(measured, Quality(**{key: passed}))
    assert said.startswith("scale: ")
    assert f"quality.{key} is " in said


def test_every_limit_is_tried_here():
    tried = {*BEYOND, "weeks", "min_readings", "max_rise", "least_volume", "max_silence"}
    assert tried == set(Quality.model_fields)


def weekly(tallies, days=(), runs=None, asked=None):
    """A source's weeks up to MONDAY, the newest last."""
    start = MONDAY - timedelta(weeks=len(tallies) - 1)
    weeks = {start + timedelta(weeks=k): tally for k, tally in enumerate(tallies)}
    newest = [{"kind": "ingest", "rows_in": 100, "quarantined": 0}]
    return Measured({"scale": weeks}, runs or newest, 100, 0, dict(days), asked)


def the(metric, measured, source="scale", **limits):
    (found,) = (
        check
        for check in checks.checks(measured, Quality(**limits))
        if (check.metric, check.source) == (metric, source)
    )
    return found


def test_a_collapse_is_seen_though_the_average_is_good():
    """0.1 averaged it away: 46 % of two weeks are 7 % of thirteen."""
    bad = changed(accepted=540, rejected=Counter(outlier=460))
    measured = weekly([good() for _ in range(11)] + [bad, bad])
    assert the("max_rejected", measured).status == "passed"
    check = the("max_rise.rejected", measured)
    assert check.status == "failed"
    assert (check.observed, check.baseline) == (pytest.approx(0.46), 0.0)
    assert check.since == MONDAY - timedelta(weeks=1)
    assert "46.0% of rows are rejected since the week of 2024-06-24, 0.0% before" in check.said
    assert check.to_do
    assert the("max_rise.rejected", measured, max_rise=0.47).status == "passed"
    quarantined = changed(quarantined=Counter(bad_number=300))
    measured = weekly([good() for _ in range(11)] + [quarantined])
    assert the("max_rise.quarantined", measured).status == "failed"


def test_a_rise_that_is_chance_or_long_ago_or_a_fall_is_none():
    few = Tally(accepted=9, rejected=Counter(outlier=3))
    assert the("max_rise.rejected", weekly([good(12), few]), min_readings=1).status == "passed"
    assert the("max_rise.rejected", weekly([good(1200), few])).status == "failed"
    bad = changed(accepted=540, rejected=Counter(outlier=460))
    assert the("max_rise.rejected", weekly([bad, bad, good(), good()])).status == "passed"
    long_ago = weekly([good()] * 2 + [bad] * 20)
    assert the("max_rise.rejected", long_ago).status == "passed"
    assert the("max_rise.rejected", long_ago, weeks=0).status == "failed"
    assert the("max_rise.rejected", weekly([good()])).status == "not checked"


def test_a_limit_is_kept_by_what_only_rounding_puts_beyond_it():
    """1 - 0.95 is more than 0.05 in floating point."""
    all_inside = Tally(accepted=1000, compared=1000, inside_95=1000, inside_50=500)
    limits = Quality(coverage_95_tolerance=0.05)
    said = checks.breaches(measured_of(all_inside), limits)
    assert not [one for one in said if "coverage_95" in one]


def test_copies_are_no_errors_of_a_source():
    measured = measured_of(changed(rejected=Counter(repeat=430, outlier=7)))
    assert the("max_rejected", measured).observed == pytest.approx(7 / 1007)


def test_a_small_source_is_not_checked_and_says_so():
    """0.1 said that nothing was beyond its limit."""
    small = changed(accepted=120, compared=120, inside_95=96, difference=98.0, squares=120.0)
    measured = measured_of(small)
    for metric in ("coverage_95_tolerance", "max_difference_kg", "max_rejected"):
        check = the(metric, measured)
        assert check.status == "not checked"
        assert "120 rows in these weeks; quality.min_readings is 200" in check.said
    assert the("max_difference_kg", measured).observed == pytest.approx(98 / 120)


def test_less_than_usual_is_seen():
    weeks = [good(200) for _ in range(20)]
    assert the("least_volume", weekly(weeks)).status == "passed"
    for k in range(15, 19):
        weeks[k] = good(60)
    check = the("least_volume", weekly(weeks))
    assert check.status == "failed"
    assert (check.observed, check.baseline) == (60, 200)
    assert the("least_volume", weekly(weeks), least_volume=0.2).status == "passed"
    assert the("least_volume", weekly(weeks[:5])).status == "not checked"


def test_a_source_that_stops_sending_is_told():
    """0.1 never told."""
    daily = [MONDAY - timedelta(days=k) for k in range(60, 0, -1)]
    days = {"scale": daily[:-9], "clinic": daily}
    measured = weekly([good()], days=days.items())
    check = the("max_silence", measured)
    assert check.status == "failed"
    assert "no reading for 9 days, usually every 1.0" in check.said
    assert the("max_silence", measured, max_silence=9).status == "passed"
    few = weekly([good()], days={"scale": daily[:5], "clinic": daily}.items())
    assert the("max_silence", few).status == "not checked"


def ingest(day, status="completed", **more):
    started = f"{day}T03:00:00.000Z"
    run = {"kind": "ingest", "rows_in": 10, "quarantined": 0, "started_at": started}
    return run | {"status": status} | more


def test_an_ingest_that_comes_no_more_is_told():
    days = [date(2024, 6, k) for k in range(1, 21)]
    runs = [ingest(day) for day in reversed(days)]
    for late, status in ((1, "passed"), (9, "failed")):
        asked = datetime(2024, 6, 20, tzinfo=UTC) + timedelta(days=late)
        measured = weekly([good()], runs=runs, asked=asked)
        check = the("max_silence", measured, source=checks.ALL)
        assert check.status == status
    assert "no ingest for 9 days, usually every 1.0" in check.said


def test_a_run_that_was_killed_is_not_under_way_for_ever():
    asked = datetime(2024, 6, 2, 4, tzinfo=UTC)
    hour, month = ({"started_at": f"2024-0{m}-02T03:00:00.000Z"} for m in (6, 5))
    running = {"kind": "ingest", "status": "running"}
    ended = running | hour | {"status": "completed"}
    assert quality._state(running | hour, [], asked) == "under way"
    assert quality._state(running | month, [], asked) == "never ended"
    assert quality._state(running | hour, [ended], asked) == "never ended"
    assert quality._state(ended, [], asked) == "completed"


def test_the_checks_as_other_tools_read_them():
    measured = measured_of(changed(rejected=Counter(outlier=500)))
    found = checks.checks(measured, Quality())
    told = checks.validation(found, datetime(2024, 6, 2, tzinfo=UTC))
    assert told["success"] is False
    failed = [one for one in told["results"] if not one["success"]]
    kinds = {one["expectation_config"]["type"] for one in failed}
    assert kinds == {"weightstream_max_rejected"}
    assert failed[0]["result"]["observed_value"] == pytest.approx(1 / 3, abs=1e-4)
    counts = told["statistics"]
    assert counts["evaluated_expectations"] + len(told["meta"]["not_checked"]) == len(found)
    assert counts["successful_expectations"] == counts["evaluated_expectations"] - len(failed)
    assert {*checks.TO_DO} >= {check.metric for check in found}


def test_too_few_readings_are_not_checked():
    measured = measured_of(changed(inside_95=500))
    assert checks.breaches(measured, Quality(min_readings=1000)) != []
    assert checks.breaches(measured, Quality(min_readings=1001)) == []


def test_weeks_before_the_checked_ones_do_not_count():
    bad = changed(rejected=Counter(outlier=5000))
    measured = measured_of(good(), before=bad)
    assert checks.breaches(measured, Quality(weeks=13)) == []
    assert checks.breaches(measured, Quality(weeks=20)) == []
    assert checks.breaches(measured, Quality(weeks=21)) != []
    assert checks.breaches(measured, Quality(weeks=0)) != []


def test_what_a_source_takes_back_is_not_held_against_it():
    taken_back = Counter(superseded=300, retracted=200)
    measured = measured_of(changed(rejected=taken_back + Counter(outlier=100)))
    assert checks.breaches(measured, Quality(max_rejected=0.091)) == []
    (said,) = checks.breaches(measured, Quality(max_rejected=0.09))
    assert "9.1% of 1,100 readings" in said


def test_a_drift_that_may_be_chance_is_none():
    noisy = {"squares": 100_000.0}  # SD 10 kg: the mean of 1,000 readings is known to 0.3 kg
    now, before = changed(difference=300.0, **noisy), changed(difference=-300.0, **noisy)
    change, error = quality.drift(measured_of(now, before), "scale", Quality())
    assert change == pytest.approx(0.6)
    assert error == pytest.approx(0.45, abs=0.01)
    limits = Quality(max_drift_kg=0.5, coverage_95_tolerance=1)
    assert checks.breaches(measured_of(now, before), limits) == []


def test_the_newest_ingest_is_checked_by_itself():
    """A feed whose times cannot be read has no weeks, but it came in."""
    measured = measured_of(good(), run={"quarantined": 20})
    (said,) = checks.breaches(measured, Quality(max_quarantined=0.19))
    assert said.startswith("the newest ingest: 20.0% of 100 rows")
    assert checks.breaches(measured, Quality(max_quarantined=0.2)) == []


def test_a_store_without_readings_passes(data_dir):
    from weightstream.store.connection import open_writer

    with open_writer(data_dir) as connection:
        measured = quality.measure(connection)
    assert measured.weeks == {}
    assert checks.breaches(measured, Quality()) == []


def test_reasons_are_those_of_the_schema(measured):
    for source in measured.weeks:
        assert set(measured.of(source).rejected) <= set(REASONS)
