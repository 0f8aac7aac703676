"""The list of all persons."""

import numpy as np
import pytest

from weightstream.outputs.pages import index, page


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


@pytest.mark.parametrize(
    ("dates", "change"),
    [
        (["2024-01-01", "2024-01-21", "2024-02-10"], -6.0),  # from 40 days before
        (["2024-01-01", "2024-01-11", "2024-02-10"], -4.0),  # from exactly 30 days before
        (["2024-02-01", "2024-02-05", "2024-02-10"], None),  # not yet 30 days
        (["2023-01-01", "2023-02-05", "2024-02-10"], None),  # the last one is a year ago
    ],
)
def test_change_is_that_of_the_level_in_about_thirty_days(make_person, dates, change):
    person = make_person(3)
    person.day[:] = np.array(dates, "datetime64[D]").astype(float)
    person.columns["level_kg"][:] = [90.0, 88.0, 84.0]
    assert index.index_row(person)["change_30d_kg"] == change


def test_a_spark_rises_with_the_level_and_is_flat_for_noise():
    day = np.arange(100.0)
    rising = [index.SPARK_ALPHABET.index(c) for c in index.spark(day, 80 + 0.1 * day)]
    assert rising == sorted(rising)
    assert (rising[0], rising[-1]) == (0, 63)
    flat = {index.SPARK_ALPHABET.index(c) for c in index.spark(day, 80 + 0.01 * np.sin(day))}
    assert max(flat) - min(flat) <= 2
    assert len(index.spark(np.array([5.0]), np.array([80.0]))) == index.SPARK_POINTS


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
