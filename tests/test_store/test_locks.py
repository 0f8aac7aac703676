"""Runs share the lock, an erasure has it alone; latecomers wait, a killed process blocks nobody."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from weightstream.errors import RunsUnderWay, StoreLocked
from weightstream.store import locks
from weightstream.store.connection import STORE_NAME, explanation, open_writer
from weightstream.store.locks import drawing_lock, exclusive_lock, shared_run_lock

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from weightstream.store.locks import shared_run_lock
with shared_run_lock(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(locks, "ALONE_SECONDS", 0.3)


def test_those_at_work_do_not_wait_for_each_other(tmp_path):
    with shared_run_lock(tmp_path), shared_run_lock(tmp_path), open_writer(tmp_path):
        pass


def test_where_no_folder_can_be_there_is_nothing_to_wait_for(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "data", tmp_path / ("x" * 300)):
        with shared_run_lock(place):
            pass


def test_an_erasure_gives_up_and_lets_others_in_again(tmp_path):
    with shared_run_lock(tmp_path):
        with (
            pytest.raises(RunsUnderWay, match="nothing was erased") as raised,
            exclusive_lock(tmp_path),
        ):
            pass
        assert raised.value.exit_status == 1
        with shared_run_lock(tmp_path):
            pass
    with exclusive_lock(tmp_path), pytest.raises(RunsUnderWay), exclusive_lock(tmp_path):
        pass


def test_who_comes_while_an_erasure_waits_lets_it_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "ALONE_SECONDS", 20)
    done = []

    def erase():
        with exclusive_lock(tmp_path):
            done.append("erased")

    def work():
        with shared_run_lock(tmp_path):
            done.append("worked")

    with shared_run_lock(tmp_path):
        eraser, newcomer = threading.Thread(target=erase), threading.Thread(target=work)
        eraser.start()
        time.sleep(0.2)
        newcomer.start()
        time.sleep(0.3)
        assert done == []
    eraser.join()
    newcomer.join()
    assert done == ["erased", "worked"]


def test_a_run_says_so_if_an_erasure_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "TOLD_SECONDS", 0.1)
    monkeypatch.setattr(locks, "PRESENT_SECONDS", 0.2)
    with (
        exclusive_lock(tmp_path),
        pytest.raises(StoreLocked, match="try again later"),
        open_writer(tmp_path),
    ):
        pass


def test_a_killed_run_holds_up_nobody(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"in\n"
    with pytest.raises(RunsUnderWay), exclusive_lock(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with exclusive_lock(tmp_path):
        pass


def test_where_nothing_can_be_written_readers_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_opened", lambda path: None)
    with shared_run_lock(tmp_path):
        pass
    with pytest.raises(Exception, match="cannot be written"), exclusive_lock(tmp_path):
        pass


def test_of_two_that_draw_one_waits(tmp_path):
    done = []

    def draw():
        with drawing_lock(tmp_path):
            done.append("second")

    with drawing_lock(tmp_path):
        other = threading.Thread(target=draw)
        other.start()
        time.sleep(0.2)
        done.append("first")
    other.join()
    assert done == ["first", "second"]


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    with open_writer(tmp_path):
        pass

    def refused(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert isinstance(explanation(tmp_path / STORE_NAME, busy), StoreLocked)
    monkeypatch.setattr(locks.fcntl, "lockf", refused)
    assert "cannot lock files; move" in str(explanation(tmp_path / STORE_NAME, busy))
