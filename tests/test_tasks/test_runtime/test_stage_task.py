"""What every task gets from the one decorator; with stand-ins for the work of a stage."""

import uuid
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from prefect._internal.engine import resolve_custom_task_run_name

from tasks import STAGES
from tasks.runtime import stage_task as decorator
from tasks.runtime.context import CONTEXTS
from tasks.runtime.stage_task import rows_in, stage_task
from weightstream.clocks import StageClock
from weightstream.errors import BatchError, StoreLocked


@pytest.fixture
def context():
    """As much of a run context as a task looks at; gives its key too."""
    execution = SimpleNamespace(task_timeout_seconds=0)
    settings = SimpleNamespace(config=SimpleNamespace(execution=execution), limits={"limit": 1})
    clocks = {name: StageClock() for name in STAGES}
    run = str(uuid.uuid4())
    CONTEXTS[run] = SimpleNamespace(
        run=run, settings=settings, tallies=SimpleNamespace(clocks=clocks)
    )
    yield CONTEXTS[run]
    del CONTEXTS[run]


@pytest.fixture
def state_of(prefect_harness):
    """The final state of a task, called inside a flow."""
    from prefect import flow

    def run(task, *given):
        @flow(name="stand-in", persist_result=False)
        def stand_in():
            states.append(task(*given, return_state=True))

        states = []
        stand_in()
        return states[0]

    return run


def test_a_task_gets_its_context_and_its_stage_s_clock_and_tag(context, state_of):
    @stage_task("smooth", run_name="stand-in batch {batch}", name="stand-in")
    def work(found, batch):
        assert found is context
        assert context.tallies.clocks["smooth"]._active == 1
        return batch + 1

    assert state_of(work, context.run, 4).result() == 5
    assert (work.name, work.tags) == ("stand-in", {"retro"})
    assert context.tallies.clocks["smooth"].seconds > 0
    assert context.tallies.clocks["read"].seconds == 0


def test_a_task_run_says_how_much_is_in_it(context):
    @stage_task("filter", run_name="filter batch {batch}", size=rows_in)
    def work(found, batch):
        raise AssertionError

    context.batches = SimpleNamespace(
        partitions={3: SimpleNamespace(rows=range(65_536)), 4: SimpleNamespace(rows=[1])}
    )
    given = {"run": context.run, "batch": 3}
    assert resolve_custom_task_run_name(work, given) == "filter batch 3 · 65,536 rows"
    given["batch"] = 4
    assert resolve_custom_task_run_name(work, given) == "filter batch 4 · 1 row"


def test_only_a_locked_store_is_tried_again(context, state_of):
    tried = []

    @stage_task("smooth", run_name="stand-in batch {batch}", retries=1)
    def work(found, batch):
        tried.append(batch)
        if batch == 1 and tried.count(1) == 1:
            raise StoreLocked("locked")
        if batch == 2:
            raise KeyError("P-1 weighs 80")
        return batch

    work.retry_delay_seconds = 0
    assert state_of(work, context.run, 1).is_completed()
    failed = state_of(work, context.run, 2)
    assert tried == [1, 1, 2]
    error = failed.result(raise_on_failure=False)
    assert isinstance(error, BatchError)
    assert str(error).startswith("smooth: batch 2 failed with KeyError at test_stage_task.py:")


def test_a_task_holds_the_memory_that_it_asks_for(context, state_of, monkeypatch):
    held = []

    @contextmanager
    def viz_memory(limits, megabytes):
        held.append((limits, megabytes))
        yield
        held.clear()

    monkeypatch.setattr(decorator, "viz_memory", viz_memory)

    @stage_task("draw", run_name="stand-in", viz_mb=lambda found: 30)
    def work(found):
        assert held == [({"limit": 1}, 30)]
        return "drawn"

    assert state_of(work, context.run).result() == "drawn"
    assert held == []


def test_nothing_of_a_task_is_kept_in_a_cache(context, state_of):
    calls = []

    @stage_task("read", run_name="read")
    def work(found):
        calls.append(found)

    for _ in range(2):
        assert state_of(work, context.run).name == "Completed"
    assert len(calls) == 2
