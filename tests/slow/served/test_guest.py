"""A server that others use too: their runs are left alone, and ours show what they are."""

import os
import time

import httpx
import pytest

from tests.slow.conftest import PROGRAM
from tests.slow.served.test_deployed import runs_of
from tests.slow.served.test_failure_drill import begun

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1_500)]

SECONDS = int(os.environ.get("WEIGHTSTREAM_GUEST_SECONDS", "150"))
"""How long strangers use the server. Longer than our automation waits; `make test-long` takes ten
minutes."""
STRANGER = f"""
import time
from prefect import flow, serve, task, tags

@task(tags=["theirs"])
def work(number):
    time.sleep(1)
    return number

@flow
def part():
    return work.map(range(3)).result()

@flow
def retro():  # a name that anybody may have
    part()
    time.sleep(20)

@flow
def ingest():  # no heartbeat for as long as this
    time.sleep({SECONDS - 30})

if __name__ == "__main__":
    serve(retro.to_deployment("theirs", interval=45), ingest.to_deployment("theirs"))
"""
"""With Prefect's usual settings: heartbeats come every 180 s."""
SUSPENDED_SECONDS = 130


def test_strangers_on_the_server_are_left_alone(serve, tmp_path):
    data, config = tmp_path / "data", tmp_path / "some.toml"
    config.write_text("data.inbox_rest_seconds = 0.2\nschedule.inbox = '* * * * *'\n")
    setup = ("server", "setup", "--data-dir", data, "--config", config)
    (tmp_path / "stranger.py").write_text(STRANGER)
    with serve() as served:
        theirs = {"name": "tag:theirs", "limit": 2, "active": True}
        served.ask("POST", "/v2/concurrency_limits/", json=theirs)
        with (tmp_path / "stranger.log").open("w") as log:
            stranger = served.python(tmp_path / "stranger.py", cwd=tmp_path, stdout=log, stderr=log)
        long = deployed_run(served, "ingest/theirs")
        before = kept_of(served, "theirs")
        status, said = served.run(*setup)
        assert status == 0, said
        served.logged("worker", "-c", PROGRAM, "server", "serve")
        until, dropped = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            day = f"2024-01-{dropped % 28 + 1:02}"
            row = f"user_id,date,weight,unit\nP-{dropped},{day},80,kg\n"
            (data / f"inbox/{dropped}.csv").write_text(row)
            dropped += 1
            time.sleep(40)
        assert served.ended(long, 120)["state_name"] == "Completed"
        assert stranger.poll() is None, (tmp_path / "stranger.log").read_text()
        done = runs_of(served, "retro/theirs")
        ended = [one for one in done if one["end_time"]]
        assert len(ended) >= SECONDS // 90
        assert {one["state_name"] for one in ended} == {"Completed"}
        assert kept_of(served, "theirs") == before
        while len(list((data / "inbox/done").glob("*.csv"))) < dropped:
            assert time.monotonic() < until + 180
            time.sleep(1)


def deployed_run(served, name):
    """Return a run of a deployment that is about to be made."""
    until = time.monotonic() + 120
    while True:
        try:
            return served.deploy_run(name)
        except httpx.HTTPStatusError:
            assert time.monotonic() < until, name
            time.sleep(1)


def kept_of(served, name):
    """Return what the server keeps under a name, apart from what its own runs change."""
    found = [served.ask("POST", f"/{kind}/filter", json={}) for kind in KINDS]
    named = [one for some in found for one in some if name in one["name"]]
    return [{key: one[key] for key in LASTING if key in one} for one in named]


KINDS = ("deployments", "v2/concurrency_limits")
LASTING = ("id", "limit", "active", "paused", "tags", "parameters", "entrypoint", "work_pool_name")


def test_a_suspended_run_is_not_taken_for_dead(serve, simulated, tmp_path):
    hook = "import time, tasks.filter\nusual = tasks.filter.judge_new\n"
    hook += "tasks.filter.judge_new = lambda *given: (time.sleep(1), usual(*given))[1]\n"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(
        "import os\nif os.environ.get('SLOW'):\n" + "".join(f"    {x}\n" for x in hook.split("\n"))
    )
    source, data = simulated(200, 12_000), tmp_path / "data"
    with serve() as served:
        served.path = str(tmp_path / "hook")
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
