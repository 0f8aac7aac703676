"""The dashboards flow, and the drawing stage of ingest: who has a page, and which are rewritten."""

import json
import re
import sqlite3
from pathlib import Path

import pytest


@pytest.fixture
def dashboards(prefect_harness):
    """Run the flow on a data directory; gives its state."""
    from flows.dashboards import dashboards as flow

    return lambda data_dir, **more: flow(str(data_dir), return_state=True, **more)


def pages(data_dir: Path) -> dict[str, tuple[int, int]]:
    """What changes when a page is written again, by name."""
    found = (data_dir / "dashboards" / "persons").iterdir()
    return {page.name: (page.stat().st_ino, page.stat().st_mtime_ns) for page in found}


def shown(data_dir: Path) -> set[str]:
    """The pages that the index leads to."""
    index = (data_dir / "dashboards" / "index.html").read_text()
    return set(re.findall(r'"([0-9a-f]{24}\.html)"', index))


def test_the_index_shows_everyone_and_pages_stay_as_they_are(
    store_files, dashboards, simulated, tmp_path
):
    data = tmp_path / "data"
    store_files(data, simulated(30, 900))
    state = dashboards(data)
    assert (state.name, state.message) == ("Completed", "30 persons")
    assert state.result().dashboards_index == data / "dashboards" / "index.html"
    before = pages(data)
    assert len(before) == 30
    assert shown(data) == set(before)
    assert dashboards(data).name == "Completed"
    assert pages(data) == before


def test_an_ingest_rewrites_the_pages_of_those_who_changed(ingested, simulated, tmp_path):
    source, data = simulated(30, 900), tmp_path / "data"
    ingested(source, data, dashboards=True)
    before = pages(data)
    with sqlite3.connect(data / "weightstream.db") as connection:
        (person,) = connection.execute("select user_id from users limit 1").fetchone()
    more = tmp_path / "more.csv"
    header = source.read_text().split("\n", 1)[0]
    rows = (f"{person},2025-10-11T07:00:00Z,patient-device,80,kg,x1", "New,2025-10-11,s,80,kg,x2")
    more.write_text("\n".join((header, *rows, "")))
    ran = ingested(more, data, dashboards=True)
    assert ran.state.name == "Completed"
    after = pages(data)
    assert len(after) == 31
    assert shown(data) == set(after)
    assert sum(before[name] != after[name] for name in before) == 1
    ingested(more, data, dashboards=True)
    assert pages(data) == after


def test_a_page_that_cannot_be_drawn_leaves_the_others(
    ingested, dashboards, simulated, tmp_path, monkeypatch
):
    from weightstream.outputs import drawing

    write, calls = drawing.write_page, iter(range(1_000))

    def write_page(path, content):
        if path.parent.name == "persons" and next(calls) == 120:
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    data = tmp_path / "data"
    with monkeypatch.context() as patched:
        patched.setattr(drawing, "write_page", write_page)
        ran = ingested(simulated(230, 3000), data, dashboards=True)
    assert ran.state.name == "Degraded"
    assert ran.result.exit_status == 1
    assert sum(ran.result.counts.values()) == 3000
    assert ran.result.counts["failed"] == 0
    (trouble,) = ran.result.problems
    assert "No space left on device" in trouble
    assert 0 < len(shown(data)) < 230
    assert dashboards(data).name == "Completed"
    assert shown(data) == set(pages(data))
    assert len(pages(data)) == 230


def test_without_a_store_there_is_nothing_to_draw(dashboards, tmp_path):
    state = dashboards(tmp_path / "data")
    assert state.name == "Failed"
    assert "there is no store yet" in state.message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("browser", "free_mb", "error_message"),
    [("no-such-browser", 9000.0, "install one"), ("chromium", 400.0, "only 400 MB are free")],
)
def test_without_a_browser_or_room_for_one_a_sentence_and_all_pages(
    store_files,
    dashboards,
    simulated,
    tmp_path,
    monkeypatch,
    caplog,
    browser,
    free_mb,
    error_message,
):
    import flows.dashboards

    data = tmp_path / "data"
    store_files(data, simulated(30, 900))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / browser))
    monkeypatch.setattr(flows.dashboards, "free_memory_mb", lambda: free_mb)
    state = dashboards(data, png=True)
    assert state.name == "Completed"
    assert state.result().exit_status == 0
    assert len(pages(data)) == 30
    told = [record.message for record in caplog.records if "No pictures" in record.message]
    assert len(told) == 1
    assert error_message in told[0]


def test_memory_that_runs_short_narrows_the_stage(
    store_files, dashboards, simulated, tmp_path, monkeypatch
):
    """Sixteen tasks could run; after the first start there is no room for another beside it."""
    import tasks.draw
    import tasks.runtime.memory_budget

    at_once, most = [], []
    draw = tasks.draw.draw_persons

    def watched(connection, drawing, persons):
        at_once.append(1)
        most.append(len(at_once))
        try:
            return draw(connection, drawing, persons)
        finally:
            at_once.pop()

    data = tmp_path / "data"
    store_files(data, simulated(230, 3000))
    monkeypatch.setattr(tasks.draw, "draw_persons", watched)
    monkeypatch.setattr(tasks.runtime.memory_budget, "free_memory_mb", lambda: 150.0)
    assert dashboards(data).name == "Completed"
    assert len(pages(data)) == 230
    assert most == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "processes"),
    [
        ({}, 3),
        ({"threading.viz_pool_size": 2}, 2),
        ({"threading.memory.max_concurrent_viz": 2}, 2),
        ({"threading.memory.viz_memory_limit_mb": 10**9}, 1),
        ({"threading.viz_pool_size": 1}, 1),
        ({"threading.enabled": False}, 1),
    ],
)
def test_pages_are_drawn_in_as_many_processes_as_the_settings_allow(
    store_files, dashboards, simulated, tmp_path, monkeypatch, settings, processes
):
    import flows.dashboards
    from weightstream.outputs import drawing_processes as module

    sizes = []
    usual = flows.dashboards.drawing_processes

    def recorded(data_dir, drawing, size):
        sizes.append(size)
        return usual(data_dir, drawing, 1 if size > 2 else size)  # two are enough to wait for

    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    monkeypatch.setattr(module, "PERSONS_PER_PROCESS", 10)
    monkeypatch.setattr(flows.dashboards, "drawing_processes", recorded)
    data = tmp_path / "data"
    store_files(data, simulated(30, 900))
    config = tmp_path / "drawing.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    state = dashboards(data, config=str(config))
    assert (state.name, state.message) == ("Completed", "30 persons")
    assert sizes == [processes]
    assert len(pages(data)) == 30
    assert shown(data) == set(pages(data))
