"""What an erasure keeps in mind until it is done, and files that it cannot search.

That one which is cut short anywhere ends as an undisturbed one is in tests/torture/test_kills.py.
"""

import json
import resource

import pytest

from tests.running import configured, draw_pages, run
from weightstream.erasing import erasure
from weightstream.erasing.erasure import erase_person

HEAD = "user_id,effectiveDateTime,weight,unit,source_type\n"


class Killed(BaseException):
    pass


@pytest.fixture
def shared(store, decide, id_of):
    """Ann's reading is Ben's by a reviewer's word; pages are drawn; a source lies in the inbox."""
    decide(store, id_of(store, "80.20"), "assign", "b")
    source = store / "inbox/done/weights.csv"
    source.parent.mkdir(parents=True)
    source.write_text(f"{HEAD}a,2024-01-01,80,kg,scale\nb,2024-01-01,60,kg,scale\n")
    draw_pages(store)
    return store


def test_what_is_left_to_do_is_kept_until_it_is_done(shared, rows_of, monkeypatch):
    def killed(*_):
        raise Killed

    monkeypatch.setattr(erasure, "_sweep", killed)
    with pytest.raises(Killed):
        erase_person(configured(shared), "a")
    ((finished, left),) = rows_of(shared, "select finished_at, left_to_do from erasures")
    assert finished is None
    assert json.loads(left)["persons"] == ["b"]
    assert len(json.loads(left)["files"]) == 1


@pytest.mark.parametrize("room", [0, 4096, 65_536])
def test_without_room_it_is_one_sentence_and_the_next_try_ends_it(shared, rows_of, room):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        done = run("erase", "--yes", "--rewrite", "a", "--data-dir", shared)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert run("erase", "--yes", "--rewrite", "a", "--data-dir", shared).exit_code == 0
    assert rows_of(shared, "select user_id from users") == [("b",)]
    source = shared / "inbox/done/weights.csv"
    assert source.read_text() == f"{HEAD}\nb,2024-01-01,60,kg,scale\n"
    assert not list(shared.rglob("*.tmp"))


ODD = {
    "carriage return": b"user_id,weight\rann,80\r",
    "no parquet": b"PAR1 and nothing else, a PAR1",
    "no zip": b"PK\x03\x04 and nothing else, a",
    "no gzip": b"\x1f\x8b and nothing else, a",
    "nul": b"user_id,weight\x00\na,80\n",
    "long cell": b"user_id,weight\n" + b'"' + b"a" * 200_000 + b"\n",
    "surrogate": b'{"user_id": "\\ud800 a"}\n{"user_id": "a"}\n',
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_blocks_no_erasure(shared, rows_of, name):
    (shared / "inbox/failed").mkdir()
    (shared / "inbox/failed/odd.csv").write_bytes(ODD[name])
    erased = erase_person(configured(shared), "a", rewrite=True)
    assert rows_of(shared, "select user_id from users") == [("b",)]
    assert rows_of(shared, "select finished_at is null from erasures") == [(0,)]
    source = shared / "inbox/done/weights.csv"
    assert source.read_text() == f"{HEAD}\nb,2024-01-01,60,kg,scale\n"
    assert set(erased.left) <= {shared / "inbox/failed/odd.csv"}


def test_what_a_reader_trips_over_is_listed(shared, monkeypatch, rows_of):
    def tripped(*_):
        raise ZeroDivisionError

    odd = shared / "inbox/failed/odd.csv"
    odd.parent.mkdir()
    odd.write_text(f"{HEAD}a,2024-01-01,80,kg,scale\n")
    monkeypatch.setattr("weightstream.erasing.holdings.is_export", tripped)
    erased = erase_person(configured(shared), "a")
    assert erased.left[odd] == "it cannot be searched: check or delete it"
    assert rows_of(shared, "select user_id from users") == [("b",)]
