"""The page of uncertain readings."""

import re

import pytest

from weightstream.outputs.drawing import erase_pages
from weightstream.outputs.pages.review import picture, review_page


def row_of(person, i):
    names = ("measurement_id", "effective_at", "source", "verdict", "reason", "weight_kg")
    said = {name: person.columns[name][i] for name in names}
    return said | {"user_id": person.user_id, "explanation": "expected 80-82 kg; <b>"}


def test_each_reading_has_its_words_its_picture_and_both_commands(make_person):
    person = make_person(60, 1, "<i>ann")
    rows = [row_of(person, 40), row_of(person, 3)]
    page = review_page(rows, {person.user_id: person}, "id").decode()
    assert page.count("<svg") == 2
    for row in rows:
        commands = re.findall(rf"override {row['measurement_id']} (\w+) --by NAME", page)
        assert sorted(commands) == ["accept", "reject"]
        assert f"#{row['measurement_id']}" in page
    assert "<i>ann" not in page
    assert "&lt;i&gt;ann" in page
    assert "expected 80-82 kg; &lt;b&gt;" in page
    assert page.index(rows[0]["measurement_id"]) < page.index(rows[1]["measurement_id"])


def test_a_picture_shows_the_neighbours_and_rings_the_reading(make_person):
    person = make_person(60, 1)
    near = abs(person.day - person.day[40]) <= 60
    drawn = picture(row_of(person, 40), person)
    rejected = [v == "rejected" for v in person.columns["verdict"]]
    assert drawn.count('class="asked"') == 1
    assert drawn.count('r="3.5"') == sum(near) - sum(near & rejected)
    x, y = map(float, re.search(r'"asked" cx="([\d.]+)" cy="([\d.]+)"', drawn).groups())
    assert x == 210.0  # in the middle of its sixty days on either side
    assert 0 < y < 150


def test_an_empty_queue_says_so():
    assert b"Nothing to review" in review_page([], {})


@pytest.mark.parametrize("page", ["review.html", "failing.html"])
def test_an_erasure_takes_the_page_along(tmp_path, page):
    (tmp_path / "persons").mkdir()
    (tmp_path / page).write_text("ann: 80 kg")
    erase_pages(tmp_path, "ann")
    assert not (tmp_path / page).exists()
