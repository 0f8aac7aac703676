"""`weightstream server`: names of stores, parameters, exit statuses; and prefect.toml itself."""

import os
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import click
import httpx
import pytest
from click.testing import CliRunner
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Completed, Crashed, Running

from deployments import running
from deployments.commands import cli
from deployments.desired import ROOT
from deployments.health import vacuumed
from deployments.server_commands import _checked_name, _parameter
from flows.served import Served
from tests.running import run_python
from weightstream.errors import PrefectError


@pytest.mark.parametrize("name", ["Clinic", "a b", "a/b", "klinikø"])
def test_a_name_that_prefect_could_not_hold_is_refused(name):
    with pytest.raises(click.BadParameter):
        _checked_name(None, None, name)
    assert _checked_name(None, None, "clinic2") == "clinic2"


def test_a_parameter_is_json_or_text():
    assert _parameter('sources=["a.csv"]') == ("sources", ["a.csv"])
    assert _parameter("unit=kg") == ("unit", "kg")
    assert _parameter("png=true") == ("png", True)
    with pytest.raises(click.UsageError):
        _parameter("png")


@pytest.fixture
def asked(monkeypatch):
    """A client of a server that has every deployment, and no worker."""
    client = SimpleNamespace(
        read_deployment_by_name=lambda name: SimpleNamespace(id=1),
        create_flow_run_from_deployment=lambda n, parameters: SimpleNamespace(id=2, name="run"),
        read_work_pool=lambda name: SimpleNamespace(is_paused=False),
        read_work_queue_by_name=lambda name, pool: SimpleNamespace(is_paused=False),
        read_workers_for_work_pool=lambda name, worker_filter: [],
    )

    @contextmanager
    def api():
        yield client

    monkeypatch.setattr(running, "api", api)
    monkeypatch.setattr(running, "LOOK_SECONDS", 0.0)
    return client


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ([Running(), Completed()], 0),
        ([Completed(name="Degraded", message="1 file not done")], 1),
        ([Crashed(message="killed")], 2),
        ([Running(), None], 0),  # the inbox was empty, and the run deleted itself: its run is gone
    ],
)
def test_how_a_run_ended_is_an_exit_status(asked, capsys, ends, status):
    states = iter(ends)

    def read_flow_run(run):
        state = next(states)
        if state is None:
            raise ObjectNotFound(Exception())
        return SimpleNamespace(state=state)

    asked.read_flow_run = read_flow_run
    assert running.run_and_wait(Served(), "ingest/manual", {}) == status
    assert "warning: no worker polls work pool weightstream" in capsys.readouterr().err


def test_parameters_that_the_server_refuses(asked):
    def refuse(*_, **__):
        answer = httpx.Response(409, json={"detail": "'a.csv' is not of type 'array'"})
        request = httpx.Request("POST", "http://server")
        raise PrefectHTTPStatusError("", request=request, response=answer)

    asked.create_flow_run_from_deployment = refuse
    with pytest.raises(PrefectError, match="refuses to run ingest/manual: 'a"):
        running.run_and_wait(Served(), "ingest/manual", {"sources": "a.csv"})


@pytest.mark.flow
def test_prefect_takes_our_settings_from_its_file_and_from_our_environment(tmp_path):
    """Servers are started either way; what one takes as a number the other may take as text."""
    show = (
        "from prefect.settings import get_current_settings as s; s = s().server; "
        "v = s.services.db_vacuum; "
        "print(sorted(v.enabled), v.retention_period.days, s.events.retention_period.days)"
    )
    ours = f"from deployments.commands import apply_prefect_settings as a; a(); {show}"
    said = set()
    for program, folder in ((show, ROOT), (ours, tmp_path)):
        done = run_python(program, cwd=folder)
        assert done.returncode == 0, done.stderr[-500:]
        said.add(done.stdout)
    assert said == {"['events', 'flow_runs'] 30 3\n"}


def test_what_a_server_s_vacuum_deletes():
    def settings(enabled):
        return {"services": {"db_vacuum": {"enabled": enabled}}}

    assert "flow_runs" in vacuumed(settings(["events", "flow_runs"]))
    assert "flow_runs" in vacuumed(settings(True))
    for enabled in (["events"], False, None):
        assert "flow_runs" not in vacuumed(settings(enabled))


def test_a_folder_of_the_user_is_none_of_our_packages(monkeypatch, tmp_path):
    """`python -m` looks first where it is started, and a pipeline may have `flows/` there."""
    became = []
    monkeypatch.setattr(os, "execv", lambda _, program: became.extend(program))
    # By the whole program: click keeps the help option of a command's first run.
    assert CliRunner().invoke(cli, ["server", "start"]).exit_code == 0
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments/__init__.py").write_text("raise SystemExit('of the user')")
    python = became[: became.index("-m")]
    command = [*python, "-c", "import deployments"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.flow
def test_running_a_deployment_does_not_import_the_engine():
    """It would be compiled first, for a minute where it was never used."""
    program = "import deployments.running, sys; print('weightstream.engine' in sys.modules)"
    assert run_python(program).stdout == "False\n"
