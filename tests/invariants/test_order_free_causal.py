"""After any order of files, runs and rows the current decisions are the same (design.md §5.2).

Small series in every order are in test_judging; here a whole simulated stream, through batches.
"""

import random
import sqlite3

import pytest

from weightstream.outputs.exports.decisions import STORED
from weightstream.simulator.streams import simulate_csv

ASIDE = ("run_id", "version", "file", "line")
RECORD_STATEMENTS = ", ".join(name for name in STORED.names if name not in ASIDE)


def said(data_dir):
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        rows = connection.execute(
            f"select {RECORD_STATEMENTS} from current_decisions order by user_id, measurement_id"
        ).fetchall()
    connection.close()
    return rows


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "stream.csv"
    simulate_csv(path, 60, 2_500, 11)
    return path.read_text("utf-8").splitlines(keepends=True)


@pytest.fixture(scope="module")
def whole(lines, store_files, fresh_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.csv"
    path.write_text("".join(lines), "utf-8")
    data_dir = fresh_dir()
    store_files(data_dir, path)
    return said(data_dir)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shuffled", [False, True])
def test_any_split_into_files_and_runs(
    lines, whole, store_files, fresh_dir, tmp_path, seed, shuffled
):
    rng = random.Random(seed)
    head, *rows = lines
    if shuffled:
        rng.shuffle(rows)
    cuts = sorted(rng.sample(range(1, len(rows)), 5))
    paths = []
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        paths.append(tmp_path / f"{start}.csv")
        paths[-1].write_text(head + "".join(rows[start:stop]), "utf-8")
    data_dir = fresh_dir()
    settings = {
        "execution": {"users_per_task": rng.choice([0, 1, 9])},
        "threading": {"db_write_batch_size": rng.choice([1, 10, 100])},
    }
    store_files(data_dir, *paths[:2], settings=settings)
    for path in paths[2:]:
        store_files(data_dir, path, settings=settings)
    assert len(whole) > 2000
    assert said(data_dir) == whole
