"""The deployments on a real server with a worker: files are dropped, decided, smoothed and drawn,
and nothing of them is in what Prefect keeps."""

import re
import sqlite3
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

USER, PERSON, WEIGHT = "Canary-Quetzal-7791", "Canary-Wryneck-2206", "83.51977"
SOURCE, CELL, NAME = "scale-of-aunt-Xanthippe", "not-a-weight-Zyzzyva", "Canary-Rosella.csv"
CANARIES = (USER, PERSON, WEIGHT, SOURCE, CELL, NAME)


def drop(inbox):
    (inbox / f"user={PERSON}").mkdir(parents=True)
    (inbox / NAME).write_text(
        "user_id,effectiveDateTime,source_type,weight,unit\n"
        + "".join(f"{USER},2024-01-{d:02}T07:00:00Z,{SOURCE},{WEIGHT},kg\n" for d in range(1, 9))
        + f"{USER},2024-01-10T07:00:00Z,{SOURCE},{CELL},kg\n"
    )
    (inbox / f"user={PERSON}" / "mine.csv").write_text("timestamp,weight,unit\n2024-01-01,90,kg\n")
    (inbox / f"user={PERSON}" / "broken.csv").write_text(f"{CELL},{USER}\n{WEIGHT},{WEIGHT}\n")


def test_what_is_dropped_is_decided_smoothed_and_drawn_and_prefect_knows_nobody(
    served, tmp_path, request
):
    data, config = tmp_path / "data", tmp_path / "some.toml"
    # Without a schedule: its run, in the same minute, would take the inbox instead.
    config.write_text("data.inbox_rest_seconds = 0.5\nschedule.inbox = ''\n")
    drop(data / "inbox")
    status, said = served.run("server", "setup", "--config", config, "--data-dir", data)
    assert status == 0, said
    served.worker()
    run = served.ended(served.deploy_run("ingest/inbox"))
    assert (run["state_name"], run["name"]) == ("Degraded", "inbox, 3 files")
    (retro,) = runs_of(served, "retro/deferred")
    assert served.ended(retro["id"])["state_name"] == "Completed"
    assert retro["parent_task_run_id"] is not None  # the UI shows it under its ingest
    with sqlite3.connect(data / "weightstream.db") as connection:
        stages = connection.execute("select distinct stage from current_decisions").fetchall()
        dirty = connection.execute("select sum(dirty) from users").fetchone()
    assert (stages, dirty) == ([("retro",)], (0,))
    for name in (USER, PERSON):
        assert name in (data / "dashboards/index.html").read_text()
    assert (data / "inbox/done" / NAME).exists()

    elsewhere = served.ended(served.deploy_run("ingest/inbox", data_dir=str(tmp_path / "other")))
    assert elsewhere["state_name"] == "Failed"
    assert not (tmp_path / "other").exists()
    (tmp_path / "january.csv").write_bytes((data / "inbox/done" / NAME).read_bytes())
    manual = served.ended(served.deploy_run("ingest/manual", sources=[f"{tmp_path}/january.csv"]))
    assert manual["state_name"] == "Completed"

    time.sleep(5)  # logs, task runs and events are recorded in batches
    kept = b"".join(path.read_bytes() for path in served.home.rglob("*") if path.is_file())
    if served.settings:
        kept += request.getfixturevalue("postgresql").dump()
    assert run["id"].encode() in kept or run["id"].replace("-", "").encode() in kept
    assert not [canary for canary in CANARIES if canary.encode() in kept]
    status, said = served.run("server", "check")
    assert (status, said.splitlines()[-1:]) == (
        0,
        ["the server is set up completely, and nothing is stuck"],
    )


def runs_of(served, name):
    number = served.ask("GET", f"/deployments/name/{name}")["id"]
    wanted = {"deployments": {"id": {"any_": [number]}}}
    return served.ask("POST", "/flow_runs/filter", json=wanted)


def test_a_person_in_a_parameter_is_refused_before_it_is_recorded(serve, tmp_path):
    import httpx

    with serve() as served:
        served.run("server", "setup", "--data-dir", tmp_path / "data")
        with pytest.raises(httpx.HTTPStatusError, match="409"):
            served.deploy_run("ingest/manual", sources=["a.csv"], user=USER)
        with pytest.raises(httpx.HTTPStatusError, match="409"):
            served.deploy_run("ingest/inbox", sources=["/etc/passwd"])
        time.sleep(3)
        kept = b"".join(path.read_bytes() for path in served.home.rglob("*") if path.is_file())
    assert USER.encode() not in kept


def test_a_server_with_a_password_and_leases_in_memory(serve, tmp_path):
    memory = "prefect.server.concurrency.lease_storage.memory"
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": "admin:pass",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": memory,
    }
    with serve(**settings) as served:
        status, said = served.run("server", "check")
        assert status == 2
        assert said.startswith("weightstream: the Prefect server at")
        assert "PREFECT_API_AUTH_STRING" in said
        assert said.count("\n") == 1
        served.settings.clear()  # as a client has them that knows no more than the password
        served.settings["PREFECT_API_AUTH_STRING"] = "admin:pass"
        status, said = served.run("server", "setup", "--data-dir", tmp_path / "data")
        assert status == 0, said
        status, said = served.run("server", "check")
        assert status == 1
        assert [re.match("wrong: the server keeps its leases in memory", said)] != [None]
        assert len([line for line in said.splitlines() if line.startswith("wrong: ")]) == 1
