"""Prefect's embedded server, which a command starts before it imports anything of Prefect."""

import socket
import time
from contextlib import nullcontext, suppress

import pytest

from tests.running import run_python

REAL = """
import os, signal, sys
from deployments.embedded import server_beside

with server_beside():
    from flows.served import on_server
from prefect import get_client

with get_client(sync_client=True) as client:
    assert client.hello().status_code == 200
print(client.api_url.port, on_server(), "prefect.server" in sys.modules, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
FAILING = """
import os, sys
from deployments import embedded

started = embedded.subprocess.Popen

def failing(command, **options):
    return started([sys.executable, "-c", "raise SystemExit(1)"], **options)

embedded.subprocess.Popen = failing
with embedded.server_beside():
    pass
from prefect.settings import PREFECT_API_URL
print(PREFECT_API_URL.value())
"""


@pytest.mark.flow
def test_it_serves_one_command_and_ends_with_it_even_if_that_is_killed(tmp_path):
    said = run_python(REAL, PREFECT_HOME=str(tmp_path))
    port, on_server, imported = said.stdout.split()
    assert (on_server, imported) == ("False", "False"), said.stderr
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", int(port))) != 0:
                return
        time.sleep(0.1)
    pytest.fail("the server still answers")


def test_one_that_does_not_start_is_left_to_prefect(tmp_path):
    said = run_python(FAILING, PREFECT_HOME=str(tmp_path))
    assert (said.returncode, said.stdout) == (0, "None\n"), said.stderr


@pytest.mark.parametrize(("url", "starts"), [("http://127.0.0.1:9/api", 0), ("", 1), (None, 1)])
def test_one_is_started_unless_the_environment_names_an_api(monkeypatch, url, starts):
    """An empty address is none, to Prefect too."""
    from deployments import embedded

    started = []
    monkeypatch.setattr(embedded, "_launch", lambda: started.append(1))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("PREFECT_API_URL", url)
    with embedded.server_beside():
        pass
    assert len(started) == starts


@pytest.mark.parametrize("usable", [True, False])
def test_what_is_wrong_with_sources_is_said_before_what_is_with_prefects_home(
    monkeypatch, capsys, usable
):
    from deployments import embedded
    from weightstream.errors import InputError, PrefectError

    def chosen():
        if not usable:
            raise PrefectError("no home")
        return "another home"

    monkeypatch.setattr(embedded, "choose_home", chosen)
    monkeypatch.setattr(embedded, "_launch", lambda: None)
    with pytest.raises(InputError), embedded.server_beside():
        raise InputError("missing.csv: no such file")
    assert capsys.readouterr().err == ""
    with pytest.raises(PrefectError) if not usable else nullcontext(), embedded.server_beside():
        pass
    assert capsys.readouterr().err == ("another home\n" if usable else "")


def test_no_pipe_stays_open_where_no_process_can_be_started(monkeypatch):
    import os

    from deployments import embedded

    def refused(*_, **__):
        raise BlockingIOError

    pipe = os.pipe()
    monkeypatch.setattr(embedded.os, "pipe", lambda: pipe)
    monkeypatch.setattr(embedded.subprocess, "Popen", refused)
    with pytest.raises(BlockingIOError):
        embedded._launch()
    for end in pipe:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)


def test_an_empty_address_is_no_server(monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.served import on_server

    monkeypatch.delenv("WEIGHTSTREAM_OWN_API_URL", raising=False)
    for url, served in (("", False), ("http://127.0.0.1:9/api", True)):
        with temporary_settings({PREFECT_API_URL: url}):
            assert on_server() is served


def test_an_empty_address_is_empty_again_where_none_answers(monkeypatch):
    """Without it, Prefect would take the address of a profile."""
    import os
    import subprocess

    from deployments import embedded

    monkeypatch.setenv("PREFECT_API_URL", "")
    process = subprocess.Popen(["true"])
    process.wait()
    embedded._adopt(embedded.Launched(process, 9, -1))
    assert os.environ["PREFECT_API_URL"] == ""


def test_one_is_ended_where_a_profile_names_an_api(monkeypatch):
    import os
    import subprocess

    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments import embedded

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    read, write = os.pipe()
    process = subprocess.Popen(["sleep", "60"])
    try:
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            embedded._adopt(embedded.Launched(process, 9, write))
        assert process.poll() is not None
        assert "PREFECT_API_URL" not in os.environ
    finally:
        process.kill()
        process.wait()
        for end in (read, write):
            with suppress(OSError):
                os.close(end)
