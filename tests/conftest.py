"""What several modules share: one Prefect harness for the session, simulated files, stores."""

import atexit
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.prefect_server import Harness, harness, migrated_database

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

# Before anything imports Prefect: never the home, profile or server of whoever runs the tests.
# In memory where possible: Prefect's server waits for the disk at every step of every run.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
HOME = Path(tempfile.mkdtemp(prefix="weightstream-prefect-", dir=MEMORY))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ |= {"PREFECT_HOME": str(HOME), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_API_KEY"):
    os.environ.pop(name, None)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a server of Prefect; leave out what only `make torture` runs."""
    for item in items:
        if "prefect_harness" in getattr(item, "fixturenames", ()):
            item.add_marker("flow")
    if "torture" in config.getoption("-m"):
        return
    left_out = [item for item in items if item.get_closest_marker("torture")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


ASIDE = ("run_id", "version", "file", "line")
"""Columns of the export that may differ between runs that come to the same decisions."""


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest) -> Path:
    """An empty database of Prefect's, to be copied."""
    cache = getattr(request.config, "cache", None)  # absent with -p no:cacheprovider
    return migrated_database(cache.mkdir("prefect") if cache else HOME)


@pytest.fixture(scope="session")
def prefect_home(migrated: Path) -> Path:
    """Where processes of ours keep what is Prefect's, with a database that they find migrated."""
    shutil.copy(migrated, HOME / "prefect.db")
    return HOME


@pytest.fixture(scope="session")
def prefect_harness(migrated: Path) -> Iterator[Harness]:
    with harness(HOME, migrated) as started:
        yield started


@dataclass(frozen=True)
class Ran:
    """How a flow ended. result: Summary, or the error that ended it."""

    state: Any
    result: Any


@pytest.fixture
def ingested(prefect_harness: Harness) -> Callable[..., Ran]:
    """Run the ingest flow here; keys of `settings` as in config.toml, dotted.

    With few tasks unless told otherwise: each costs Prefect more than its persons cost us.
    """
    from flows.ingest import ingest

    def run(
        sources: Path | list[Path],
        data_dir: Path,
        settings: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> Ran:
        given = [sources] if isinstance(sources, Path) else sources
        settings = {"execution.users_per_task": 16, **(settings or {})}
        config = write_config(data_dir.with_name(data_dir.name + ".toml"), settings)
        state = ingest(
            [str(path) for path in given],
            str(data_dir),
            str(config),
            **{"dashboards": False, **parameters},
            return_state=True,
        )
        # Playwright keeps an event loop in this thread, for which Prefect would give a coroutine.
        return Ran(state, state.result(raise_on_failure=False, _sync=True))

    return run


@pytest.fixture
def command(prefect_harness: Harness) -> Iterator[Callable[..., Any]]:
    """`weightstream ARGUMENTS` in this process, flows too; gives click's Result."""
    import logging

    from click.testing import CliRunner

    from deployments.commands import cli

    ours = logging.getLogger("weightstream")
    loggers = [ours, logging.getLogger()]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    levels = [(handler, handler.level) for _, handlers, _, _ in before for handler in handlers]

    def run(*arguments: str | Path) -> Any:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    yield run
    for one, handlers, level, propagate in before:
        one.handlers[:], one.level, one.propagate = handlers, level, propagate
    for handler, level in levels:
        handler.setLevel(level)


def write_config(path: Path, settings: dict[str, Any]) -> Path:
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return path


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A simulated file; made once for the same arguments."""
    from weightstream.simulator.streams import simulate_csv

    folder = tmp_path_factory.mktemp("simulated")

    def make(persons: int, rows: int, seed: int = 0) -> Path:
        path = folder / f"{persons}-{rows}-{seed}.csv"
        if not path.exists():
            simulate_csv(path, persons, rows, seed)
        return path

    return make


@pytest.fixture(scope="session")
def exported() -> Callable[[Path], bytes]:
    """The export of a data directory as CSV, without the columns ASIDE."""
    import pyarrow as pa
    import pyarrow.csv

    from weightstream.outputs.exports.decisions import current_decisions
    from weightstream.schema import EXPORT

    def export(data_dir: Path) -> bytes:
        with sqlite3.connect(data_dir / "weightstream.db") as connection:
            tables = [EXPORT.empty_table(), *current_decisions(connection, "UTC")]
        connection.close()
        table = pa.concat_tables(tables).drop_columns(list(ASIDE))
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(table, sink)
        return sink.getvalue().to_pybytes()

    return export


HEADER = ("user_id", "effectiveDateTime", "weight", "unit", "source_type")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory: a bucket to read from and write to, empty."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture(scope="session")
def fresh_dir() -> Iterator[Callable[[], Path]]:
    """Makes data directories, in memory where the system has such: many stores, no waiting."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield lambda: Path(tempfile.mkdtemp(dir=folder)) / "data"


@pytest.fixture(scope="session")
def csv_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write rows of user, time, weight, unit (kg if left out) and source (scale) as a CSV file."""
    import csv

    folder = tmp_path_factory.mktemp("csv")

    def write(*rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> Path:
        handle, name = tempfile.mkstemp(".csv", dir=folder)
        with open(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(row + ("kg", "scale")[len(row) - 3 :] for row in rows)
        return Path(name)

    return write


@pytest.fixture(scope="session")
def store_files() -> Callable[..., Any]:
    from tests.ingesting import store_files

    return store_files


@pytest.fixture(scope="session")
def tables() -> Callable[..., dict[str, list[Any]]]:
    """Every row of every table of a store, but of those named."""

    def dump(data_dir: Path, *without: str) -> dict[str, list[Any]]:
        with sqlite3.connect(data_dir / "weightstream.db") as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "select name from sqlite_master where type = 'table'"
                )
            ]
            rows = {
                name: sorted(connection.execute(f'select * from "{name}"'), key=repr)
                for name in names
                if name not in without
            }
        connection.close()
        return rows

    return dump


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[Any]]:
    """What a query finds in a store."""

    def rows(data_dir: Path, query: str, *values: Any) -> list[Any]:
        with sqlite3.connect(data_dir / "weightstream.db") as connection:
            found = connection.execute(query, values).fetchall()
        connection.close()
        return found

    return rows


@pytest.fixture(scope="session")
def course() -> list[tuple[str, ...]]:
    """Readings of a, one of them in pounds, and two of b."""
    days = [day for day in range(1, 21) if day != 9]
    rows = [("a", f"2024-01-{day:02}T07:00:00Z", f"{80 + day / 50:.2f}") for day in days]
    rows.append(("a", "2024-01-09T07:00:00Z", "176.4"))
    return [*rows, ("b", "2024-01-01", "60.0"), ("b", "2024-02-01", "61")]


@pytest.fixture(scope="session")
def smooth() -> Callable[..., Any]:
    """One retro run without Prefect; the persons that were dirty, and what was decided."""
    import secrets

    from weightstream.config import Config
    from weightstream.engine.model import PRIOR
    from weightstream.judging.causal import Judging
    from weightstream.judging.smoothing import smooth_persons
    from weightstream.store import queries
    from weightstream.store.committing import commit
    from weightstream.store.connection import STORE_NAME, open_writer
    from weightstream.store.runs import begin_run
    from weightstream.store.stored_persons import StoredPersons

    def run_retro(data_dir: Path, rules: Any = None) -> tuple[list[str], Any]:
        rules = rules or Judging(Config().kalman, {}, PRIOR, "UTC", 1)
        path = data_dir / STORE_NAME
        with open_writer(data_dir) as connection:
            run = begin_run(connection, path, secrets.token_hex(8), "retro")
            persons, _ = queries.due(connection, rules.fingerprint)
            decided = smooth_persons(persons, StoredPersons(connection), rules, run)

            def again(some: Any) -> Any:
                return smooth_persons(some, StoredPersons(connection), rules, run)

            commit(connection, path, decided, again, run, 100, lambda *_: None)
        return persons, decided

    return run_retro


@pytest.fixture(scope="session")
def decide() -> Callable[..., Any]:
    """Override one measurement, as `weightstream override` does; keys of [data] as keywords."""
    from weightstream.config import Config
    from weightstream.store.overriding import OverrideRequest, override

    def request(
        data_dir: Path, which: str, action: str, user: str | None = None, by: str = "eva",
        note: str | None = None, **data: Any,
    ) -> Any:  # fmt: skip
        config = Config.model_validate({"data": {"data_dir": data_dir, **data}})
        return override(config, [OverrideRequest(which, action, user, by, note)])

    return request


@pytest.fixture(scope="session")
def id_of(rows_of: Callable[..., list[Any]]) -> Callable[..., str]:
    """The id of a measurement of a person by how its weight is written."""

    def find(data_dir: Path, weight: str, user: str = "a") -> str:
        query = "select measurement_id from measurements where raw_weight = ? and user_id = ?"
        return str(rows_of(data_dir, query, weight, user)[0][0])

    return find


@pytest.fixture
def store(store_files, csv_of, fresh_dir, course, smooth):
    """A store of `course`, of which retro has seen everything."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*course))
    smooth(data_dir)
    return data_dir
