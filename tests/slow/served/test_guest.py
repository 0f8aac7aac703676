"""A server that others use too: their runs are left alone, and ours show what they are."""

import subprocess
import time

import pytest

from tests.slow.served.test_deployed import runs_of
from tests.slow.served.test_failure_drill import begun

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

STRANGER = """
import time
from prefect import flow

@flow
def ingest():  # a name that anybody may have
    time.sleep(150)

ingest()
"""
"""Longer than our automation waits, with Prefect's usual heartbeats, which come every 180 s."""
SUSPENDED_SECONDS = 130


def test_a_stranger_s_run_and_a_suspended_one_of_ours_are_not_taken_for_dead(
    serve, simulated, tmp_path
):
    hook = "import time, tasks.filter\nusual = tasks.filter.judge_new\n"
    hook += "tasks.filter.judge_new = lambda *given: (time.sleep(1), usual(*given))[1]\n"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(
        "import os\nif os.environ.get('SLOW'):\n" + "".join(f"    {x}\n" for x in hook.split("\n"))
    )
    source, data = simulated(200, 12_000), tmp_path / "data"
    with serve() as served:
        served.path = str(tmp_path / "hook")
        (tmp_path / "stranger.py").write_text(STRANGER)
        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        stranger = served.python(tmp_path / "stranger.py", cwd=tmp_path, **nowhere)
        status, said = served.run("server", "setup", "--data-dir", data)
        assert status == 0, said
        served.worker()
        config = tmp_path / "some.toml"
        config.write_text("execution.users_per_task = 20\n")
        given = {"sources": [str(source)], "config": str(config), "retro": "off"}
        run = served.deploy_run("ingest/manual", {"SLOW": "1"}, **given)
        begun(served, run, "filter")
        details = {"pause_reschedule": True, "pause_timeout": "2100-01-01T00:00:00Z"}
        suspended = {"type": "PAUSED", "name": "Suspended", "state_details": details}
        served.ask("POST", f"/flow_runs/{run}/set_state", json={"state": suspended})
        time.sleep(SUSPENDED_SECONDS)
        assert served.ask("GET", f"/flow_runs/{run}")["state_name"] == "Suspended"
        stranger.wait(timeout=120)
        theirs = served.ask("POST", "/flow_runs/filter", json={"limit": 200})
        (theirs,) = [one for one in theirs if not one["deployment_id"]]
        assert theirs["state_name"] == "Completed"
        served.ask("POST", f"/flow_runs/{run}/resume", json={})
        assert served.ended(run)["state_name"] == "Completed"


def test_the_server_keeps_the_store_and_what_was_done_shows(serve, tmp_path):
    data, inbox = tmp_path / "data", tmp_path / "data/inbox"
    with serve() as served:
        status, said = served.run("server", "setup")
        assert (status, "does not know yet where the store is" in said) == (2, True)
        config = tmp_path / "some.toml"
        config.write_text("data.inbox_rest_seconds = 0.2\nschedule.inbox = ''\n")
        status, said = served.run("server", "setup", "--data-dir", data, "--config", config)
        assert status == 0, said
        assert (inbox / "failed").is_dir()

        for name in ("ingest/inbox", "retro/deferred"):
            number = served.ask("GET", f"/deployments/name/{name}")["id"]
            served.ask("DELETE", f"/deployments/{number}")
        deploy = served.logged("deploy", "-m", "prefect", "--no-prompt", "deploy", "--all")
        assert deploy.wait(timeout=240) == 0
        status, said = served.run("server", "setup")
        assert (status, "kept     variable weightstream" in said) == (0, True)

        served.worker()
        (tmp_path / "a.csv").write_text(
            "user_id,effectiveDateTime,source_type,weight,unit\n"
            "P-1,2024-01-01T07:00:00Z,scale,80,kg\n"
        )
        sources = f'sources=["{tmp_path}/a.csv"]'
        status, said = served.run("server", "run", "ingest/manual", "-p", sources)
        assert status == 0, said
        (retro,) = runs_of(served, "retro/deferred")
        assert served.ended(retro["id"])["state_name"] == "Completed"
        (run,) = runs_of(served, "ingest/manual")
        by_name = {task["name"]: task for task in served.task_runs(run["id"])}
        (read,) = [task for name, task in by_name.items() if name == "read"]
        (filtered,) = [task for name, task in by_name.items() if name.startswith("filter")]
        (written,) = [task for name, task in by_name.items() if name.startswith("write")]
        assert filtered["name"] == "filter batch 0 · 1 row"
        assert [one["id"] for one in filtered["task_inputs"]["wait_for"]] == [read["id"]]
        assert filtered["id"] in [one["id"] for one in written["task_inputs"]["wait_for"]]
        assert len(list((data / "dashboards/persons").glob("*.html"))) == 1
        logs = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
        ours = served.ask("POST", "/logs/filter", json=logs)
        assert [log["message"] for log in ours if log["name"] == "weightstream"]
        status, said = served.run("server", "check", "--monitor")
        assert (status, said.splitlines()[-1:]) == (
            0,
            ["the server is set up completely, and nothing is stuck"],
        )
