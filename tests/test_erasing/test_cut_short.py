"""An erasure that is cut short anywhere and run again ends as if nothing had happened."""

import json
import shutil
import sqlite3

import pytest

from tests.running import configured, draw_pages
from weightstream.erasing import erasure
from weightstream.erasing.erasure import erase_person
from weightstream.store.connection import STORE_NAME

STEPS = (
    "apply_pending", "erase_pages", "_redraw", "_sweep",
    "erasing.nothing_left", "erasing.scrub", "erasing.finish",
)  # fmt: skip
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


def state(data_dir):
    """Every table without times and numbers of runs, and every other file."""
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        tables = {
            "users": "select user_id, readings, rejected, level_kg, dirty from users",
            "decisions": "select user_id, measurement_id, version, verdict, reason, level_kg "
            "from decisions",
            "measurements": "select * from measurements",
            "overrides": "select user_id, measurement_id, action, assigned_to from overrides",
            "erasures": "select finished_at is null, left_to_do from erasures",
        }
        rows = {name: connection.execute(query).fetchall() for name, query in tables.items()}
    connection.close()
    files = {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in data_dir.rglob("*")
        if path.is_file() and not path.name.startswith((STORE_NAME, "erasure.", "runs."))
    }
    return rows, files


@pytest.mark.parametrize("step", STEPS)
def test_it_ends_as_an_undisturbed_one(shared, tmp_path, monkeypatch, step):
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(shared, undisturbed)
    erase_person(configured(undisturbed), "a", rewrite=True)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as cut:
        cut.setattr(f"weightstream.erasing.erasure.{step}", killed)
        with pytest.raises(Killed):
            erase_person(configured(shared), "a", rewrite=True)
    erase_person(configured(shared), "a", rewrite=True)
    assert state(shared) == state(undisturbed)


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
    assert erased.left[odd] == "it cannot be searched: look at it, or delete it"
    assert rows_of(shared, "select user_id from users") == [("b",)]
