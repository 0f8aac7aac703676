"""What lies where the store and its files belong is told in one sentence."""

import os
import sqlite3

import pytest

from tests.running import run
from weightstream.store.connection import STORE_NAME


@pytest.mark.parametrize("lock", ["runs.lock", "erasure.lock"])
def test_a_folder_where_a_lock_belongs(store, lock, tmp_path):
    (store / lock).unlink(missing_ok=True)
    (store / lock).mkdir()
    for command in (("export", tmp_path / "out.csv"), ("erase", "b"), ("check",)):
        done = run(*command, "--data-dir", store)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert f"{lock} is a folder" in done.stderr


def test_an_erasure_goes_on_where_there_can_be_no_pages(store, rows_of):
    (store / "dashboards").write_text("no folder")
    done = run("erase", "b", "--data-dir", store)
    assert done.exit_code == 1
    assert f"left: {store / 'dashboards'}: pages cannot be written again" in done.stdout
    assert rows_of(store, "select user_id from users") == [("a",)]


def test_a_store_that_is_a_link_is_restored_where_it_is(store, tmp_path, exported):
    real = store.with_name("real.db")
    os.rename(store / STORE_NAME, real)
    (store / STORE_NAME).symlink_to(real)
    before = exported(store)
    assert run("backup", tmp_path / "saved.db", "--data-dir", store).exit_code == 0
    assert run("erase", "of nobody", "--in-advance", "--data-dir", store).exit_code == 0
    done = run("restore", tmp_path / "saved.db", "--overwrite", "--data-dir", store)
    assert done.exit_code == 0, done.output
    assert (store / STORE_NAME).is_symlink()
    assert exported(store) == before
    assert store.with_name(f"{STORE_NAME}.before-restore").is_file()


def test_a_time_that_is_none_any_more_is_damage(store):
    with sqlite3.connect(store / STORE_NAME) as connection:
        connection.execute("update measurements set effective_at = '2024-13-45' where line < 4")
    connection.close()
    done = run("report", "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "run `weightstream check`" in done.stderr
