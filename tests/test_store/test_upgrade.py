"""A store of weightstream 0.1 is opened, and says under 0.2 what it would say had 0.2 made it.

data/store_of_0_1.db.gz was made by the 0.1 program: first.csv ingested with retro, second.csv
(copies in other spellings, a correction) without, parameters learnt, an erasure in advance, and
four overrides.
"""

import csv
import gzip
import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from weightstream.config import Config
from weightstream.erasing.tombstones import KEY_NAME
from weightstream.errors import StoreError
from weightstream.outputs.history import history
from weightstream.store.connection import STORE_NAME, ReadPool, open_writer
from weightstream.store.hashing import hash_row
from weightstream.store.tables import TABLES, VIEWS
from weightstream.store.verifying import columns_of, damage_of

DATA = Path(__file__).parent / "data"


@pytest.fixture
def old_dir(fresh_dir):
    data_dir = fresh_dir()
    data_dir.mkdir()
    content = gzip.decompress((DATA / "store_of_0_1.db.gz").read_bytes())
    (data_dir / STORE_NAME).write_bytes(content)
    shutil.copy(DATA / KEY_NAME, data_dir)
    return data_dir


@pytest.fixture
def upgraded(old_dir):
    with open_writer(old_dir):
        return old_dir


def export_of_0_1():
    text = gzip.decompress((DATA / "export_of_0_1.csv.gz").read_bytes()).decode()
    return list(csv.DictReader(io.StringIO(text)))


def schema(data_dir):
    with closing(sqlite3.connect(data_dir / STORE_NAME)) as connection:
        query = "select name, sql from sqlite_master where name not like 'sqlite%' order by name"
        return [row for row in connection.execute(query) if row[0] != "_sqlite_migrations"]


def test_its_tables_are_those_of_a_new_store(upgraded, fresh_dir):
    with open_writer(fresh := fresh_dir()):
        pass
    assert schema(upgraded) == schema(fresh)


def test_verdicts_stay_under_new_ids(upgraded, rows_of):
    stored = {
        former: rest
        for former, *rest in rows_of(
            upgraded,
            "select coalesce(former_id, measurement_id), c.user_id, verdict, reason, level_kg "
            "from current_decisions c left join former_ids f using (measurement_id)",
        )
    }
    before = export_of_0_1()
    assert len(before) == 124
    for row in before:
        user, verdict, reason, level = stored[row["measurement_id"]]
        assert user == row["user_id"]
        if row["raw_weight"] not in ("80500", "80.00"):  # copies, which the other one speaks for
            assert (verdict, reason) == (row["verdict"], row["reason"])
            assert level == (float(row["level_kg"]) if row["level_kg"] else None)


def test_copies_become_one_and_the_smallest_text_stays(upgraded, rows_of):
    query = (
        "select raw_weight, raw_unit from measurements where user_id = 'ann' and effective_at = ?"
    )
    assert rows_of(upgraded, query, "2024-03-01T07:00:00Z") == [("80.5", "kg")]
    assert rows_of(upgraded, query, "2024-03-02T06:00:00Z") == [("80", "kg")]
    assert rows_of(upgraded, "select count(*) from measurements") == [(122,)]


def test_former_ids_lead_to_the_measurement(upgraded, decide):
    config = Config.model_validate({"data": {"data_dir": upgraded}})
    for copy in ("6cb1a6fa40b7315e", "ffb27474bbc1eae7"):
        assert history(config, copy)[0].sentence.startswith("received: 80.5 kg of 2024-03-01")
    report = decide(upgraded, "ffb27474bbc1eae7", "reject")
    assert list(report.verdicts.values()) == ["rejected, override"]


def test_of_two_decisions_on_copies_the_later_one_is_in_force(upgraded, rows_of):
    query = "select made_by, withdrawn_by from overrides where effective_at = ? order by id"
    assert rows_of(upgraded, query, "2024-03-01T07:00:00Z") == [
        ("kim", "weightstream 0.2"),
        ("eva", None),
    ]


def test_everyone_is_due_and_then_it_is_as_if_0_2_had_read_the_files(
    upgraded, smooth, store_files, decide, fresh_dir, exported, rows_of
):
    assert rows_of(upgraded, "select count(*) from users where dirty") == [(4,)]
    smooth(upgraded)
    store_files(fresh := fresh_dir(), DATA / "first.csv")
    store_files(fresh, DATA / "second.csv")
    smooth(fresh)
    for at, action, user, note in (
        ("2024-03-02T06:00:00Z", "reject", None, "shoes"),
        ("2024-03-03T07:00:00Z", "assign", "dan", "hers"),
        ("2024-03-01T07:00:00Z", "accept", None, "first"),
    ):
        query = (
            "select measurement_id from measurements where effective_at = ? and user_id <> 'cleo'"
        )
        ((which,),) = rows_of(fresh, query, at)
        decide(fresh, which, action, user, note=note)
    assert exported(upgraded) == exported(fresh)


def test_its_files_come_again_as_duplicates(upgraded, store_files, tables):
    """0.1 did not know their column `updated`; what it adds is stored once."""
    measurements = tables(upgraded)["measurements"]
    stored = store_files(upgraded, DATA / "first.csv", DATA / "second.csv")
    assert stored.outcomes["duplicates"] == 125
    assert tables(upgraded)["measurements"] == measurements
    before = tables(upgraded, "runs", "files")
    store_files(upgraded, DATA / "first.csv", DATA / "second.csv")
    assert tables(upgraded, "runs", "files") == before


def test_a_reader_says_who_brings_it_up_to_date(old_dir):
    with (
        ReadPool(old_dir, 1) as pool,
        pytest.raises(StoreError, match="run an ingest to migrate it"),
    ):
        pool.connection().__enter__()


def test_a_store_of_before_0_1_is_refused(old_dir):
    with closing(sqlite3.connect(old_dir / STORE_NAME)) as connection:
        connection.execute("delete from _sqlite_migrations where name = 'who_withdrew'")
        connection.commit()
    with pytest.raises(StoreError, match="older than 0"), open_writer(old_dir):
        pass


def test_one_that_is_cut_short_leaves_the_store_of_0_1(old_dir, monkeypatch):
    before = schema(old_dir)

    def killed(*_):
        raise KeyboardInterrupt

    for step in ("restore_rows", "set_tables_apart"):
        with monkeypatch.context() as cut:
            cut.setattr(f"weightstream.store.migrations.{step}", killed)
            with pytest.raises(KeyboardInterrupt), open_writer(old_dir):
                pass
        assert schema(old_dir) == before
    with open_writer(old_dir) as connection:
        assert connection.execute("select count(*) from measurements").fetchone() == (122,)


def without_second_reasons(data_dir):
    """Make the store one of an earlier 0.2, whose decisions had no second reason."""
    lost = ("second_reason", "p_second")
    lines = TABLES["decisions"].splitlines()
    former = "\n".join(line for line in lines if not line.strip().startswith(lost))
    kept = [name for name, _ in columns_of("decisions") if name not in lost]
    names = ", ".join(kept)
    with closing(sqlite3.connect(data_dir / STORE_NAME)) as connection:
        connection.create_function("hashed", -1, hash_row)
        for view in VIEWS:
            connection.execute(f"drop view {view}")
        connection.execute("alter table decisions rename to of_now")
        connection.execute(former)
        connection.execute(
            f"insert into decisions ({names}, checksum) select {names}, hashed({names}) from of_now"
        )
        connection.execute("drop table of_now")
        connection.execute("delete from _sqlite_migrations where name = 'second_reasons'")
        connection.commit()


def test_an_earlier_0_2_gets_second_reasons(store, fresh_dir):
    with open_writer(fresh := fresh_dir()):
        pass
    without_second_reasons(store)
    with closing(sqlite3.connect(store / STORE_NAME)) as connection:
        query = "update decisions set p_valid = 0.5 where measurement_id in (select min("
        connection.execute(query + "measurement_id) from decisions where user_id = 'b')")
        connection.commit()
    with open_writer(store) as connection:
        assert schema(store) == schema(fresh)
        found = damage_of(connection)
        assert (found.rows, found.persons) == ({"decisions": 1}, {"b"})  # not hidden by new sums
        (known,) = connection.execute("select count(second_reason) from decisions").fetchone()
        assert known == 0


def test_a_store_of_an_earlier_0_2_learns_who_was_born_when(
    store, store_files, csv_of, rows_of, fresh_dir
):
    """It has neither the table of demographics nor their columns in the view of persons."""
    with closing(sqlite3.connect(store / STORE_NAME)) as connection:
        connection.executescript(
            "drop table demographics; drop view persons;"
            "create view persons as select * from users;"
            "delete from _sqlite_migrations where name = 'demographics'"
        )
    with open_writer(store), open_writer(fresh := fresh_dir()):
        pass
    assert schema(store) == schema(fresh)
    assert rows_of(store, "select user_id, birth_date from persons") == [("a", None), ("b", None)]
