"""A fortnight on a server, a minute for each day: nothing grows that should not."""

import os
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass

import psutil
import pytest

from tests.slow.conftest import PROGRAM

DAYS = int(os.environ.get("WEIGHTSTREAM_DAYS", "14"))
"""Thirty are worth half an hour before a release."""
DAY_SECONDS = 60.0
RETENTION_DAYS = 2
DAY = 24 * 3600
SETTINGS = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "10",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RETENTION_DAYS * DAY),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
}
AGES = (("flow_run", "end_time"), ("events", "occurred"), ("event_resources", "occurred"))
"""By which Prefect's vacuum deletes."""
SPREAD = 1.2
"""How much the last days may be above those that went before, once the oldest are deleted."""
PERSONS = 50

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.alone,
    pytest.mark.timeout(600 + 2 * DAYS * DAY_SECONDS),
]


@dataclass(frozen=True)
class Measured:
    """After a day: of Prefect's database what is in use, of server and worker what they hold."""

    database_mb: float
    runs: int
    memory_mb: dict[str, float]


def measured(home, processes):
    with closing(sqlite3.connect(home / "prefect.db", timeout=60)) as database:
        used = "(select page_count from pragma_page_count) - (select * from pragma_freelist_count)"
        query = (
            f"select ({used}) * (select * from pragma_page_size), (select count(*) from flow_run)"
        )
        size, runs = database.execute(query).fetchone()
    memory = {name: one.memory_info().rss / 1e6 for name, one in processes.items()}
    return Measured(size / 1e6, runs, memory)


def a_day_passes(home):
    """Make all that has ended a day older, as Prefect allows no retention of minutes."""
    with closing(sqlite3.connect(home / "prefect.db", timeout=60)) as database, database:
        for table, column in AGES:
            older = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-1 day')"
            database.execute(f"update {table} set {column} = {older} where {column} is not null")


def rows(day):
    """Readings as bodies are: without noise, a limit of [quality] would be exceeded."""
    noise = random.Random(day)
    weights = [70 + number + noise.gauss(0, 0.7) for number in range(PERSONS)]
    lines = ["user_id,effectiveDateTime,source_type,weight,unit"]
    lines += [
        f"P-{number},2024-03-{day + 1:02}T07:00:00Z,scale,{weight:.1f},kg"
        for number, weight in enumerate(weights)
    ]
    return "\n".join(lines) + "\n"


def drop(inbox, day):
    (inbox / f"day-{day}.part").write_text(rows(day))
    (inbox / f"day-{day}.part").rename(inbox / f"day-{day}.csv")


def test_a_fortnight_leaves_the_store_and_nothing_else(serve, tmp_path):
    data, config, temporary = tmp_path / "data", tmp_path / "some.toml", tmp_path / "tmp"
    temporary.mkdir()
    config.write_text("data.inbox_rest_seconds = 1\nschedule.inbox = '* * * * *'\n")
    with serve(**SETTINGS, TMPDIR=str(temporary)) as served:
        status, said = served.run("server", "setup", "--config", config, "--data-dir", data)
        assert status == 0, said
        # `server serve` becomes the worker, in the same process
        worker = served.logged("worker", "-c", PROGRAM, "server", "serve")
        (server,) = (one for one in served.processes if "--port" in one.args)
        processes = {"server": psutil.Process(server.pid), "worker": psutil.Process(worker.pid)}
        days = []
        for day in range(DAYS):
            drop(data / "inbox", day)
            time.sleep(DAY_SECONDS)
            a_day_passes(served.home)
            days.append(measured(served.home, processes))
            print(days[-1])  # noqa: T201, shown by pytest -rP
        until = time.monotonic() + 5 * DAY_SECONDS
        while list((data / "inbox").glob("*.csv")) or under_way(served) or held(data)[1]:
            assert time.monotonic() < until, (held(data), [*(data / "inbox").rglob("*.csv")])
            time.sleep(1)

        assert len(list((data / "inbox/done").glob("*.csv"))) == DAYS
        assert not list((data / "inbox/.claimed").rglob("*.csv"))
        assert held(data) == (DAYS * PERSONS, 0)
        limits = served.ask("POST", "/v2/concurrency_limits/filter", json={})
        assert {one["name"]: one["active_slots"] for one in limits if one["active_slots"]} == {}
        leases = {one.name for one in (served.home / "concurrency_leases").glob("*.json")}
        assert leases <= {"expirations.json"}
        assert len(list(temporary.iterdir())) <= 2  # of a look that is under way, not one a day
        status, said = served.run("server", "check", "--monitor")
        assert status == 0, said

    first, last = days[DAYS // 3 : 2 * DAYS // 3], days[2 * DAYS // 3 :]
    for name, figure in {
        "database": lambda day: day.database_mb,
        "runs": lambda day: day.runs,
        "server": lambda day: day.memory_mb["server"],
        "worker": lambda day: day.memory_mb["worker"],
    }.items():
        assert max(map(figure, last)) <= SPREAD * max(map(figure, first)), (name, days)


def held(data):
    """Return how many readings the store has, and how many persons wait for retro."""
    with closing(sqlite3.connect(data / "weightstream.db")) as store:
        query = "select count(*), (select sum(dirty) from users) from measurements"
        return store.execute(query).fetchone()


def under_way(served):
    wanted = {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}
    return served.ask("POST", "/flow_runs/filter", json={"flow_runs": wanted})
