"""An excerpt answers for its persons as the store does, and holds no one else."""

import sqlite3
from contextlib import closing
from functools import partial

import pyarrow as pa
import pytest

from weightstream.errors import StoreError
from weightstream.exports.decisions import current_decisions
from weightstream.store import reading
from weightstream.store.excerpt import excerpt, opened
from weightstream.store.histories import histories

PERSONS = ("ann-of-here", "bob-of-here", "cid-of-there")


@pytest.fixture
def path(csv_of, store_files, fresh_dir):
    data_dir = fresh_dir()
    for first in (1, 5, 15):  # several runs and files, and a level that shifts
        rows = [
            (user, f"2024-01-{day:02}", f"{(80 if day < 10 else 60) + day % 3}")
            for user in PERSONS
            for day in range(first, first + 7)
        ]
        store_files(data_dir, csv_of(*rows))
    return data_dir / "weightstream.db"


def test_the_same_answers_for_some(path):
    some = list(PERSONS[:2])
    with closing(sqlite3.connect(path)) as store, closing(opened(excerpt(path, some))) as part:
        assert reading.user_ids(part) == some
        for ask in (reading.persons, reading.shifts, reading.readings):
            assert ask(store, some) == ask(part, some) != {}
        here, there = (histories(one, some, "UTC") for one in (store, part))
        assert here.replaced == there.replaced != {}
        assert repr(here.columns) == repr(there.columns)
        for ask in (reading.history, partial(reading.current, stage="causal"), reading.spellings):
            assert len(ask(store, some)) > 20
            assert ask(store, some).equals(ask(part, some))
        both = [pa.concat_tables(current_decisions(one, "UTC", some)) for one in (store, part)]
        assert both[0].equals(both[1])
        assert reading.setting(part, "timezone") == "UTC"


def test_no_one_else_is_in_it(path):
    image = excerpt(path, PERSONS[:2])
    assert PERSONS[0].encode() in image
    assert PERSONS[2].encode() in path.read_bytes()
    assert PERSONS[2].encode() not in image
    for name in ("quarantine", "erasures"):
        with closing(opened(image)) as part:
            assert part.execute(f"select count(*) from {name}").fetchone() == (0,)


def test_readings_that_are_assigned_to_them_come_along(path):
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(
            "insert into overrides (user_id, effective_at, measurement_id, action, assigned_to) "
            "select user_id, effective_at, measurement_id, 'assign', ? from measurements "
            "where user_id = ? limit 1",
            (PERSONS[0], PERSONS[2]),
        )
    some = [PERSONS[0]]
    with closing(sqlite3.connect(path)) as store, closing(opened(excerpt(path, some))) as part:
        moved = reading.overrides(part, some)
        assert moved.equals(reading.overrides(store, some))
        key = moved.select(["user_id", "effective_at", "measurement_id"])
        assert len(reading.assigned(part, key)) == 1
        assert reading.assigned(part, key).equals(reading.assigned(store, key))


def test_of_persons_whom_it_does_not_know(path):
    with closing(opened(excerpt(path, ["someone else"]))) as part:
        assert reading.user_ids(part) == []
        assert len(reading.history(part, ["someone else"])) == 0


def test_it_is_read_while_another_process_writes(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin immediate")
        writer.execute("update users set revision = 99")
        with closing(opened(excerpt(path, PERSONS))) as part:
            assert max(row[0] for row in reading.persons(part, PERSONS).values()) < 99
        writer.execute("rollback")


def test_no_store(tmp_path):
    with pytest.raises(StoreError, match=r"weightstream\.db: cannot be written \(unable to open"):
        excerpt(tmp_path / "weightstream.db", ["a"])
