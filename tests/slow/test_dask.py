"""A cluster of two workers, one of which dies in the middle; a flow that dies with its own."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.slow.conftest import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PERSONS, ROWS = 300, 18_000
SETTINGS = {"execution.runner": "dask", "execution.users_per_task": 10}


def started(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def cluster():
    """The address of a scheduler on the loopback, and its two workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = started(
        "dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
    )
    options = ("--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    workers = [started("dask_worker", address, "--host", "127.0.0.1", *options) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


def waited(reached, process: subprocess.Popen) -> None:
    until = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the run did not get there"
        time.sleep(0.005)


def persons(data: Path) -> int:
    try:
        uri = f"{(data / 'weightstream.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute("select count(*) from users").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def configured(path: Path, settings: dict) -> Path:
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return path


def test_one_of_two_workers_is_killed(cluster, start, simulated, exported, tmp_path):
    address, workers = cluster
    source = simulated(PERSONS, ROWS)
    settings = SETTINGS | {
        "execution.dask_address": address,
        "execution.exchange_url": (tmp_path / "exchange").as_uri(),
    }
    config = configured(tmp_path / "far.toml", settings)
    far, here = tmp_path / "far", tmp_path / "here"
    run = start("ingest", source, "--data-dir", far, "--config", config, "--retro=inline", "--json")
    waited(lambda: persons(far) >= 30, run)
    stored = persons(far)
    workers[0].send_signal(signal.SIGKILL)
    assert stored < PERSONS, "it was too late"
    out, err = run.communicate(timeout=400)
    assert run.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])
    assert summary["users"] == PERSONS
    assert summary["failed"] == 0
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert not list((tmp_path / "exchange").iterdir())
    run = start("ingest", source, "--data-dir", here, "--retro=inline", "--json")
    out, err = run.communicate(timeout=400)
    assert run.returncode == 0, err
    names = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed", "rows_in")
    alone = json.loads(out.splitlines()[-1])
    assert [summary[name] for name in names] == [alone[name] for name in names]
    assert exported(far) == exported(here)
    pages = [
        {p.name: p.read_bytes() for p in (d / "dashboards/persons").iterdir()} for d in (far, here)
    ]
    assert len(pages[0]) == PERSONS
    assert pages[0].keys() == pages[1].keys()


def test_a_killed_flow_takes_its_own_workers_with_it(start, simulated, exported, tmp_path):
    source, data = simulated(PERSONS, ROWS), tmp_path / "data"
    config = configured(tmp_path / "dask.toml", SETTINGS)
    arguments = ("ingest", source, "--no-dashboards", "--retro=inline", "--data-dir", data)
    run = start(*arguments, "--config", config)
    waited(lambda: persons(data) >= 30, run)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(run.pid)], capture_output=True, text=True
    ).stdout.split()
    assert len(children) >= 2
    run.kill()
    run.communicate()
    assert list((data / "exchange").iterdir())
    until = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until, "workers outlive their flow"
        time.sleep(0.1)
    for settings in (SETTINGS, {}):  # and on threads into a store of its own
        folder = data if settings else tmp_path / "undisturbed"
        run = start(*arguments[:-1], folder, "--config", configured(config, settings))
        _, err = run.communicate(timeout=400)
        assert run.returncode == 0, err
    assert not list((data / "exchange").iterdir())
    assert exported(data) == exported(tmp_path / "undisturbed")
