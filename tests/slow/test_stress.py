"""Everything at once on one store for minutes, with kills at random: it ends as a quiet sequence.

WEIGHTSTREAM_STRESS_SECONDS and WEIGHTSTREAM_STRESS_SEED repeat a run; a failure tells its seed.
"""

import json
import logging
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.running import ROOT, environment

SECONDS = float(os.environ.get("WEIGHTSTREAM_STRESS_SECONDS", "25"))
SEED = int(os.environ.get("WEIGHTSTREAM_STRESS_SEED", secrets.randbelow(10**6)))
PERSONS, ROWS, FILES, ERASED = 60, 6_000, 12, 3
ENDING = ("ingest", "retro", "erase", "override", "status", "export")
LATER = 240.0
"""Seconds that a busy machine has more, until each of these has ended once."""
KILLED = 0.25
"""Share of the processes that are killed."""

logger = logging.getLogger("stress")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 900)]

FORKER = """
import json, os, signal, sys, time, traceback
import flows.ingest, flows.retro, flows.dashboards, weightstream.erasing.erasure
import weightstream.store.overriding
from deployments.commands import main
for line in sys.stdin:
    arguments, log, kill_after = json.loads(line)
    process = os.fork()
    if process == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        sys.argv = ["weightstream", *arguments]
        code = 99
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    began, ended = time.monotonic(), 0
    while not ended:
        ended, status = os.waitpid(process, os.WNOHANG)
        if not ended and kill_after is not None and time.monotonic() - began > kill_after:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    print(status, flush=True)
"""
"""Imports once and forks for every command: a command then costs its work, not its imports."""


class Forker:
    """Runs commands one after another, each in a process of its own."""

    def __init__(self, api_url: str, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKER],
            env=environment(PREFECT_API_URL=api_url),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, arguments: list[str], kill_after: float | None = None) -> tuple[int | None, str]:
        """Exit status, None if it was killed, and what it printed."""
        self._process.stdin.write(json.dumps([arguments, str(self._log), kill_after]) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        killed = os.WIFSIGNALED(status)
        return None if killed else os.WEXITSTATUS(status), self._log.read_text()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Stress:
    """What is under way. gone: persons whose erasure has ended. done: commands by their end."""

    data: Path
    until: float
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    @property
    def going_on(self) -> bool:
        """Until the time is over and each command has ended once, on a busy machine later."""
        now, unseen = time.monotonic(), any(self.done[name] == 0 for name in ENDING)
        return not self.wrong and (now < self.until or (unseen and now < self.until + LATER))


@pytest.fixture
def forkers(api_url, tmp_path) -> Iterator[Callable[[], Forker]]:
    made: list[Forker] = []

    def make() -> Forker:
        made.append(Forker(api_url, tmp_path / f"log-{len(made)}"))
        return made[-1]

    yield make
    for forker in made:
        forker.close()


def parts_of(source: Path, folder: Path, moments: random.Random) -> list[Path]:
    """Files that share rows: each row is in one to three of them."""
    head, *rows = source.read_text().splitlines(keepends=True)
    parts: list[list[str]] = [[] for _ in range(FILES)]
    for row in rows:
        for part in moments.sample(parts, moments.choice((1, 1, 2, 3))):
            part.append(row)
    paths = [folder / f"{number}.csv" for number in range(FILES)]
    for path, part in zip(paths, parts, strict=True):
        path.write_text(head + "".join(moments.sample(part, len(part))))
    return paths


def act(
    stress: Stress,
    forker: Forker,
    moments: random.Random,
    choose: Callable[[], list[str]],
    pause: float,
) -> None:
    """One command after another; what is neither killed nor well is wrong."""
    while stress.going_on:
        arguments = choose()
        kill = moments.random() * 3 if moments.random() < KILLED else None
        given = [*arguments, "--data-dir", str(stress.data)]
        try:
            status, said = forker.run(given, kill)
        except Exception as error:
            stress.wrong.append(f"{arguments}: {error!r}")
            return
        stress.done[f"{arguments[0]}{' killed' if status is None else ''}"] += 1
        if status == 0 and arguments[0] == "erase":
            stress.gone.add(arguments[1])
        if status not in (0, None) or "Traceback" in said or "locked" in said:
            stress.wrong.append(f"{arguments} ended with {status}: {said[-2000:]}")
        time.sleep(moments.random() * pause)


def watch(stress: Stress) -> None:
    """Nobody whose erasure has ended is ever seen again; nothing is half there."""
    uri = f"{(stress.data / 'weightstream.db').as_uri()}?mode=ro"
    while stress.going_on:
        gone = sorted(stress.gone)
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            (back,) = connection.execute(
                "select count(*) from measurements where user_id in "
                "(select value from json_each(?))",
                (json.dumps(gone),),
            ).fetchone()
            (undecided,) = connection.execute(
                "select count(*) from measurements m where not exists (select 1 from decisions d "
                "where d.user_id = m.user_id and d.measurement_id = m.measurement_id)"
            ).fetchone()
        if back or undecided:
            stress.wrong.append(f"{back} readings of erased persons, {undecided} without decision")
        time.sleep(0.2)


def test_everything_at_once_ends_as_a_quiet_sequence(forkers, simulated, exported, tmp_path):
    moments = random.Random(SEED)
    logger.warning("WEIGHTSTREAM_STRESS_SEED=%d WEIGHTSTREAM_STRESS_SECONDS=%.0f", SEED, SECONDS)
    files = [str(path) for path in parts_of(simulated(PERSONS, ROWS), tmp_path, moments)]
    quiet, data = tmp_path / "quiet", tmp_path / "data"
    calm = forkers()
    sure(calm, quiet, "ingest", *files, "--no-dashboards", "--retro", "inline")
    persons = users(quiet)
    erased = moments.sample(persons, ERASED)
    requests = wished(quiet, [user for user in persons if user not in erased], moments)

    sure(calm, data, "ingest", files[0], "--no-dashboards")
    stress = Stress(data, time.monotonic() + SECONDS)
    actors = [
        (0.0, lambda own: ingesting(own, files)),
        (0.0, lambda own: ingesting(own, files)),
        (0.5, lambda own: lambda: ["retro", *own.choice(([], ["--no-dashboards"]))]),
        (6.0, lambda own: lambda: ["erase", own.choice(erased), "--in-advance"]),
        (2.0, lambda own: overriding(own, requests, data)),
        (1.0, lambda own: lambda: own.choice((["status"], ["export", str(tmp_path / "x.csv")]))),
    ]
    threads = [threading.Thread(target=watch, args=(stress,))]
    for pause, chooser in actors:
        own = random.Random(moments.random())
        given = (stress, forkers(), own, chooser(own), pause)
        threads.append(threading.Thread(target=act, args=given))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.warning("commands by their end: %s", dict(sorted(stress.done.items())))
    assert not stress.wrong, stress.wrong
    for name in ENDING:
        assert stress.done[name] > 0, f"{name} never got to its end"

    for folder in (data, quiet):
        sure(calm, folder, "ingest", *files, "--no-dashboards", "--retro", "off")
        for request in requests:
            sure(calm, folder, "override", *request)
        for user in erased:
            sure(calm, folder, "erase", user, "--in-advance")
        sure(calm, folder, "retro")
    assert exported(data) == exported(quiet)
    assert set(users(data)) == set(persons) - set(erased)
    assert not [*data.glob("spill/*")]
    with closing(sqlite3.connect(data / "weightstream.db")) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from users where dirty").fetchone() == (0,)
    content = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert not [user for user in erased if f'"{user}"'.encode() in content]
    pages = {path.suffix: 0 for path in (data / "dashboards/persons").iterdir()}
    assert set(pages) == {".html"}


def sure(forker: Forker, data: Path, *arguments: str) -> None:
    status, said = forker.run([*arguments, "--data-dir", str(data)])
    assert status == 0, said


def users(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "weightstream.db")) as connection:
        return [user for (user,) in connection.execute("select user_id from users order by 1")]


def wished(data: Path, persons: list[str], moments: random.Random) -> list[tuple[str, ...]]:
    """What somebody will decide on some readings."""
    with closing(sqlite3.connect(data / "weightstream.db")) as connection:
        rows = connection.execute(
            "select measurement_id from current_decisions where user_id in "
            "(select value from json_each(?)) and weight_kg between 20 and 300 order by 1",
            (json.dumps(persons),),
        ).fetchall()
    names = [name for (name,) in moments.sample(rows, 8)]
    return [(name, moments.choice(("accept", "reject")), "--by", "Ada") for name in names]


def ingesting(moments: random.Random, files: list[str]) -> Callable[[], list[str]]:
    def choose() -> list[str]:
        some = moments.sample(files, moments.choice((1, 1, 2)))
        how = moments.choice((["--no-dashboards"], ["--dashboards"]))
        return ["ingest", *some, *how, "--retro", moments.choice(("inline", "defer", "off"))]

    return choose


def overriding(
    moments: random.Random, requests: list[tuple[str, ...]], data: Path
) -> Callable[[], list[str]]:
    """Of readings that are stored by now."""

    def choose() -> list[str]:
        with closing(sqlite3.connect(data / "weightstream.db", timeout=30)) as connection:
            there = {
                name for (name,) in connection.execute("select measurement_id from measurements")
            }
        known = [request for request in requests if request[0] in there]
        return ["override", *moments.choice(known)] if known else ["review"]

    return choose
