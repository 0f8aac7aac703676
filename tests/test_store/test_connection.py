import errno
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.running import run_python
from weightstream.errors import StoreError, StoreFull, StoreLocked, StoreTooNew
from weightstream.store import connection as door
from weightstream.store.connection import Checkpointer, ReadPool, open_writer, transaction

SOME_RUN = "insert into runs (run_id, kind, status, started_at) values (?, 'ingest', 'running', '')"


@pytest.fixture
def store(data_dir):
    with open_writer(data_dir):
        pass
    return data_dir / "weightstream.db"


def sentence(raised):
    text = str(raised.value)
    assert "\n" not in text
    assert "weightstream.db" in text
    return text


def test_a_new_store_is_private_and_in_wal_mode(data_dir):
    with open_writer(data_dir) as connection:
        connection.execute(SOME_RUN, ("r",))
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    store = {"weightstream.db", "weightstream.db-wal", "weightstream.db-shm"}
    assert modes.keys() == {*store, "runs.lock", "erasure.lock"}
    assert set(modes.values()) == {0o600}


def test_a_newer_store_is_refused(store):
    with open_writer(store.parent) as connection:
        connection.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('weightstream', 'of_tomorrow', '')"
        )
    with pytest.raises(StoreTooNew) as raised, open_writer(store.parent):
        pass
    assert "of_tomorrow" in sentence(raised)
    with pytest.raises(StoreTooNew), ReadPool(store.parent, 1) as pool, pool.connection():
        pass


@pytest.mark.flow
def test_processes_may_create_one_store_at_the_same_time(data_dir):
    """SQLite does not wait by itself when two switch a new file to WAL mode."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from weightstream.store.connection import open_writer\n"
        "time.sleep(max(0.0, float(sys.argv[2]) - time.time()))\n"
        "with open_writer(Path(sys.argv[1])) as connection:\n"
        "    connection.execute('select count(*) from users')\n"
    )
    at = str(time.time() + 2)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(data_dir), at], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [process.communicate()[1] for process in processes] == [""] * 3


def test_a_store_that_another_process_holds(store, monkeypatch):
    monkeypatch.setattr(door, "LOCK_SECONDS", 0.05)
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("begin immediate")
    with (
        pytest.raises(StoreLocked) as raised,
        open_writer(store.parent) as connection,
        transaction(connection),
    ):
        pass
    assert "locked by another process" in sentence(raised)
    other.execute("rollback")
    with open_writer(store.parent) as connection, transaction(connection):
        pass
    other.close()


def test_a_writer_waits_for_a_lock_that_is_soon_given_back(store):
    other = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    threading.Timer(0.3, lambda: other.execute("rollback")).start()
    with open_writer(store.parent) as connection, transaction(connection):
        connection.execute(SOME_RUN, ("r",))
    other.close()


@pytest.mark.parametrize("content", [b"user_id,weight\n" * 100, b"\0" * 5000])
def test_a_file_that_is_no_store(data_dir, content):
    data_dir.mkdir()
    (data_dir / "weightstream.db").write_bytes(content)
    with pytest.raises(StoreError) as raised, open_writer(data_dir):
        pass
    assert "not a weightstream store" in sentence(raised)
    assert (data_dir / "weightstream.db").read_bytes() == content


def test_a_folder_in_the_place_of_the_store(data_dir):
    (data_dir / "weightstream.db").mkdir(parents=True)
    with pytest.raises(StoreError) as raised, open_writer(data_dir):
        pass
    assert "cannot be" in sentence(raised)


def test_a_file_in_the_place_of_the_folder(data_dir):
    data_dir.write_text("")
    with pytest.raises(StoreError) as raised, open_writer(data_dir):
        pass
    assert "cannot be opened (File exists)" in sentence(raised)


@pytest.mark.parametrize("read_only", ["file", "folder"])
def test_a_store_that_may_not_be_written(store, read_only):
    """Root may write anything, so then the attempt is another user's."""
    program = (
        "import os, sys; from pathlib import Path\n"
        "from weightstream.errors import StoreError\n"
        "from weightstream.store.connection import open_writer\n"
        "with open_writer(Path(sys.argv[2])):\n"
        "    pass\n"
        "os.getuid() or os.setuid(65534)\n"
        "try:\n"
        "    with open_writer(Path(sys.argv[1])) as connection:\n"
        "        connection.execute('delete from runs')\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        locked = Path(base) / "data"
        shutil.copytree(store.parent, locked)
        (locked / store.name).chmod(0o444 if read_only == "file" else 0o666)
        locked.chmod(0o777 if read_only == "file" else 0o555)
        done = run_python(program, locked, store.parent)
        locked.chmod(0o700)
    assert "cannot be written" in done.stdout, done
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_full_disk(store):
    """SQLite says the same where it reaches its own limit of pages."""

    def fill(connection):
        pages = connection.execute("pragma page_count").fetchone()[0]
        connection.execute(f"pragma max_page_count = {pages + 2}")
        with transaction(connection):
            connection.executemany(SOME_RUN, [(f"{number:0100}",) for number in range(10_000)])

    with pytest.raises(StoreFull) as raised, open_writer(store.parent) as connection:
        fill(connection)
    assert "no space left" in sentence(raised)
    with open_writer(store.parent) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (0,)


def test_a_failed_commit_leaves_no_transaction_open(store):
    with open_writer(store.parent) as connection:
        connection.execute(
            "create table strict_one (a references files(id) deferrable initially deferred)"
        )
        connection.execute("pragma foreign_keys = on")
        with pytest.raises(sqlite3.IntegrityError), transaction(connection):
            connection.execute("insert into strict_one values (7)")
        with transaction(connection):
            connection.execute(SOME_RUN, ("r",))
        assert connection.execute("select count(*) from strict_one").fetchone() == (0,)


def test_other_troubles_of_a_run_are_not_blamed_on_the_store(store):
    trouble = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"), open_writer(store.parent):
        raise trouble
    with (
        pytest.raises(OSError, match="No space left"),
        ReadPool(store.parent, 1) as pool,
        pool.connection(),
    ):
        raise trouble


def test_readers_of_no_store(data_dir):
    with ReadPool(data_dir, 1) as pool:
        for _ in range(2):  # the place in the pool is given back
            with pytest.raises(StoreError) as raised, pool.connection():
                pass
            assert "there is no store yet" in sentence(raised)


def test_readers_cannot_write(store):
    with ReadPool(store.parent, 1) as pool:
        with pytest.raises(StoreError, match="cannot be written"), pool.connection() as connection:
            connection.execute("delete from runs")
        with pool.connection() as connection:
            assert connection.execute("select count(*) from runs").fetchone() == (0,)


def test_the_pool_is_bounded_under_many_threads(store):
    held, most, lock = 0, 0, threading.Lock()
    used = set()

    def work(_):
        nonlocal held, most
        with pool.connection() as connection:
            with lock:
                held, most = held + 1, max(most, held + 1)
                used.add(id(connection))
            connection.execute("select count(*) from runs").fetchone()
            time.sleep(0.005)
            with lock:
                held -= 1

    with ReadPool(store.parent, 3) as pool, ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(60)))
    assert most == 3
    assert len(used) == 3


def test_a_reader_sees_what_was_committed_and_nothing_else(store):
    with (
        open_writer(store.parent) as writer,
        ReadPool(store.parent, 1) as pool,
        pool.connection() as reader,
    ):
        with transaction(writer):
            writer.execute(SOME_RUN, ("r",))
            assert reader.execute("select count(*) from runs").fetchone() == (0,)
        assert reader.execute("select count(*) from runs").fetchone() == (1,)


def test_an_error_inside_a_transaction_undoes_it(store):
    def interrupted(connection):
        with transaction(connection):
            connection.execute(SOME_RUN, ("r",))
            raise KeyboardInterrupt

    with open_writer(store.parent) as connection:
        with pytest.raises(KeyboardInterrupt):
            interrupted(connection)
        assert connection.execute("select count(*) from runs").fetchone() == (0,)


def test_the_checkpointer_moves_pages_while_the_writer_goes_on(store):
    with open_writer(store.parent) as connection:
        before = store.stat().st_size
        checkpointer = Checkpointer(connection, store.parent)
        with transaction(connection):
            connection.executemany(SOME_RUN, [(f"{n:0200}",) for n in range(2000)])
        assert store.stat().st_size == before
        checkpointer.committed()
        deadline = time.monotonic() + 20
        while store.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
        checkpointer.close()
        assert store.stat().st_size > before


def test_no_thread_for_the_checkpointer(store, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with open_writer(store.parent) as connection:
        checkpointer = Checkpointer(connection, store.parent)
        assert connection.execute("pragma wal_autocheckpoint").fetchone()[0] > 0
        connection.execute(SOME_RUN, ("r",))
        checkpointer.committed()
        checkpointer.close()


def test_a_large_wal_begins_anew(store, monkeypatch):
    """It would otherwise grow for as long as commits follow each other faster than a checkpoint."""
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    monkeypatch.setattr("weightstream.store.connection.WAL_BYTES", 0)
    with open_writer(store.parent) as connection:
        checkpointer, sizes = Checkpointer(connection, store.parent), set()
        for _ in range(3):
            connection.execute("update settings set value = 'x' || value")
            checkpointer.committed()
            sizes.add(store.with_name(f"{store.name}-wal").stat().st_size)
    assert len(sizes) == 1


def test_a_store_on_a_read_only_medium_is_read(store, monkeypatch):
    """Nothing is created beside it."""
    with open_writer(store.parent) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    for name in ("-wal", "-shm"):
        store.with_name(store.name + name).unlink(missing_ok=True)
    before = sorted(store.parent.iterdir())
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with ReadPool(store.parent, 1) as pool, pool.connection() as connection:
        assert connection.execute("select count(*) from users").fetchone() == (0,)
        assert sorted(store.parent.iterdir()) == before


def test_a_wal_on_a_read_only_medium_is_not_passed_over(store, monkeypatch):
    store.with_name(f"{store.name}-wal").write_bytes(b"committed pages")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert not door.on_read_only_medium(store)
