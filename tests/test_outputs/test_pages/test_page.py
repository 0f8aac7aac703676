"""Pages of persons: what they hold, how they are named, how they reach the disk."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream.outputs.pages import page
from weightstream.outputs.pages.template import PLOTLY

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "../../etc/passwd",
    "a\\b/c:d*e?f",
    "x" * 500,
    " ",
    "\u202eafter\u0000zero",
    "Ĳş̣\U0001f9d1",
    "&lt;b&gt;",
    '"><b>',
]


def held(content: bytes) -> dict[str, Any]:
    found = re.findall(rb'<script type="application/json" id="data">(.*?)</script>', content, re.S)
    assert len(found) == 1
    return orjson.loads(found[0])


def test_a_page_holds_each_reading_as_the_export_has_it(make_person):
    person = make_person(100)
    data = held(page.person_page(person))
    columns = person.columns
    assert data["time"] == columns["effective_at"]
    assert data["kg"] == columns["weight_kg"]
    codes = data["source"]
    assert [data["sources"][code] for code in codes] == columns["source"]
    assert [data["verdicts"][code] for code in data["verdict"]] == columns["verdict"]
    assert [data["reasons"][code][0] for code in data["reason"]] == columns["reason"]
    wanted = {i: round(v, 2) for i, v in enumerate(columns["suggested_kg"]) if v is not None}
    assert dict(zip(data["suggested"]["rows"], data["suggested"]["kg"], strict=True)) == wanted
    assert data["shifts"][0][1] - data["shifts"][0][2] == pytest.approx(4.0)


def test_columns_may_be_empty_and_one_reading_is_enough(make_person):
    person = make_person(1)
    person.columns["suggested_kg"][0] = None
    for name in ("p_valid", "expected_kg", "expected_lo_kg", "level_kg", "trend_kg_per_week"):
        person.columns[name][0] = None
    data = held(page.person_page(person))
    assert data["level"] == [None]
    assert data["verdicts"][data["verdict"][0]] == person.columns["verdict"][0]
    assert data["suggested"] == {"rows": [], "kg": []}


def test_an_undecided_reading_is_neither_accepted_nor_rejected(make_person):
    person = make_person(3)
    person.columns["verdict"][:] = ["accepted", None, "rejected"]
    data = held(page.person_page(person))
    assert [data["verdicts"][code] for code in data["verdict"]] == [
        "accepted",
        "undecided",
        "rejected",
    ]


@pytest.mark.parametrize(("readings", "limit"), [(100, 60_000), (2000, 300_000)])
def test_pages_stay_small(make_person, readings, limit):
    assert len(page.person_page(make_person(readings))) <= limit


@pytest.mark.parametrize("user_id", HOSTILE)
def test_no_text_of_a_person_becomes_markup(make_person, user_id):
    person = make_person(5, user_id=user_id)
    person.columns["source"][:] = [user_id] * 5
    person.columns["file"][:] = [user_id] * 5
    content = page.person_page(person)
    plain = page.person_page(make_person(5, user_id="plain"))
    assert content.count(b"<") == plain.count(b"<")
    assert held(content)["user"] == user_id
    assert held(content)["sources"] == [user_id]


def test_a_person_called_like_a_placeholder_gets_one_copy_of_the_data(make_person):
    content = page.person_page(make_person(5, user_id="{{data}}"))
    assert held(content)["user"] == "{{data}}"
    assert content.count(b'"zone"') == 1


def test_pages_name_no_other_place():
    folder = Path(page.__file__).parent / "assets"
    for asset in filter(Path.is_file, folder.iterdir()):
        text = asset.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", text), asset.name


@pytest.mark.parametrize("naming", ["hash", "id"])
@given(a=st.text(max_size=600), b=st.text(max_size=600))
def test_file_names_are_safe_and_distinct(naming, a, b):
    names = [page.file_name(user_id, naming) for user_id in (a, b)]
    for name in names:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_~-]{0,100}\.html", name)
    assert (names[0] == names[1]) == (a == b)


@pytest.mark.parametrize("user_id", [*HOSTILE, "con", "CON", "nul", "lpt1", "Anna", "anna", ""])
def test_ids_keep_apart_where_case_does_not_count(user_id):
    name = page.file_name(user_id, "id")
    others = [page.file_name(x, "id") for x in ("anna", "ANNA", "aNNA") if x != user_id]
    assert name.lower() not in [other.lower() for other in others]
    assert name.split(".")[0] not in ("con", "nul", "lpt1")


def test_hashed_names_do_not_show_the_id():
    assert "alice" not in page.file_name("alice", "hash")
    assert page.file_name("alice", "id") == "alice.html"


def test_a_page_is_private_and_written_once(tmp_path):
    path = tmp_path / "a.html"
    assert page.write_page(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert not page.write_page(path, b"one")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert page.write_page(path, b"two")
    assert path.read_bytes() == b"two"


def test_a_failed_write_leaves_the_old_page_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    page.write_page(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        page.write_page(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.html"]
    assert path.read_bytes() == b"old"


def test_assets_hold_plotly_once_and_everything_that_pages_ask_for(tmp_path, make_person):
    page.write_assets(tmp_path)
    content = page.person_page(make_person(3)).decode()
    asked = re.findall(r'(?:src|href)="([^"#]+)"', content)
    (tmp_path / "index.html").touch()
    for link in asked:
        if not link.startswith("data:"):
            assert (tmp_path / page.PERSONS / link).resolve().is_file(), link
    assert len(list(tmp_path.rglob("plotly*"))) == 1
    assert sum(path.stat().st_size for path in (tmp_path / "assets").iterdir()) < 1_500_000
    assert stat.S_IMODE((tmp_path / page.PERSONS).stat().st_mode) == 0o700


def test_the_plotly_of_pages_is_the_version_that_its_note_names():
    package, hashed = (Path(str(PLOTLY)).parent / "npm").read_text().split()
    assert hashed.startswith("sha512-")
    name, version = package.split("@")
    assert name == "plotly.js-basic-dist-min"
    head = PLOTLY.read_bytes()[:200].decode()
    assert f"(basic - minified) v{version}\n" in head


def test_pages_of_persons_who_left_go_with_their_pictures(tmp_path):
    page.write_assets(tmp_path)
    for name in ("a.html", "a.png", "b.html", "b.png", "c.html.99999999-2.tmp"):
        (tmp_path / page.PERSONS / name).touch()
    assert page.remove_pages(tmp_path, ["a.html"]) == 3
    assert sorted(os.listdir(tmp_path / page.PERSONS)) == ["a.html", "a.png"]
