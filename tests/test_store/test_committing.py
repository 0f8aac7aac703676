"""Two writers who touch the same persons: nothing is lost, nothing doubled."""

import sqlite3
from datetime import UTC, datetime

import numpy as np
import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.errors import StaleRevision, StoreError
from weightstream.intake.cleaning import Rules
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in
from weightstream.judging.causal import Judging
from weightstream.judging.stored import NOTHING_STORED
from weightstream.pipeline import judge_for_store
from weightstream.readers import ReadOptions
from weightstream.store.committing import ATTEMPTS, commit
from weightstream.store.connection import STORE_NAME, ReadPool, open_writer
from weightstream.store.erasing import delete_person
from weightstream.store.runs import begin_run, register_files
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.writing import write_result

CONFIG = Config()
JUDGING = Judging(CONFIG.kalman, CONFIG.sources, PRIOR, "UTC", 1)
PERSONS = ("ann", "bob", "cid", "dee", "eve")
RECORD_STATEMENTS = (
    "select user_id, effective_at, verdict, reason, expected_kg, level_kg, version"
    " from current_decisions order by 1, 2, 3"
)


def days(*numbers, persons=PERSONS):
    return [(user, f"2024-01-{day:02}", f"{80 + day % 3}") for user in persons for day in numbers]


class Writer:
    """One process: it reads and judges a file now, and writes when told to."""

    def __init__(self, data_dir, path, fresh_dir, store_known):
        self.data_dir, self.path = data_dir, data_dir / STORE_NAME
        intake = take_in(
            [path], ReadOptions(), Rules(datetime(2026, 1, 1, tzinfo=UTC)), Selection(CONFIG.data),
            fresh_dir(), 1000, on_rows=lambda rows: None, threads=1,
        )  # fmt: skip
        (self.part,) = intake.parts(1, 100)
        self.pool = ReadPool(data_dir, 1)
        self.asked, self.counted = [], 0
        with open_writer(data_dir) as connection:
            self.run = begin_run(connection, self.path, str(id(self)), "ingest")
            self.numbers = np.array(register_files(connection, self.path, intake.files, self.run))
        self.decided = self.judge() if store_known else self.judge(connected=False)

    def judge(self, persons=None, connected=True):
        with self.pool.connection() as connection:
            stored = StoredPersons(connection) if connected else NOTHING_STORED
            return judge_for_store(self.part, JUDGING, self.numbers, stored, persons)[0]

    def again(self, persons):
        self.asked.append(tuple(persons))
        return self.judge(persons)

    def count(self, decided, start, stop):
        self.counted += int(decided.counts(start, stop, 1).sum())

    def write(self, users_per_commit=2):
        with open_writer(self.data_dir) as connection:
            commit(
                connection, self.path, self.decided, self.again, self.run, users_per_commit,
                self.count,
            )  # fmt: skip
        self.pool.close()


@pytest.fixture
def writer(csv_of, fresh_dir):
    def make(data_dir, rows, store_known=True):
        return Writer(data_dir, csv_of(*rows), fresh_dir, store_known)

    return make


def said(data_dir):
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        rows = connection.execute(RECORD_STATEMENTS).fetchall()
        counts = connection.execute(
            "select user_id, readings, revision from users order by 1"
        ).fetchall()
    connection.close()
    return rows, counts


@pytest.mark.parametrize("store_known", [True, False])
@pytest.mark.parametrize("users_per_commit", [1, 2, 100])
def test_who_comes_second_judges_again(
    writer, store_files, csv_of, fresh_dir, store_known, users_per_commit
):
    """Both read an empty store; the second to write finds three of its five persons changed."""
    data_dir, quiet_dir = fresh_dir(), fresh_dir()
    mine = days(1, 2, 3, 4, 5, 6)
    theirs = days(3, 7, 8, persons=("bob", "cid", "eve"))
    first, second = writer(data_dir, theirs), writer(data_dir, mine, store_known)
    first.write()
    second.write(users_per_commit)
    assert first.asked == []
    assert {user for persons in second.asked for user in persons} >= {"bob", "cid", "eve"}
    assert second.counted == len(mine)
    store_files(quiet_dir, csv_of(*theirs))
    store_files(quiet_dir, csv_of(*mine))
    assert said(data_dir) == said(quiet_dir)


def test_nothing_of_a_stale_transaction_is_written(writer, fresh_dir):
    data_dir = fresh_dir()
    first = writer(data_dir, days(9, persons=("cid",)))
    second = writer(data_dir, days(1, 2))
    first.write()
    with open_writer(data_dir) as connection, pytest.raises(StaleRevision) as raised:
        list(write_result(connection, second.path, second.decided, second.run, 2))
    assert raised.value.user_ids == ["cid"]
    assert [row[0] for row in said(data_dir)[1]] == ["ann", "bob", "cid"]  # the first two fit
    assert said(data_dir)[1][2] == ("cid", 1, 1)


def test_a_run_that_an_erasure_ended_writes_nothing(writer, fresh_dir):
    """It may have read the person; that it was not seen is a matter of a removed lock file."""
    data_dir = fresh_dir()
    late = writer(data_dir, days(1, 2))
    with open_writer(data_dir) as connection:
        delete_person(connection, late.path, "ann", "token", "check")
    with pytest.raises(StoreError, match="a person was erased during this run; run it again"):
        late.write()
    assert said(data_dir) == ([], [])


def test_a_person_who_never_rests(writer, fresh_dir, monkeypatch):
    data_dir = fresh_dir()
    mine = writer(data_dir, days(1, persons=("ann",)))
    stale = mine.decided
    writer(data_dir, days(2, persons=("ann",))).write()
    monkeypatch.setattr(Writer, "judge", lambda self, persons=None: stale)
    with pytest.raises(StoreError, match="kept changing the same persons"):
        mine.write()
    assert len(mine.asked) == ATTEMPTS
    assert said(data_dir)[1] == [("ann", 1, 1)]


def test_each_commit_is_told_once(writer, fresh_dir):
    told = []
    one = writer(fresh_dir(), days(1, 2))
    one.count = lambda decided, start, stop: told.append((start, stop))
    one.write(users_per_commit=2)
    assert told == [(0, 2), (2, 4), (4, 5)]
