"""Runs of a worker that are cancelled or killed in each stage: their state is told truly, no slot
stays taken, and the same run again ends with the store of an undisturbed one."""

import os
import signal
import time

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = "execution.users_per_task = 20\nthreading.db_write_batch_size = 4\n"
LEASE_SECONDS = 180
"""A killed client's slots are given back when its lease is not renewed."""


def begun(served, run, task):
    """Wait until a task of this name has begun in the run; the run is still under way."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        wanted = {"flow_runs": {"id": {"any_": [run]}}, "task_runs": {"name": {"like_": task}}}
        if served.ask("POST", "/task_runs/filter", json=wanted):
            return
        state = served.ask("GET", f"/flow_runs/{run}")["state_type"]
        assert state in ("SCHEDULED", "PENDING", "RUNNING"), f"{state} before {task}"
        time.sleep(0.1)
    raise AssertionError(f"{task} was never begun")


def cancel(served, worker, run):
    wanted = {"state": {"type": "CANCELLING"}}
    served.ask("POST", f"/flow_runs/{run}/set_state", json=wanted)
    return "CANCELLED"


def kill(served, worker, run):
    """Of the worker's descendants, what works for a flow."""
    flows = psutil.Process(worker.pid).children(recursive=True)
    assert flows
    for process in flows:
        os.kill(process.pid, signal.SIGKILL)
    return "CRASHED"


def freed(served):
    until = time.monotonic() + LEASE_SECONDS
    while True:
        limits = served.ask("POST", "/v2/concurrency_limits/filter", json={})
        taken = {limit["name"]: limit["active_slots"] for limit in limits if limit["active_slots"]}
        if not taken:
            return
        assert time.monotonic() < until, taken
        time.sleep(2)


@pytest.mark.parametrize(
    ("end", "tasks"), [(cancel, ("filter", "smooth", "draw")), (kill, ("write", "draw"))]
)
def test_a_run_that_is_ended_in_a_stage(serve, simulated, exported, tmp_path, end, tasks):
    config = tmp_path / "some.toml"
    config.write_text(SETTINGS)
    with serve() as served:
        status, said = served.run("server", "setup", "--config", config)
        assert status == 0, said
        served.worker()
        worker = served.processes[-1]

        def deploy(folder):
            given = {"sources": [str(simulated(400, 24_000))], "config": str(config)}
            return served.deploy_run(
                "ingest/manual", **given, data_dir=str(tmp_path / folder), retro="inline"
            )

        for task in tasks:
            run = deploy("data")
            begun(served, run, task)
            state = end(served, worker, run)
            assert served.ended(run)["state_type"] == state, task
            freed(served)
        assert served.ended(deploy("data"))["state_name"] == "Completed"
        assert served.ended(deploy("undisturbed"))["state_name"] == "Completed"
        assert exported(tmp_path / "data") == exported(tmp_path / "undisturbed")
        assert not [*(tmp_path / "data").glob("spill/*")]
