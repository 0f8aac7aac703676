"""Backups are sound copies, made while somebody writes; who was erased since does not come back."""

import random
import sqlite3
import stat

import pytest

from tests.running import run
from weightstream.store.connection import CHECKED_ON, STORE_NAME, open_writer


@pytest.fixture
def saved(store, tmp_path):
    """A backup of the store."""
    assert run("backup", tmp_path / "saved.db", "--data-dir", store).exit_code == 0
    return tmp_path / "saved.db"


def test_what_was_committed_is_restored_and_what_follows_is_the_same(
    store, store_files, csv_of, course, exported, rows_of, smooth, fresh_dir, tmp_path
):
    before, copy = exported(store), tmp_path / "copy.db"
    with open_writer(store) as writer:
        writer.execute("begin immediate")
        writer.execute("delete from measurements")
        done = run("backup", copy, "--data-dir", store)
        writer.execute("rollback")
    assert done.stdout == f"{copy}: 22 measurements of 2 persons\n"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    # The store is lost, and a WAL of later times lies beside it.
    later, log = csv_of(("c", "2024-03-01", "70.0")), store / f"{STORE_NAME}-wal"
    reader = sqlite3.connect(store / STORE_NAME)
    reader.execute("select 1 from users").fetchall()
    store_files(store, later)
    left = log.read_bytes()
    reader.close()
    assert left
    log.write_bytes(left)
    (store / STORE_NAME).write_bytes(b"\0" * 4096)
    assert run("restore", copy, "--data-dir", store).exit_code == 2
    done = run("restore", copy, "--overwrite", "--data-dir", store)
    assert done.exit_code == 0, done.output
    assert "erase persons again who were erased" in done.stdout
    assert exported(store) == before
    assert rows_of(store, "pragma integrity_check") == [("ok",)]
    assert stat.S_IMODE((store / STORE_NAME).stat().st_mode) == 0o600
    other = fresh_dir()
    store_files(other, csv_of(*course))
    smooth(other)
    for folder in (store, other):
        store_files(folder, later)
    assert exported(store) == exported(other)


def test_a_backup_is_restored_where_there_is_no_store(saved, store, exported, data_dir):
    assert run("restore", saved, "--data-dir", data_dir).exit_code == 0
    assert exported(data_dir) == exported(store)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_who_was_erased_after_the_backup_stays_erased(
    saved, store, store_files, csv_of, exported, rows_of
):
    assert run("erase", "b", "--data-dir", store).exit_code == 0
    assert (
        run("erase", "of whom nothing is stored", "--in-advance", "--data-dir", store).exit_code
        == 0
    )
    after = exported(store)
    done = run("restore", saved, "--overwrite", "--data-dir", store)
    assert done.exit_code == 0, done.output
    assert "1 persons who were erased" in done.stdout
    assert exported(store) == after
    assert rows_of(store, "select count(*), count(finished_at) from erasures") == [(2, 2)]
    again = store_files(store, csv_of(("b", "2024-01-01", "60.0")))
    assert again.outcomes["excluded"] == 1
    assert run("check", "--data-dir", store).exit_code == 0
    # The one that was there is told by the next erasure: it is a copy of a store.
    assert run("erase", "a", "--data-dir", store).exit_code == 1


def test_a_backup_that_would_be_lost_is_refused(store):
    done = run("backup", store / "copy.db", "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "copy.db" not in {path.name for path in store.iterdir()}


def test_a_folder_is_no_backup(store, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert run("backup", tmp_path, "--data-dir", store).exit_code == 2
    assert sorted(tmp_path.iterdir()) == before


def damaged(path, seed):
    """Flip a bit in each of a few pages; returns what was there."""
    content, chance = bytearray(path.read_bytes()), random.Random(seed)
    used = [at for at in range(100, len(content)) if content[at]]  # the others are mostly free
    for at in chance.sample(used, 4):
        content[at] ^= 1 << chance.randrange(8)
    before = path.read_bytes()
    path.write_bytes(content)
    return before


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_store_exports_what_it_should_or_nothing(store, saved, exported, tmp_path, seed):
    """And never replaces a good backup; the backup repairs it."""
    good, out = saved.read_bytes(), tmp_path / "out.csv"
    assert run("export", out, "--data-dir", store).exit_code == 0
    expected = out.read_bytes()
    out.unlink()
    damaged(store / STORE_NAME, seed)
    done = run("export", out, "--data-dir", store)
    if done.exit_code == 0:
        assert out.read_bytes() == expected
    else:
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
        assert not out.exists()
    made = run("backup", saved, "--data-dir", store)
    checked = run("check", "--data-dir", store)
    assert (made.exit_code == 0) == (checked.exit_code == 0), made.output + checked.output
    if made.exit_code:
        assert saved.read_bytes() == good
    assert run("restore", saved, "--overwrite", "--data-dir", store).exit_code == 0
    assert run("export", out, "--data-dir", store).exit_code == 0
    assert out.read_bytes() == expected


@pytest.mark.parametrize(
    ("was", "now"),
    [(b"references", b"r\xe5ferences"), (b"started_at", b"`tarted_at"), (b"null", b"\xeeull")],
)
def test_a_damaged_schema_is_one_sentence(store, was, now):
    """SQLite's message quotes it: bytes that are no text, or a whole table."""
    path = store / STORE_NAME
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, now))
    for command in ("status", "check"):
        done = run(command, "--data-dir", store)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
        assert "backup" in done.stderr
        assert len(done.stderr) < 400


def test_a_damaged_backup_replaces_nothing(store, saved):
    before = (store / STORE_NAME).read_bytes()
    with sqlite3.connect(saved) as connection:
        connection.execute("update measurements set weight_kg = 81 where raw_weight = '80.20'")
    connection.close()
    done = run("restore", saved, "--overwrite", "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "1 rows of measurements changed" in done.stderr
    assert (store / STORE_NAME).read_bytes() == before
    (saved.with_name("text.db")).write_text("no store")
    assert (
        run("restore", saved.with_name("text.db"), "--overwrite", "--data-dir", store).exit_code
        == 2
    )


def test_the_first_opening_of_a_day_looks_at_the_structure(store, store_files, csv_of):
    with open_writer(store) as connection:
        connection.execute("update settings set value = '2024-01-01' where key = ?", (CHECKED_ON,))
        (root,) = connection.execute(
            "select rootpage from sqlite_master where name = 'overrides_user'"
        ).fetchone()
    content = bytearray((store / STORE_NAME).read_bytes())
    content[(root - 1) * 8192 + 3] ^= 1  # the number of cells on the page
    (store / STORE_NAME).write_bytes(content)
    with pytest.raises(Exception, match="is damaged"):
        store_files(store, csv_of(("a", "2024-02-01", "80")))
