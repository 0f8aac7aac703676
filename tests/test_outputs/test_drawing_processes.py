"""Pages drawn by other processes: the same pages, and one sentence when a process is lost."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.errors import BatchError
from weightstream.judging.causal import judging_of
from weightstream.outputs import drawing_processes as module
from weightstream.outputs.drawing import draw_persons, drawing_of
from weightstream.outputs.drawing_processes import drawing_processes, useful_processes
from weightstream.outputs.pages.page import write_assets

PERSONS = [f"p{number}" for number in range(6)]


@pytest.fixture(scope="module")
def data_dir(store_files, csv_of, fresh_dir):
    rows = [(p, f"2024-01-{day:02}", f"{80 + day % 3}") for p in PERSONS for day in range(1, 9)]
    folder = fresh_dir()
    store_files(folder, csv_of(*rows))
    return folder


def drawing(folder):
    config = Config()
    write_assets(folder)
    return drawing_of(folder, config, judging_of(config, PRIOR))


def pages(folder):
    return {page.name: page.read_bytes() for page in (folder / "persons").iterdir()}


def test_processes_draw_the_same_pages(data_dir, tmp_path):
    here, there = drawing(tmp_path / "here"), drawing(tmp_path / "there")
    with closing(sqlite3.connect(data_dir / "weightstream.db")) as connection:
        expected = draw_persons(connection, here, PERSONS)
    with drawing_processes(data_dir, there, 2) as processes:
        assert processes.size == 2
        rows = processes.draw(PERSONS[:3]) + processes.draw(PERSONS[3:])
        assert processes.private_mb > 0
    assert rows == expected
    assert len(pages(tmp_path / "there")) == len(PERSONS)
    assert pages(tmp_path / "there") == pages(tmp_path / "here")


def test_a_killed_process_is_one_sentence(data_dir, tmp_path):
    with drawing_processes(data_dir, drawing(tmp_path), 2) as processes:
        for process in list(processes._executor._processes):
            os.kill(process, signal.SIGKILL)
        with pytest.raises(BatchError, match="was killed, perhaps for lack of memory"):
            processes.draw(PERSONS)


def test_an_error_in_a_process_reaches_the_caller(data_dir, tmp_path):
    missing = tmp_path / "nowhere"
    with drawing_processes(missing, drawing(tmp_path), 2) as processes:  # noqa: SIM117
        with pytest.raises(Exception, match="there is no store yet"):
            processes.draw(PERSONS)


def test_where_no_process_can_be_started_there_is_none(data_dir, tmp_path, monkeypatch, caplog):
    def refused(*given, **options):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(module, "ProcessPoolExecutor", refused)
    with drawing_processes(data_dir, drawing(tmp_path), 2) as processes:
        assert processes is None
    assert "pages are drawn in this process alone" in caplog.text


@pytest.mark.parametrize(
    ("persons", "most", "cpus", "processes"),
    [
        (1_499, 16, 8, 1),
        (2_999, 16, 8, 1),
        (3_000, 16, 8, 2),
        (30_000, 16, 8, 8),
        (30_000, 3, 8, 3),
        (30_000, 16, 1, 1),
        (30_000, 0, 8, 1),
        (0, 16, 8, 1),
    ],
)
def test_processes_are_used_where_they_save_time(monkeypatch, persons, most, cpus, processes):
    monkeypatch.setattr(module.os, "cpu_count", lambda: cpus)
    assert useful_processes(persons, most) == processes
