"""What hangs is noticed; that its process then really ends is tested in slow/served."""

import threading
import time
from types import SimpleNamespace

import pytest

from tasks.runtime import watchdog
from tasks.runtime.progress import Progress
from tasks.runtime.watchdog import watched


def context(seconds):
    """As much of a run context as is looked at."""
    execution = SimpleNamespace(task_timeout_seconds=seconds)
    settings = SimpleNamespace(config=SimpleNamespace(execution=execution))
    progress = Progress()
    progress.begin("read", None, "rows")
    return SimpleNamespace(settings=settings, tallies=SimpleNamespace(progress=progress))


@pytest.fixture
def ended(monkeypatch):
    """The sentences with which the process would have been ended."""
    sentences = []
    monkeypatch.setattr(
        watchdog, "end_process", lambda context, sentence: sentences.append(sentence)
    )
    return sentences


def watching():
    return [thread for thread in threading.enumerate() if thread.name == "watchdog"]


def wait_for(ended):
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        time.sleep(0.01)


def test_a_batch_that_hangs_ends_its_process(ended):
    with watched(context(0.05), "filter", 3):
        wait_for(ended)
    assert len(ended) == 1
    assert ended[0].startswith("filter: batch 3 made no progress for 0.05 s")


def test_a_task_of_the_run_may_go_on_while_its_stage_advances(ended):
    run = context(1.0)
    with watched(run, "read"):
        for _ in range(15):
            time.sleep(0.1)
            run.tallies.progress.advance("read", 10)
    assert not ended


def test_but_ends_the_process_once_its_stage_stands_still(ended):
    run = context(0.3)
    with watched(run, "read"):
        run.tallies.progress.advance("read", 10)
        wait_for(ended)
    assert ended[0].startswith("read made no progress for 0.3 s")


def test_a_batch_hangs_although_others_of_its_stage_advance(ended):
    run = context(0.3)
    with watched(run, "read", 1):
        until = time.monotonic() + 10
        while not ended and time.monotonic() < until:
            run.tallies.progress.advance("read", 10)
            time.sleep(0.02)
    assert ended


def test_nor_is_one_watched_that_is_over(ended):
    with pytest.raises(ZeroDivisionError), watched(context(0.1), "write", 1):
        raise ZeroDivisionError
    time.sleep(0.3)
    assert not ended
    assert not watching()


def test_without_a_limit_nobody_watches(ended):
    with watched(context(0), "write", 1):
        assert not watching()


def test_without_a_thread_to_spare_the_work_goes_on(ended, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with watched(context(1.0), "write", 1):
        pass
