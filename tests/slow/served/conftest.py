"""Prefect servers of their own, on SQLite and on PostgreSQL, with a worker where one is wanted."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import ROOT
from tests.slow.conftest import PROGRAM

SECONDS = 240


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class Served:
    """A Prefect server, its home, what was started against it. path: of modules before ours."""

    port: int
    home: Path
    settings: dict[str, str]
    path: str = ""
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        own = {"PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url}
        own["PREFECT_WORKER_QUERY_SECONDS"] = "1"  # a worker looks for runs every 10 s otherwise
        path = os.pathsep.join(filter(None, (self.path, str(ROOT), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path, **own, **self.settings}

    def python(self, *arguments: str | Path, **more: Any) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=self.environment,
            start_new_session=True,
            text=True,
            **more,
        )
        self.processes.append(process)
        return process

    def logged(self, name: str, *arguments: str) -> subprocess.Popen:
        """With a log in the server's home."""
        with (self.home / f"{name}.log").open("a") as log:
            return self.python(*arguments, cwd=ROOT, stdout=log, stderr=log)

    def begin(self, *arguments: str | Path, program: str = PROGRAM) -> subprocess.Popen:
        """`weightstream ARGUMENTS`."""
        pipe = subprocess.PIPE
        return self.python("-c", program, *arguments, stdout=pipe, stderr=pipe)

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out + err

    def server(self) -> subprocess.Popen:
        """Start it, and wait until it answers."""
        server = self.logged("server", "-m", "prefect", "server", "start", "--port", str(self.port))
        for _ in range(SECONDS * 2):
            assert server.poll() is None, (self.home / "server.log").read_text()[-2000:]
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", timeout=2).status_code < 500:
                    return server
            time.sleep(0.5)
        raise AssertionError(f"no answer after {SECONDS} s")

    def worker(self) -> subprocess.Popen:
        return self.logged("worker", "-m", "prefect", "worker", "start", "--pool", "weightstream")

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """As clients of Prefect do, again where a server on SQLite is contended."""
        until = time.monotonic() + 60
        while True:
            try:
                answer = httpx.request(method, self.url + path, timeout=60, **more)
            except httpx.TimeoutException:  # of a machine that has too much to do
                if method != "GET" or time.monotonic() > until:
                    raise
                continue
            if answer.status_code != 503 or time.monotonic() > until:
                answer.raise_for_status()
                return answer.json() if answer.content else None
            time.sleep(1)

    def deploy_run(self, name: str, variables: dict[str, str] | None = None, **given: Any) -> str:
        """variables: of the environment of the run's process."""
        number = self.ask("GET", f"/deployments/name/{name}")["id"]
        wanted = {"parameters": given, "state": {"type": "SCHEDULED"}}
        if variables:
            wanted["job_variables"] = {"env": variables}
        return self.ask("POST", f"/deployments/{number}/create_flow_run", json=wanted)["id"]

    def ended(self, run: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The run, once its state is final."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.ask("GET", f"/flow_runs/{run}")
            if found["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return found
            time.sleep(1)
        raise AssertionError(f"{found['name']} is {found['state_name']} after {seconds} s")

    def task_runs(self, run: str, seconds: float = 60) -> list[dict[str, Any]]:
        """The task runs of an ended run and of those below it, as an inline retro. A server
        records their ends from events, which may arrive after the process that sent them is gone.
        """
        runs = {"id": {"any_": [run]}}, {"parent_flow_run_id": {"any_": [run]}}
        before, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            found = [
                one
                for these in runs
                for one in self.ask(
                    "POST", "/task_runs/filter", json={"flow_runs": these, "limit": 200}
                )
            ]
            if before == len(found) and found and all(one["end_time"] for one in found):
                return found
            before = len(found)
            time.sleep(1)
        raise AssertionError([(one["name"], one["state_name"]) for one in found])

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def serving(home: Path, migrated: Path, path: str = "", **settings: str) -> Iterator[Served]:
    """A server in a home of its own; migrated: what its database begins as, if it is on SQLite."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated, home / "prefect.db")
    served = Served(free_port(), home, settings, path)
    try:
        served.server()
        yield served
    finally:
        served.stop()


@dataclass(frozen=True)
class PostgreSQL:
    """A cluster of its own; url: of an empty database, for Prefect. dump: all of it as text.
    restart: its processes are ended at once, with all connections, and started again."""

    url: str
    dump: Callable[[], bytes]
    restart: Callable[[], None]


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    found = [*path_of("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    if not found:
        pytest.skip("no PostgreSQL is installed here; `make postgresql` does it on Debian")
    # Not below pytest's folder, which is root's alone.
    programs, folder, port = found[-1], Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
    as_user = other_user(folder)
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", "prefect"]

    def call(program: str, *arguments: str) -> bytes:
        done = subprocess.run(
            [*as_user, str(programs / program), *arguments],
            capture_output=program != "pg_ctl",  # the server would hold on to the pipe
            check=True,
            cwd="/",
            timeout=120,
        )
        return done.stdout or b""

    call("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "prefect")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    cluster = ["-D", f"{folder}/data", "-s", "-w"]
    begin = (*cluster, "-l", f"{folder}/log", "-o", options)
    call("pg_ctl", *begin, "start")
    try:
        call("createdb", *where, "prefect")
        url = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
        yield PostgreSQL(
            url,
            lambda: call("pg_dump", *where, "prefect"),
            lambda: call("pg_ctl", *begin, "-m", "immediate", "restart") and None,
        )
    finally:
        call("pg_ctl", *cluster, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def path_of(program: str) -> list[Path]:
    found = shutil.which(program)
    return [Path(found).resolve().parent] if found else []


def other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: as nobody then, whose the folder becomes."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "nobody")
    return ["setpriv", "--reuid=nobody", "--clear-groups", "--"]


@pytest.fixture(params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> Iterator[Served]:
    """A server; on either database."""
    settings = {}
    if request.param == "postgresql":
        database = request.getfixturevalue("postgresql")
        settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.url
    with serving(tmp_path / "home", migrated, **settings) as found:
        yield found


@pytest.fixture
def serve(tmp_path: Path, migrated: Path) -> Callable[..., Any]:
    """Start a server with settings of the test's; a context manager."""
    return lambda **settings: serving(tmp_path / "home", migrated, **settings)
