"""What goes wrong on a server, on purpose: each time the states of runs are told truly, no slot
stays taken, and the same run again ends with the store of an undisturbed one."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.running import ROOT
from tests.slow.conftest import PROGRAM
from tests.slow.served.conftest import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

SETTINGS = """
execution.users_per_task = 40
execution.task_timeout_seconds = 5
threading.db_write_batch_size = 4
"""
LEASE_SECONDS = 180
"""Slots that nobody gave back are free when their lease is not renewed."""
HEARTBEAT_SECONDS = 240

HOOK = """
import os, time
harm, _, stage = os.environ.get("DRILL", "").partition(" ")
if harm:
    import tasks.draw, tasks.filter, tasks.smooth, tasks.write, weightstream.pipeline
    from tasks.runtime.context import CONTEXTS
    place, name = {
        "read": (weightstream.pipeline, "read"),
        "filter": (tasks.filter, "judge_new"),
        "write": (tasks.write, "commit"),
        "smooth": (tasks.smooth, "judge_stored"),
        "draw": (tasks.draw, "draw_persons"),
    }[stage]
    usual = getattr(place, name)
    def second_batch():
        (context,) = CONTEXTS.values()
        return context.batches.partitions.get(1)
    def harmed(*given, **options):
        if harm == "slow":
            time.sleep(2)
        elif given[2] is second_batch():
            if harm == "hang":
                time.sleep(600)
            raise ValueError(str(given[2].take()["user_id"][0]))
        return usual(*given, **options)
    setattr(place, name, harmed)
"""
"""What Python runs before a run of the worker, where its environment says so."""


def begun(served: Served, run: str, task: str) -> None:
    """Wait until a task of this name has begun in the run or one below it (an inline retro); the
    run is still under way."""
    until = time.monotonic() + 240
    runs = {"id": {"any_": [run]}}, {"parent_flow_run_id": {"any_": [run]}}
    while time.monotonic() < until:
        for these in runs:
            wanted = {"flow_runs": these, "task_runs": {"name": {"like_": task}}}
            if served.ask("POST", "/task_runs/filter", json=wanted):
                return
        state = served.ask("GET", f"/flow_runs/{run}")["state_type"]
        assert state in ("SCHEDULED", "PENDING", "RUNNING"), f"{state} before {task}"
        time.sleep(0.1)
    raise AssertionError(f"{task} was never begun")


def freed(served: Served) -> None:
    until = time.monotonic() + LEASE_SECONDS
    while True:
        limits = served.ask("POST", "/v2/concurrency_limits/filter", json={})
        taken = {limit["name"]: limit["active_slots"] for limit in limits if limit["active_slots"]}
        if not taken:
            return
        assert time.monotonic() < until, taken
        time.sleep(1)


def flows_of(worker: subprocess.Popen) -> list[psutil.Process]:
    """Of the worker's descendants, what works for a flow."""
    return psutil.Process(worker.pid).children(recursive=True)


def kill(processes: list[psutil.Process]) -> None:
    assert processes
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)


def set_state(served: Served, run: str, kind: str, name: str | None = None) -> None:
    """As the UI does."""
    wanted = {"state": {"type": kind, "name": name}}
    served.ask("POST", f"/flow_runs/{run}/set_state", json=wanted)


@dataclass
class Drill:
    """A server with a worker, on which one thing after the other goes wrong."""

    served: Served
    worker: subprocess.Popen
    folder: Path
    source: Path
    config: Path
    exported: Callable[[Path], bytes]
    quiet: bytes

    def run(self, store: str, drill: str = "", **given: Any) -> str:
        """Begin an ingest into a store; drill: what goes wrong in it."""
        given = {"sources": [str(self.source)], "config": str(self.config), **given}
        given |= {"data_dir": str(self.folder / store), "retro": "inline"}
        return self.served.deploy_run("ingest/manual", {"DRILL": drill} if drill else None, **given)

    def completes(self, run: str, store: str, seconds: float = 240) -> None:
        """Whatever else is said of it before: a worker tells twice that a process was killed, the
        second time some ten seconds later, and be the run under way again by then."""
        until = time.monotonic() + seconds
        while (found := self.served.ask("GET", f"/flow_runs/{run}"))["state_name"] != "Completed":
            assert time.monotonic() < until, (found["state_name"], found["state"]["message"])
            time.sleep(1)
        assert self.exported(self.folder / store) == self.quiet
        assert not [*(self.folder / store).glob("spill/*")]

    def completes_or_says_why_not(self, run: str, store: str) -> None:
        """It depends on what the run just asked of the server that is gone."""
        ended = self.served.ended(run)
        if ended["state_name"] != "Completed":
            assert "the Prefect server went away" in ended["state"]["message"]
            set_state(self.served, run, "SCHEDULED", "AwaitingRetry")
        self.completes(run, store)

    def retried(self, run: str, store: str) -> None:
        """By the button of the UI; what was missing is done."""
        set_state(self.served, run, "SCHEDULED", "AwaitingRetry")
        self.completes(run, store)
        assert self.served.ask("GET", f"/flow_runs/{run}")["run_count"] == 2


@pytest.fixture(scope="module")
def drilled(
    simulated: Callable[..., Path],
    exported: Callable[[Path], bytes],
    store_files: Callable[..., Any],
    smooth: Callable[..., Any],
    migrated: Path,
) -> Callable[..., Any]:
    """A drill in a folder, on a server with these settings; a context manager. When it is over,
    nothing is stuck on the server."""

    @contextmanager
    def drilling(folder: Path, **settings: str) -> Iterator[Drill]:
        (folder / "sitecustomize.py").write_text(HOOK)
        config = folder / "some.toml"
        config.write_text(SETTINGS)
        source = simulated(200, 12_000)
        store_files(folder / "quiet", source)
        smooth(folder / "quiet")
        quiet = exported(folder / "quiet")
        with serving(folder / "home", migrated, str(folder), **settings) as served:
            status, said = served.run(
                "server", "setup", "--config", config, "--data-dir", folder / "data"
            )
            assert status == 0, said
            yield Drill(served, served.worker(), folder, source, config, exported, quiet)
            freed(served)
            status, said = served.run("server", "check", "--config", config)
            assert status == 0, said

    return drilling


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, drilled: Callable[..., Any]
) -> Iterator[Drill]:
    with drilled(tmp_path_factory.mktemp("drill")) as drill:
        yield drill


@pytest.fixture(scope="module")
def silenced(started: Drill) -> str:
    """A run whose machine died: nobody is left who could say so. First of all, since it takes
    long until somebody notices."""
    run = started.run("silent", "slow filter")
    begun(started.served, run, "filter")
    kill([*flows_of(started.worker), psutil.Process(started.worker.pid)])
    started.worker.wait()
    started.worker = started.served.worker()
    return run


@pytest.fixture(scope="module")
def drill(started: Drill, silenced: str) -> Drill:
    return started


@pytest.mark.parametrize("stage", ["read", "filter", "write", "smooth", "draw"])
def test_cancelled(drill, stage):
    run = drill.run("cancelled", f"slow {stage}")
    begun(drill.served, run, stage)
    set_state(drill.served, run, "CANCELLING")
    assert drill.served.ended(run)["state_type"] == "CANCELLED"
    freed(drill.served)
    if stage == "draw":
        drill.completes(drill.run("cancelled"), "cancelled")


def test_a_killed_run_is_retried_in_the_ui(drill):
    for stage in ("write", "draw"):
        run = drill.run("killed")
        begun(drill.served, run, stage)
        kill(flows_of(drill.worker))
        assert drill.served.ended(run)["state_type"] == "CRASHED", stage
    drill.retried(run, "killed")


def test_a_killed_worker(drill):
    """Its runs notice, and end; the next worker takes them when they are retried."""
    run = drill.run("orphan", "slow filter")
    begun(drill.served, run, "filter")
    kill([psutil.Process(drill.worker.pid)])
    drill.worker.wait()
    assert drill.served.ended(run)["state_type"] == "CRASHED"
    drill.worker = drill.served.worker()
    drill.retried(run, "orphan")


def test_a_server_that_is_killed_while_slots_are_held(drill):
    run = drill.run("serverless", "slow filter")
    begun(drill.served, run, "filter")
    (server,) = (one for one in drill.served.processes if "--port" in one.args)
    kill([psutil.Process(server.pid)])
    server.wait()
    drill.served.processes.remove(server)
    drill.served.server()
    drill.completes_or_says_why_not(run, "serverless")
    freed(drill.served)


def test_a_full_disk(drill):
    disk = drill.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    with ExitStack() as after:
        after.callback(subprocess.run, ["umount", "-l", disk], check=True)
        run = drill.run("disk/full")
        ended = drill.served.ended(run)
        assert ended["state_name"] == "Failed"
        assert "no space left" in ended["state"]["message"]
        freed(drill.served)
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        drill.retried(run, "disk/full")


def test_a_poisoned_batch(drill):
    run = drill.run("poisoned", "poison filter")
    ended = drill.served.ended(run)
    assert ended["state_name"] == "Degraded"
    assert ended["state"]["message"].startswith("filter: batch 1 failed with ValueError at ")
    freed(drill.served)
    drill.completes(drill.run("poisoned"), "poisoned")


def test_a_task_that_hangs(drill):
    run = drill.run("hung", "hang filter")
    ended = drill.served.ended(run)
    assert ended["state_name"] == "Failed"
    assert ended["state"]["message"].startswith("filter: batch 1 made no progress for 5 s")
    freed(drill.served)
    found = drill.served.task_runs(run)
    states = {one["name"].partition(" · ")[0]: one["state_type"] for one in found}
    assert states["filter batch 1"] == "CRASHED"
    drill.completes(drill.run("hung"), "hung")


def test_a_run_that_fell_silent_is_said_to_have_crashed(drill, silenced):
    ended = drill.served.ended(silenced, HEARTBEAT_SECONDS)
    assert ended["state_type"] == "CRASHED"
    assert "stopped sending heartbeats" in ended["state"]["message"]
    drill.retried(silenced, "silent")


def test_a_postgresql_that_restarts_in_the_middle_of_a_run(drilled, postgresql, tmp_path):
    with drilled(tmp_path, PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql.url) as drill:
        run = drill.run("restarted", "slow filter")
        begun(drill.served, run, "filter")
        postgresql.restart()
        drill.completes_or_says_why_not(run, "restarted")


def test_a_task_that_hangs_where_there_is_no_server(simulated, tmp_path):
    """Prefect's embedded server ends with the command, which says one sentence."""
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    (tmp_path / "some.toml").write_text("execution.task_timeout_seconds = 2\n")
    home = tmp_path / "home"
    more = {"PREFECT_HOME": str(home), "DRILL": "hang filter"}
    where = ["--config", tmp_path / "some.toml", "--data-dir", tmp_path / "data"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "ingest", simulated(20, 500), "--json", *where],
        env={**os.environ, **more, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("filter: batch 1 made no progress for 2 s") == 1
    assert "Traceback" not in done.stderr
    with closing(sqlite3.connect(tmp_path / "data/weightstream.db")) as connection:
        assert connection.execute("select status from runs").fetchall() == [("failed",)]
    left = [one for one in psutil.process_iter() if home_of(one) == str(home)]
    _, alive = psutil.wait_procs(left, timeout=20)
    assert not alive


def home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PREFECT_HOME")
    except psutil.Error:
        return None
