"""The same file again changes no table but runs and files (design.md §5.3)."""

from pathlib import Path

import pytest

from weightstream.simulator.streams import simulate_csv

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "stream.csv"
    simulate_csv(path, 40, 2_000, 3)
    return path


@pytest.mark.parametrize(
    "settings", [{}, {"data": {"min_readings": 30}}, {"data": {"max_users": 7}}]
)
def test_the_same_file_again(stream, store_files, tables, fresh_dir, settings):
    data_dir = fresh_dir()
    first = store_files(data_dir, stream, settings=settings).outcomes
    before = tables(data_dir, "runs", "files")
    again = store_files(data_dir, stream, settings=settings).outcomes
    assert tables(data_dir, "runs", "files") == before
    assert len(before["measurements"]) > 100
    assert len(before["quarantine"]) == first["quarantined"] == again["quarantined"] > 0
    assert again["accepted"] == again["rejected"] == 0
    assert sum(again.values()) == sum(first.values())
    (file,) = tables(data_dir)["files"]
    assert len(tables(data_dir)["runs"]) == 2
    assert file[5] == 2  # reads


def test_the_same_content_under_another_name_and_order(stream, store_files, tables, fresh_dir):
    """Rows in reverse are another file: all are duplicates, and their faults another file's."""
    data_dir = fresh_dir()
    store_files(data_dir, stream)
    before = tables(data_dir, "runs", "files", "quarantine")
    head, *lines = stream.read_text("utf-8").splitlines(keepends=True)
    turned = fresh_dir().with_suffix(".csv")
    turned.write_text(head + "".join(reversed(lines)), "utf-8")
    outcomes = store_files(data_dir, turned).outcomes
    assert outcomes["accepted"] == outcomes["rejected"] == 0
    after = tables(data_dir, "runs", "files", "quarantine")
    assert without_place(after) == without_place(before)


def without_place(found):
    """Without file, line and run of the measurements: the smaller spelling's place is kept."""
    return found | {"measurements": [row[:-3] for row in found["measurements"]]}
