"""Submitting a task for batches: pool sizes, memory, failures; with a stand-in for the stage."""

import logging
import threading

import pytest

from tasks.runtime.submission import (
    RUNNER_LOGGER,
    SPARE_THREADS,
    startable_threads,
    state_of,
    submit_batches,
    submit_in_background,
    usable_threads,
)


@pytest.fixture
def in_flow(prefect_harness):
    """Give all of submit_batches(...) for a task that calls `work`, inside a flow."""
    from prefect import flow, task

    def run(work, batches, pool_size, *has_memory):
        stage = task(work, name="stage", task_run_name="stage {batch}")

        @flow(name="stand-in", persist_result=False)
        def stand_in():
            found.extend(submit_batches(stage, "run", batches, pool_size, *has_memory))

        found = []
        stand_in()
        return found

    return run


@pytest.mark.parametrize("pool_size", [0, 1, 3])
def test_every_batch_ends_once_and_failures_stay_alone(in_flow, pool_size):
    def work(run, batch):
        if batch % 3 == 1:
            raise ValueError("this batch")
        return batch

    ended = in_flow(work, range(8), pool_size)
    assert sorted(batch for batch, _ in ended) == list(range(8))
    assert {batch for batch, state in ended if state.is_failed()} == {1, 4, 7}
    if pool_size == 0:
        assert [batch for batch, _ in ended] == list(range(8))


def test_a_pool_of_one_thread_is_not_said_to_lead_to_dead_locks(prefect_harness, caplog):
    from prefect import flow, task

    warn = logging.getLogger(RUNNER_LOGGER)
    stage = task(lambda run, batch: batch, name="stage", tags=["viz"])

    @flow(name="stand-in", persist_result=False)
    def stand_in():
        first = state_of(stage, "run", 0)
        return [state.name for _, state in submit_batches(stage, "run", [1], 1, after=[first])]

    warn.addHandler(caplog.handler)
    try:
        assert stand_in() == ["Completed"]
        assert "dead-locks" not in caplog.text
        warn.warning("something else")
        assert "something else" in caplog.text
    finally:
        warn.removeHandler(caplog.handler)


def test_no_more_batches_are_made_than_the_pool_size(in_flow):
    made, ended = [], []
    most = 0

    def batches():
        for batch in range(9):
            made.append(batch)
            yield batch

    def work(run, batch):
        nonlocal most
        most = max(most, len(made) - len(ended))
        ended.append(batch)

    in_flow(work, batches(), 2)
    assert made == list(range(9))
    assert most <= 2


def test_one_batch_goes_on_where_there_is_no_memory(in_flow):
    at_work, most = 0, 0
    lock = threading.Lock()

    def work(run, batch):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.02)
        with lock:
            at_work -= 1

    assert len(in_flow(work, range(6), 3, lambda: False)) == 6
    assert most == 1


def test_an_error_where_the_results_are_used_ends_it(in_flow):
    """The consumer is the writer: what it raises must not wait for batches never asked for."""
    from prefect import flow, task

    @task(name="stage")
    def stage(run, batch):
        return batch

    @flow(name="stand-in", persist_result=False)
    def stand_in():
        for _ in submit_batches(stage, "run", iter(range(10**9)), 2):
            raise RuntimeError("the writer failed")

    with pytest.raises(RuntimeError, match="the writer failed"):
        stand_in()


def test_startable_threads_are_counted_and_let_go(monkeypatch, caplog):
    before = threading.active_count()
    assert startable_threads(5) == 5
    assert threading.active_count() == before
    start = threading.Thread.start
    left = iter([True] * (2 + SPARE_THREADS))

    def few(thread):
        if not next(left, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    assert usable_threads("filter", 5) == 2
    assert "filter: only 2 of 5 threads" in caplog.text
    assert usable_threads("draw", 0) == 0
    assert "draw" not in caplog.text
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [False, True])
def test_a_task_in_the_background_runs_while_the_caller_goes_on(prefect_harness, threads):
    from prefect import flow, task

    met = threading.Barrier(2, timeout=60)
    ran = []

    @task(name="background")
    def work(run):
        ran.append(run)
        if threads:
            met.wait()

    @flow(name="stand-in", persist_result=False)
    def stand_in():
        with submit_in_background(work, "run", threads) as ended:
            if threads:
                met.wait()
            assert ran == ["run"] * threads
            return ended().name

    assert stand_in() == "Completed"
    assert ran == ["run"]


@pytest.mark.parametrize("threads", [False, True])
def test_a_failure_in_the_background_reaches_who_waits(prefect_harness, threads):
    from prefect import flow, task

    @task(name="background")
    def work(run):
        raise ValueError("it")

    @flow(name="stand-in", persist_result=False)
    def stand_in():
        with submit_in_background(work, "run", threads) as ended:
            pass
        return ended().is_failed()

    assert stand_in()
