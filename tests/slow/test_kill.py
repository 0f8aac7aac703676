"""`kill -9` at random moments of write and retro, and run again: nothing lost, nothing doubled."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STORES, KILLS_EACH = 1, 6
PERSONS, ROWS = 400, 24_000
SETTINGS = "threading.db_write_batch_size = 4\nexecution.users_per_task = 40\n"

FORKER = """
import json, os, sys
from flows.ingest import ingest
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        state = ingest(**json.loads(line), return_state=True)
        os._exit(0 if state.name == "Completed" else 1)
    print(process, flush=True)
    print(os.waitpid(process, 0)[1], flush=True)
"""
"""Imports once and forks for every run: a run then costs its work, not its imports."""


@pytest.fixture
def forker(api_url: str) -> Iterator[subprocess.Popen]:
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", FORKER],
        env={**os.environ, "PYTHONPATH": str(root), "PREFECT_API_URL": api_url},
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def begin(forker: subprocess.Popen, source: Path, data: Path) -> int:
    """Start an ingest; returns its process id."""
    config = data.with_name("config.toml")
    config.write_text(SETTINGS)
    given = {"sources": [str(source)], "data_dir": str(data), "config": str(config)}
    forker.stdin.write(json.dumps({**given, "dashboards": False}) + "\n")
    forker.stdin.flush()
    return int(forker.stdout.readline())


def asked(data: Path, query: str) -> int:
    """What the store says while another process writes to it; 0 before it has its tables."""
    try:
        connection = sqlite3.connect(f"{(data / 'weightstream.db').as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0


def killed_when(forker: subprocess.Popen, process: int, reached) -> None:
    until = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < until, "the run did not get there"
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    assert int(forker.stdout.readline()) == signal.SIGKILL, "the run had ended before"


def kill_in_retro(
    forker: subprocess.Popen, process: int, data: Path, moments: random.Random
) -> None:
    """Some time after the last person was stored; retro may have ended before."""
    while asked(data, "select count(*) from users") < PERSONS:
        time.sleep(0.001)
    time.sleep(moments.random() * 0.5)
    os.kill(process, signal.SIGKILL)
    assert int(forker.stdout.readline()) in (0, signal.SIGKILL)


def test_kill_and_run_again(forker, simulated, exported, tmp_path):
    source = simulated(PERSONS, ROWS)
    begin(forker, source, tmp_path / "undisturbed")
    assert int(forker.stdout.readline()) == 0
    expected = exported(tmp_path / "undisturbed")
    moments = random.Random(20)
    for store in range(STORES):
        data = tmp_path / f"killed-{store}"
        for target in sorted(moments.sample(range(1, PERSONS - 40), KILLS_EACH)):
            process = begin(forker, source, data)
            killed_when(
                forker,
                process,
                # Anywhere within a transaction: the target is passed, then some time.
                lambda data=data, target=target: (
                    asked(data, "select count(*) from users") >= target
                    and time.sleep(moments.random() * 0.01) is None
                ),
            )
            persons = asked(data, "select count(*) from users")
            assert target <= persons
            whole = "select count(*) from measurements"
            assert asked(data, whole) == asked(data, "select sum(readings) from users")
            assert asked(data, "select count(*) from decisions where version = 1") == asked(
                data, whole
            )
        kill_in_retro(forker, begin(forker, source, data), data, moments)
        begin(forker, source, data)
        assert int(forker.stdout.readline()) == 0
        assert exported(data) == expected
        assert not [*data.glob("spill/*")]
