"""A command that dies anywhere, and runs again, ends as one that nobody disturbed."""

import gzip
import random
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from tests.running import configured, draw_pages
from torture.faults import killed_after, points_of
from weightstream.erasing.erasure import erase_person
from weightstream.erasing.restoring import restore
from weightstream.outputs.exports.decisions import export_store
from weightstream.store.backup import backup
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.learning_run import learn_from_store
from weightstream.store.overriding import OverrideRequest, override
from weightstream.store.verifying import damage_of

UPGRADE = Path(__file__).parents[1] / "test_store/data/store_of_0_1.db.gz"
HEAD = "user_id,effectiveDateTime,weight,unit,source_type\n"
COMMANDS = (
    *("ingest", "override", "erase", "learn", "retro", "dashboards", "migration"),
    *("backup", "restore"),
)
QUICK = ("override", "dashboards", "backup")


def migrate(data_dir):
    with open_writer(data_dir):
        pass


@pytest.fixture
def prepared(store, store_files, csv_of, course, simulated, smooth, decide, id_of, fresh_dir):
    """Returns a data directory before a command, and the command: a function of a directory."""

    def prepare(command):
        more = csv_of(*course, ("c", "2024-03-01", "70.0"), ("a", "2024-02-01T07:00:00Z", "80.5"))
        which = OverrideRequest(id_of(store, "80.20"), "assign", "b", "eva", None)
        saved = store.with_name("saved.db")
        backup(configured(store), saved)
        if command == "erase":
            override(configured(store), [which])
            source = store / "inbox/done/weights.csv"
            source.parent.mkdir(parents=True)
            source.write_text(f"{HEAD}a,2024-01-01,80,kg,scale\nb,2024-01-01,60,kg,scale\n")
            export_store(configured(store), store / "all.csv")
            draw_pages(store)
        elif command == "learn":
            store_files(store, simulated(12, 600))
        elif command == "restore":
            erase_person(configured(store), "b")
        elif command in ("retro", "dashboards"):
            store_files(store, more)
        elif command == "migration":
            (store / STORE_NAME).write_bytes(gzip.decompress(UPGRADE.read_bytes()))
        return store, {
            "ingest": lambda data_dir: store_files(data_dir, more),
            "override": lambda data_dir: override(configured(data_dir), [which]),
            "erase": lambda data_dir: erase_person(configured(data_dir), "a", rewrite=True),
            "learn": lambda data_dir: learn_from_store(configured(data_dir)),
            "retro": smooth,
            "dashboards": draw_pages,
            "migration": migrate,
            "backup": lambda data_dir: backup(configured(data_dir), data_dir.with_suffix(".db")),
            "restore": lambda data_dir: restore(configured(data_dir), saved, overwrite=True),
        }[command]

    return prepare


def state(data_dir):
    """What a store says, without numbers, ids and times of runs; every other file but its locks."""
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        assert not damage_of(connection)
        columns = "select user_id, effective_at, measurement_id, "
        rows = [
            connection.execute(f"{query} order by 1, 2, 3, 4").fetchall()
            for query in (
                f"{columns} version, verdict, reason, level_kg, stage from decisions",
                f"{columns} raw_weight from measurements",
                f"{columns} action, assigned_to, withdrawn_at is null from overrides",
                "select user_id, dirty, readings, rejected, level_kg from users",
                "select user_id, settled, basis, state from user_states",
                "select token is null, finished_at is null, left_to_do, 0 from erasures",
                "select name, active, parameters, stale from models",
                "select user_id, measurements, decisions, 0 from row_counts",
            )
        ]
    connection.close()
    aside = (STORE_NAME, "erasure.key", ".lock", ".tmp")  # unfinished pages go with an erasure
    files = {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and not path.name.startswith(STORE_NAME) and not path.name.endswith(aside)
    }
    return rows, files


def killed(folder, data_dir, run, expected, at, before):
    """Kill a run at a point, run again, and compare; False if there is no such point."""
    shutil.copytree(data_dir, copy := folder / f"{at}-{before}" / "data")
    ended = points_of(lambda: run(copy), at, before)
    if ended is None:
        points_of(lambda: run(copy))
    assert state(copy) == expected, f"died {'before' if before else 'after'} point {at}"
    shutil.rmtree(copy)
    return ended is None


@pytest.fixture
def undisturbed(prepared, fresh_dir):
    """A directory before a command, the command, the state after it, and its points."""

    def of(command):
        data_dir, run = prepared(command)
        shutil.copytree(data_dir, copy := fresh_dir())
        points = points_of(lambda: run(copy))
        return data_dir, run, state(copy), points

    return of


@pytest.mark.parametrize("command", QUICK)
def test_a_command_that_dies_at_any_point(undisturbed, fresh_dir, command):
    data_dir, run, expected, points = undisturbed(command)
    assert points >= 2
    for at in range(1, points + 1):
        assert killed(fresh_dir().parent, data_dir, run, expected, at, before=True)
    assert killed(fresh_dir().parent, data_dir, run, expected, points, before=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "erase",
        *(
            pytest.param(command, marks=pytest.mark.long)
            for command in ("ingest", "learn", "retro", "migration", "restore")
        ),
    ],
)
def test_a_longer_command_that_dies_at_any_point(undisturbed, fresh_dir, command):
    test_a_command_that_dies_at_any_point(undisturbed, fresh_dir, command)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_kills(undisturbed, fresh_dir, command, until, figure):
    """At random points, before them and after them, until the time is over."""
    data_dir, run, expected, points = undisturbed(command)
    chance, kills = random.Random(17), 0
    places = [(at, before) for at in range(1, points + 1) for before in (True, False)]
    chance.shuffle(places)
    for at, before in places:
        kills += killed(fresh_dir().parent, data_dir, run, expected, at, before)
        if time.monotonic() > until:
            break
    assert kills > 0
    figure(f"kills of {command}: {kills} of {len(places)} places, 0 differences")


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_kills_at_any_moment(undisturbed, fresh_dir, command, until, figure):
    """Not only where something is committed: SIGKILL, once or twice, until the time is over."""
    data_dir, run, expected, _ = undisturbed(command)
    shutil.copytree(data_dir, copy := fresh_dir())
    started = time.monotonic()
    points_of(lambda: run(copy))
    longest, chance, kills = time.monotonic() - started, random.Random(18), 0
    while time.monotonic() < until:
        shutil.copytree(data_dir, copy := fresh_dir())
        for _ in range(chance.choice((1, 1, 2))):
            kills += killed_after(lambda copy=copy: run(copy), chance.uniform(0, longest))
        points_of(lambda copy=copy: run(copy))
        assert state(copy) == expected
        shutil.rmtree(copy.parent)
    figure(f"kills of {command} at any moment: {kills}, 0 differences")
