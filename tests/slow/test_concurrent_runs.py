"""Two runs on one store at once, and a run that is interrupted."""

import json
import os
import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def halves(source: Path, folder: Path) -> list[Path]:
    """Every other row of a file each: the same persons in both."""
    header, *rows = source.read_text().splitlines(keepends=True)
    paths = [folder / "even.csv", folder / "odd.csv"]
    for first, path in enumerate(paths):
        path.write_text(header + "".join(rows[first::2]))
    return paths


def persons(data: Path) -> int:
    try:
        connection = sqlite3.connect(f"{(data / 'weightstream.db').as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute("select count(*) from users").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize("settings", ["", "threading.db_write_batch_size = 5\n"])
def test_two_ingests_of_the_same_persons_at_once(start, simulated, exported, tmp_path, settings):
    files = halves(simulated(300, 12_000), tmp_path)
    config = tmp_path / "some.toml"
    config.write_text(settings)

    def ingest(path: Path, data: Path):
        return start("ingest", path, "--data-dir", data, "--config", config, "--json")

    both = [ingest(path, tmp_path / "at-once") for path in files]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    counts = [json.loads(out.splitlines()[-1]) for out, _ in said]
    for path in files:
        process = ingest(path, tmp_path / "in-turn")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert exported(tmp_path / "at-once") == exported(tmp_path / "in-turn")
    with sqlite3.connect(tmp_path / "at-once" / "weightstream.db") as connection:
        (stored,) = connection.execute("select count(*) from measurements").fetchone()
        users = {user for (user,) in connection.execute("select user_id from users")}
        (revisions,) = connection.execute(
            "select count(*) from users where revision < 2"
        ).fetchone()
    assert sum(one["accepted"] + one["rejected"] for one in counts) == stored
    outcomes = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed")
    assert all(one["rows_in"] == sum(one[name] for name in outcomes) for one in counts)
    assert revisions < len(users)  # they did meet
    # Whoever came last to the index: it shows everyone, and each has a page.
    dashboards = tmp_path / "at-once" / "dashboards"
    index = (dashboards / "index.html").read_text()
    assert all(f'"{user}"' in index for user in users)
    pages = set(re.findall(r'"([0-9a-f]{24}\.html)"', index))
    assert pages == set(os.listdir(dashboards / "persons"))
    assert len(pages) == len(users)


def test_an_interrupted_run_ends_clearly_and_the_next_completes(
    start, simulated, exported, tmp_path
):
    source, data = simulated(600, 60_000), tmp_path / "data"
    config = tmp_path / "small.toml"
    config.write_text("threading.db_write_batch_size = 2\nexecution.users_per_task = 20\n")
    arguments = ("ingest", source, "--no-dashboards", "--config", config, "--data-dir")
    process = start(*arguments, data)
    until = time.monotonic() + 200
    while persons(data) < 50:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert persons(data) < 600, "it had ended before"
    assert "Traceback" not in err
    assert "interrupted" in err.lower()
    with sqlite3.connect(data / "weightstream.db") as connection:
        assert connection.execute("select status from runs").fetchall() == [("failed",)]
    for folder in (data, tmp_path / "undisturbed"):
        process = start(*arguments, folder)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert exported(data) == exported(tmp_path / "undisturbed")
