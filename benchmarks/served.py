"""`python -m benchmarks.served`: what a Prefect server costs, from a request to the pages.

A server and a worker of its own are started, in a Prefect home of their own.
"""

import argparse
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.runs import COMMAND, Place
from benchmarks.table import HEAD, Line

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
START_SECONDS = 240
SETTLED_SECONDS = 20


@dataclass(frozen=True)
class Server:
    """A Prefect server with a worker. processes: both."""

    url: str
    environment: dict[str, str]
    processes: list[psutil.Process]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return an answer; on SQLite the server may say that it is busy."""
        while True:
            answer = httpx.request(method, self.url + path, timeout=60, **more)
            if answer.status_code != 503:
                return answer.raise_for_status().json()

    def request(self, deployment: str, **parameters: Any) -> str:
        number = self.ask("GET", f"/deployments/name/{deployment}")["id"]
        wanted = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        run: str = self.ask("POST", f"/deployments/{number}/create_flow_run", json=wanted)["id"]
        return run

    def ended(self, run: str) -> None:
        while (found := self.ask("GET", f"/flow_runs/{run}"))["state_type"] not in ENDED:
            time.sleep(0.2)
        assert found["state_name"] == "Completed", found["state"]["message"]

    def await_worker(self) -> None:
        """Wait until a worker looks for runs, and server and worker have nothing left to start."""
        status = {"workers": {"status": {"any_": ["ONLINE"]}}}
        while not self.ask("POST", "/work_pools/weightstream/workers/filter", json=status):
            time.sleep(0.5)
        time.sleep(SETTLED_SECONDS)

    def retro_after(self, seconds: float) -> str:
        """Return the run of retro/deferred that was requested after a time."""
        number = self.ask("GET", "/deployments/name/retro/deferred")["id"]
        wanted = {"deployments": {"id": {"any_": [number]}}, "sort": "EXPECTED_START_TIME_DESC"}
        newest = self.ask("POST", "/flow_runs/filter", json=wanted)[0]
        assert instant(newest["created"]) > seconds
        run: str = newest["id"]
        return run

    def entered(self, run: str) -> dict[str, float]:
        """Return when a run first entered each state."""
        states = self.ask("GET", f"/flow_run_states/?flow_run_id={run}")
        return {one["name"]: instant(one["timestamp"]) for one in reversed(states)}

    def stages(self, run: str) -> dict[str, tuple[float, float]]:
        """Return when the tasks of each tag began and ended, once the server knows it."""
        wanted = {"flow_runs": {"id": {"any_": [run]}}, "limit": 200}
        found = self.ask("POST", "/task_runs/filter", json=wanted)
        while not all(one["end_time"] for one in found):
            time.sleep(0.5)
            found = self.ask("POST", "/task_runs/filter", json=wanted)
        tags: dict[str, list[float]] = {}
        for one in found:
            times = [instant(one[key]) for key in ("start_time", "end_time")]
            for tag in one["tags"]:
                tags.setdefault(tag, []).extend(times)
        return {tag: (min(times), max(times)) for tag, times in tags.items()}

    def cpu_seconds(self) -> float:
        """Return the processor time of server and worker, with the runs that have ended."""
        return sum(sum(process.cpu_times()[:4]) for process in self.processes)


def instant(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


@contextmanager
def serving(folder: Path, data_dir: Path, database: str | None) -> Iterator[Server]:
    """Start a server and a worker for a store. database: URL of Prefect's, if not SQLite."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    own = {"PREFECT_HOME": str(folder / "prefect-served"), "PREFECT_API_URL": url}
    if database:
        own["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    environment = os.environ | own
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> psutil.Process:
        with (folder / f"{name}.log").open("w") as log:
            command = [COMMAND, "server", *arguments]
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return psutil.Process(started[-1].pid)

    try:
        processes = [start("server", "start", "--port", str(port))]
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/health").is_success:
                    break
            time.sleep(0.5)
        setup = [COMMAND, "server", "setup", "--data-dir", str(data_dir)]
        subprocess.run(setup, env=environment, check=True, stdout=subprocess.DEVNULL)
        processes.append(start("worker", "serve"))
        server = Server(url, environment, processes)
        server.await_worker()
        yield server
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=60)


def small_file(server: Server, source: Path) -> Iterator[Line]:
    """One new reading of some persons, by ingest/manual and the retro that follows it."""
    before, requested = server.cpu_seconds(), time.time()
    run = server.request("ingest/manual", sources=[str(source)])
    server.ended(run)
    retro = server.retro_after(requested)
    server.ended(retro)
    cpu = server.cpu_seconds() - before
    first, then = server.entered(run), server.entered(retro)
    own, later = server.stages(run), server.stages(retro)
    marks = [
        ("the worker takes the request", first["Pending"]),
        ("process, imports", first["Running"]),
        ("to the first row", own["ingest"][0]),
        ("read, filter, write", own["db-write"][1]),
        ("retro is requested, the ingest ends", first["Completed"]),
        ("the worker takes it", max(then["Pending"], first["Completed"])),
        ("process, imports", then["Running"]),
        ("smooth, write", later["db-write"][1]),
        ("draw", later["viz"][1]),
        ("the run ends", then["Completed"]),
    ]
    last = requested
    for what, at in marks:
        yield Line(what, f"{at - last:.1f} s")
        last = at
    yield Line("request to pages", f"{later['viz'][1] - requested:.1f} s, {cpu:.1f} s of processor")


def large_file(place: Place, server: Server, rows: int, persons: int) -> Iterator[Line]:
    """The same command with the server and with the embedded one."""
    source = place.simulated(rows, persons)
    for what, more in (
        ("ingest", ["--retro", "off", "--no-dashboards"]),
        ("ingest, retro, pages", ["--retro", "inline"]),
    ):
        seconds = {}
        for name, variables in (("embedded", {}), ("served", server.environment)):
            data = place.fresh(name)
            before = os.times()
            summary = place.command(["ingest", str(source), *more], data, variables)
            after = os.times()
            took = summary["seconds"]
            cpu = sum(after[2:4]) - sum(before[2:4])
            seconds[name] = took["total"] - took["startup"]
            yield Line(f"{what}, {name}", f"{seconds[name]:.1f} s, {cpu:.1f} s of processor")
        ratio = seconds["served"] / seconds["embedded"]
        yield Line(f"{what}, served", f"{ratio:.2f} × embedded", "≤ 1.6 ×", ratio <= 1.6)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served", description=__doc__)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--persons", type=int, default=6_000)
    parser.add_argument("--daily", type=int, help="how many have a new reading; by default all")
    parser.add_argument("--folder", type=Path, help="keeps the simulated files for the next time")
    parser.add_argument("--database", help="URL of an empty PostgreSQL for Prefect")
    parser.add_argument("--only", choices=("small", "large"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Place(asked.folder or Path(temporary))
        place.folder.mkdir(parents=True, exist_ok=True)
        source, data = place.simulated(asked.rows, asked.persons), place.fresh("data")
        print(HEAD)
        if asked.only != "large":
            place.command(["ingest", str(source), "--retro", "inline"], data, {})
        with serving(place.folder, data, asked.database) as server:
            if asked.only != "large":
                for line in small_file(server, place.next_day(source, persons=asked.daily)):
                    print(line.markdown(), flush=True)
            if asked.only != "small":
                for line in large_file(place, server, asked.rows, asked.persons):
                    print(line.markdown(), flush=True)


if __name__ == "__main__":
    main()
