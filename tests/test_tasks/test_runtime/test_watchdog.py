"""What hangs is noticed; that its process then ends truly is seen in slow/served."""

import threading
import time
from dataclasses import dataclass

import pytest

from tasks.runtime import watchdog
from tasks.runtime.watchdog import watched


@dataclass
class SomeRoad:
    task_timeout_seconds: float


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


def test_a_task_that_does_not_get_on_ends_its_process(ended):
    with watched(SomeRoad(0.05), "filter", 3):
        until = time.monotonic() + 10
        while not ended and time.monotonic() < until:
            time.sleep(0.01)
    assert len(ended) == 1
    assert ended[0].startswith("filter: batch 3 did not get on for 0.05 s")


def test_one_that_moves_does_not(ended):
    with watched(SomeRoad(1.0), "read") as moved:
        for _ in range(15):
            time.sleep(0.1)
            moved()
    assert not ended


def test_nor_one_that_is_over(ended):
    with pytest.raises(ZeroDivisionError), watched(SomeRoad(0.1), "write", 1):
        raise ZeroDivisionError
    time.sleep(0.3)
    assert not ended
    assert not watching()


def test_without_a_limit_nobody_watches(ended):
    with watched(SomeRoad(0), "write", 1) as moved:
        moved()
        assert not watching()


def test_without_a_thread_to_spare_the_work_goes_on(ended, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with watched(SomeRoad(1.0), "write", 1):
        pass
