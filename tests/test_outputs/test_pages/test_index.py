"""The list of all persons."""

from dataclasses import replace

import numpy as np
import pytest

from weightstream.outputs.pages import index, page
from weightstream.outputs.pages.changes import direction
from weightstream.outputs.pages.courses import Alert


def test_a_row_sums_up_a_person(make_person):
    person = make_person(100)
    row = index.index_row(person, "id")
    assert tuple(row) == index.INDEX_COLUMNS
    assert row["page"] == "person-1.html"
    assert row["readings"] == 100
    assert row["rejected"] == person.columns["verdict"].count("rejected") > 0
    assert row["level_kg"] == pytest.approx(person.columns["level_kg"][-1], abs=0.01)
    assert row["last"] == person.columns["effective_at"][-1][:10]


def test_a_person_without_a_level_still_has_a_row(make_person):
    person = make_person(2)
    for name in ("level_kg", "level_lo_kg", "level_hi_kg", "trend_kg_per_week"):
        person.columns[name][:] = [None, None]
    row = index.index_row(person)
    assert row["level_kg"] is None
    assert row["spark"] == ""
    assert row["readings"] == 2


def test_the_level_is_rounded_once_to_grams(make_person):
    """Rounded to 0.01 kg, 23.845 became 23.85 and was shown as 23.9; its page showed 23.8."""
    person = make_person(3)
    person.columns["level_kg"][-1] = 23.8452
    assert index.index_row(person)["level_kg"] == 23.845


def test_the_change_is_that_of_four_weeks_and_says_where_it_goes(make_person):
    person = make_person(100)
    four = next(c for c in person.trend.newest if c.name == "4 weeks")
    row = index.index_row(person)
    assert row["change_28d_kg"] == pytest.approx(four.kg, abs=1e-3)
    assert row["change_28d_lo_kg"] < row["change_28d_kg"] < row["change_28d_hi_kg"]
    assert row["direction"] == direction(person.trend.newest)[0]
    short = index.index_row(make_person(3))
    assert (short["change_28d_kg"], short["direction"]) == (None, None)


def test_an_alert_keeps_its_date(make_person):
    """Whether it is recent is a matter of the newest reading of all, which a row does not know."""
    at = "2022-03-05T06:30:00Z"
    person = replace(
        make_person(100), alerts=[Alert(at, "rapid_gain", 3.0, 3.14159, 0.5, "2022-03-03")]
    )
    row = index.index_row(person)
    assert row["alert"] == ("rapid_gain", 3, 3.14, 0.5, "2022-03-05", "new", "2022-03-03")
    closed = replace(person, alerts=[replace(person.alerts[0], status="closed")])
    assert index.index_row(closed)["alert"] is None
    assert index.index_row(make_person(100))["alert"] is None


def test_copies_are_no_rejected_readings(make_person):
    person = make_person(100)
    rejected = person.columns["verdict"].count("rejected")
    for row in (20, 30):
        person.columns["verdict"][row], person.columns["reason"][row] = "rejected", "repeat"
    row = index.index_row(person)
    assert row["copies"] == 2
    assert row["rejected"] <= rejected


def test_a_spark_rises_with_the_level_and_is_flat_for_noise():
    day = np.arange(100.0)
    rising = [index.SPARK_ALPHABET.index(c) for c in index.spark(day, 80 + 0.1 * day)]
    assert rising == sorted(rising)
    assert (rising[0], rising[-1]) == (0, 63)
    flat = {index.SPARK_ALPHABET.index(c) for c in index.spark(day, 80 + 0.01 * np.sin(day))}
    assert max(flat) - min(flat) <= 2
    assert len(index.spark(np.array([5.0]), np.array([80.0]))) == index.SPARK_POINTS


def test_a_spark_knows_nothing_of_the_years_before():
    """Two readings nine years apart are no rise in the last one."""
    apart = index.spark(np.array([0.0, 3290.0]), np.array([81.0, 95.0]))
    assert len(set(apart)) == 1


def test_an_index_can_be_read_back_and_goes_on_from_there(tmp_path, make_person):
    ids = ["b", "</script>", "a"]
    rows = [index.index_row(make_person(5, user_id=user_id)) for user_id in ids]
    path = tmp_path / "index.html"
    page.write_page(path, index.index_page(rows))
    again = index.read_index(path)
    assert list(again) == sorted(ids)
    assert {row["user_id"]: row for row in rows} == again
    assert index.index_page(again.values()) == path.read_bytes()


@pytest.mark.parametrize(
    "content", [None, b"", b"<html>", b'<script type="application/json" id="data">{</script>']
)
def test_no_index_or_a_strange_one_is_none(tmp_path, content):
    path = tmp_path / "index.html"
    if content is not None:
        path.write_bytes(content)
    assert index.read_index(path) is None


def test_an_index_of_another_version_is_none(tmp_path):
    path = tmp_path / "index.html"
    path.write_bytes(index.index_page([]).replace(b'"spark"', b'"spork"'))
    assert index.read_index(path) is None


def test_an_empty_fleet_has_a_page():
    assert b'"user_id":[]' in index.index_page([])


def test_recent_alerts_are_those_that_nobody_has_looked_at(make_person):
    def row(last, *alerts):
        person = make_person(3)
        person.columns["effective_at"][:] = [f"{last}T07:00:00Z"] * 3
        made = [Alert(f"{at}T07:00:00Z", kind, 3.0, 2.4, 0.8, at, s) for at, kind, s in alerts]
        return index.index_row(replace(person, alerts=made))

    gain, fall = ("2024-05-29", "rapid_gain", "new"), ("2024-05-29", "weight_loss", "new")
    seen = ("2024-05-30", "unusual", "acknowledged")
    rows = {
        "several": row("2024-05-30", gain, fall, seen),
        "edge": row("2024-05-01", ("2024-05-01", "rapid_gain", "new")),
        "old": row("2024-05-31", ("2024-04-30", "rapid_gain", "new")),
        "seen": row("2024-05-30", seen),
        "calm": row("2024-05-31"),
    }
    assert index.recent_alerts(rows) == [
        ("several", "rapid_gain", "2024-05-29"),
        ("several", "weight_loss", "2024-05-29"),
        ("edge", "rapid_gain", "2024-05-01"),
    ]
    assert (
        index.recent_alerts({})
        == index.recent_alerts({"none": {"last": None, "alerts": None}})
        == []
    )
