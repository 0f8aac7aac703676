"""`server setup` and `server check` against the harness's server."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from deployments import health
from deployments.desired import crash_automation, deployments
from flows.served import Served
from weightstream.config import Config

pytestmark = pytest.mark.slow  # on SQLite each change may wait seconds for the server's own writes

LIMITS = ("tag:ingest", "tag:kalman", "tag:db-write", "tag:retro", "tag:viz", "viz-memory")


@pytest.fixture
def client(prefect_harness) -> Iterator:
    """Of the server; what the test has put there is taken away again."""
    with get_client(sync_client=True) as client:
        yield client
        for name in LIMITS:
            with contextlib.suppress(ObjectNotFound):
                client.delete_global_concurrency_limit_by_name(name)
        for deployed in deployments(Config(), Served()):
            with contextlib.suppress(ObjectNotFound):
                client.delete_deployment(client.read_deployment_by_name(deployed.name).id)
        with contextlib.suppress(ObjectNotFound):
            client.delete_work_pool("weightstream")
        for found in client.read_automations_by_name(crash_automation(Served()).name):
            client.delete_automation(found.id)
        with contextlib.suppress(ObjectNotFound):
            client.delete_variable_by_name(Served().variable)


@pytest.fixture
def server(client, command, tmp_path, monkeypatch):
    """`weightstream server NAME` for a store of its own; gives (exit status, lines)."""
    monkeypatch.setattr(health, "LASTING_SECONDS", 0.0)

    def run(name: str, *more: str):
        said = command("server", name, *more)
        return said.exit_code, said.output.splitlines()

    return run


def wrong(lines: list[str]) -> list[str]:
    """What is wrong but for the harness's server itself, which keeps leases in memory and whose
    scheduler takes its time."""
    aside = ("leases in memory", "has a schedule")
    return [
        line
        for line in lines
        if line.startswith("wrong: ") and not any(sign in line for sign in aside)
    ]


def test_setup_twice_then_check_then_what_drifts_is_named_and_mended(server, client, tmp_path):
    assert server("setup")[0] == 2  # which store is never guessed
    assert (tmp_path / "inbox").exists() is False
    before = server("check", "--data-dir", str(tmp_path))[1]
    assert len([line for line in wrong(before) if "missing" in line]) >= 12
    status, first = server("setup", "--data-dir", str(tmp_path))
    assert status == 0
    assert not [line for line in first if line.startswith("kept")]
    client.delete_deployment(client.read_deployment_by_name("ingest/inbox").id)
    assert server("setup")[0] == 0  # on the same store, whatever was deleted
    status, again = server("setup")
    assert status == 0
    assert [line.split()[0] for line in again] == ["store"] + ["kept"] * (len(first) - 1)
    assert wrong(server("check")[1]) == []
    assert f"store    {tmp_path}" in again[0]

    update = client.update_global_concurrency_limit
    update("tag:kalman", GlobalConcurrencyLimitUpdate(limit=3))
    update("tag:retro", GlobalConcurrencyLimitUpdate(limit=0))
    update("tag:viz", GlobalConcurrencyLimitUpdate(active_slots=2))
    client.delete_global_concurrency_limit_by_name("tag:ingest")
    client.update_work_pool("weightstream", WorkPoolUpdate(is_paused=True))
    client.pause_deployment(client.read_deployment_by_name("ingest/manual").id)
    client.delete_deployment(client.read_deployment_by_name("dashboards/refresh").id)
    (automation,) = client.read_automations_by_name(crash_automation(Served()).name)
    client.pause_automation(automation.id)
    status, lines = server("check")
    assert status == 1
    for sign in (
        "limit tag:kalman has drifted: it is 3, not 8",
        "limit tag:retro has drifted: it is 0",
        "limit tag:viz has 2 slots in use, but only 0 are held",
        "limit tag:ingest is missing",
        "work pool weightstream is paused",
        "deployment ingest/manual has drifted: paused is True",
        "deployment dashboards/refresh is missing",
        "a run without a heartbeat has crashed' has drifted: it is switched off",
    ):
        assert len([line for line in wrong(lines) if sign in line]) == 1, sign

    assert server("setup")[0] == 0
    client.update_work_pool("weightstream", WorkPoolUpdate(is_paused=False))
    update("tag:viz", GlobalConcurrencyLimitUpdate(active_slots=0))
    status, lines = server("check")
    assert wrong(lines) == []
    assert [line for line in lines if line.startswith("warning: no worker")]


def test_check_follows_the_configuration_that_is_given(server, tmp_path):
    server("setup", "--data-dir", str(tmp_path))
    config = tmp_path / "narrow.toml"
    config.write_text("threading.user_pool_size = 2\n")
    status, lines = server("check", "--config", str(config))
    assert status == 1
    assert any("tag:kalman has drifted: it is 8, not 2" in line for line in lines)


def test_setup_where_an_event_loop_runs_as_in_a_notebook(server, client, tmp_path):
    config = tmp_path / "telling.toml"
    config.write_text('notify.urls = ["https://hooks.example.org/team"]\n')
    more = ("--data-dir", str(tmp_path), "--config", str(config))

    async def twice() -> list[tuple[int, list[str]]]:
        return [server("setup", *more), server("setup", *more)]

    with ThreadPoolExecutor(1) as thread:  # Playwright keeps a loop in this one
        (status, first), (_, again) = thread.submit(
            copy_context().run, asyncio.run, twice()
        ).result()
    assert status == 0, first
    blocks = [line for line in again if "notification block" in line]
    assert [line.split()[0] for line in blocks] == ["kept"]
    assert client.read_variable_by_name(Served().variable) is not None
    config.write_text("")
    assert server("setup", *more)[0] == 0  # its automations go with the address


def test_a_limit_of_none_is_refused_before_anything_is_read(server, client, ingested, simulated):
    source = simulated(12, 500)
    server("setup", "--data-dir", str(source.parent))
    client.update_global_concurrency_limit("tag:kalman", GlobalConcurrencyLimitUpdate(limit=0))
    ran = ingested(source, source.parent / "zero")
    assert ran.state.name == "Failed"
    assert "tag:kalman" in ran.state.message
    assert "server setup" in ran.state.message


def test_a_stage_is_no_wider_than_its_limit(server, client, ingested, simulated, monkeypatch):
    from tasks.runtime import submission

    source = simulated(12, 500)
    server("setup", "--data-dir", str(source.parent))
    client.update_global_concurrency_limit("tag:kalman", GlobalConcurrencyLimitUpdate(limit=2))
    widths = {}
    usable = submission.usable_threads
    monkeypatch.setattr(
        submission, "usable_threads", lambda stage, n: widths.setdefault(stage, usable(stage, n))
    )
    ingested(source, source.parent / "two", retro="off")
    assert widths["filter"] == 2
