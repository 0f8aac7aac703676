"""Prefect's embedded server, which a command starts before it imports the server's modules."""

import socket

import pytest

from tests.running import run_python

PROGRAM = """
import subprocess, sys, types
from deployments import embedded

ANSWERING = '''
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
'''
def started(arguments, env):
    assert "prefect.server.api.server" not in sys.modules
    assert env["PREFECT__SERVER_EPHEMERAL"] == "1"
    port = arguments[arguments.index("--port") + 1]
    program = ANSWERING if sys.argv[1] == "answers" else "raise SystemExit(1)"
    return subprocess.Popen([sys.executable, "-c", program, port])

embedded.subprocess = types.SimpleNamespace(Popen=started)
with embedded.server_beside():
    pass
from prefect.server.api.server import SubprocessASGIServer

server = SubprocessASGIServer()
assert server.running == (sys.argv[1] == "answers")
print(server.port)
"""


@pytest.mark.flow
def test_it_becomes_prefects_own_and_ends_with_the_command(tmp_path):
    said = run_python(PROGRAM, "answers", PREFECT_HOME=str(tmp_path))
    assert said.returncode == 0, said.stderr
    with socket.socket() as asked:
        assert asked.connect_ex(("127.0.0.1", int(said.stdout))) != 0


@pytest.mark.flow
def test_one_that_does_not_start_is_left_to_prefect(tmp_path):
    said = run_python(PROGRAM, "fails", PREFECT_HOME=str(tmp_path))
    assert said.returncode == 0, said.stderr
    assert said.stdout == "None\n"


def test_with_an_api_none_is_started(monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments import embedded

    monkeypatch.setattr(embedded.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert embedded._launch() is None
