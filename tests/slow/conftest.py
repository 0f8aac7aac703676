"""A real Prefect server for the session, and the command in processes of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.running import ROOT, environment

SERVER_SECONDS = 240


PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from deployments.commands import main
main()
"""


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory, prefect_home: Path) -> Iterator[str]:
    """Of a `prefect server start` with a home of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment(PREFECT_SERVER_ANALYTICS_ENABLED="false"),
        cwd=ROOT,  # for prefect.toml
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(SERVER_SECONDS):
            assert server.poll() is None, "the server died; see its log"
            try:
                urlopen(f"{url}/health", timeout=2).close()
                break
            except (URLError, OSError):
                time.sleep(1)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        log.close()


@pytest.fixture
def start(api_url: str) -> Callable[..., Any]:
    """Start `weightstream ARGUMENTS` against the server; gives the Popen."""

    def run(*arguments: str | Path) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM] + [str(argument) for argument in arguments],
            env=environment(PREFECT_API_URL=api_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run
