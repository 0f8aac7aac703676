"""The four objects of a run context, each built alone."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.runtime import context
from tasks.runtime.context import Batches, RunSettings, StoreHandles, Tallies
from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.intake.partition import Partition
from weightstream.judging.batch_result import BatchResult, nothing, rows_of
from weightstream.judging.causal import judging_of
from weightstream.judging.stored import NOTHING_STORED
from weightstream.schema import OUTCOMES, RETRO_COUNTS


def settings(limits, enabled=True):
    config = Config.model_validate({"threading": {"enabled": enabled}})
    started = datetime(2026, 1, 1, tzinfo=UTC)
    judging = judging_of(config, PRIOR)
    return RunSettings("run", config, Path("data"), judging, started, Path("spill"), limits)


@pytest.mark.parametrize(
    ("stage", "pool_size", "at_once"), [("filter", 8, 2), ("draw", 8, 8), ("smooth", 4, 4)]
)
def test_a_stage_runs_no_more_tasks_than_its_slots_on_the_server(stage, pool_size, at_once):
    limits = {"filter": 2, "draw": 20}
    assert settings(limits).tasks_at_once(stage, pool_size) == at_once
    assert settings(limits, enabled=False).tasks_at_once(stage, pool_size) == 0


class Pool:
    """Counts the connections that it gives."""

    given = 0

    def connection(self):
        from contextlib import nullcontext

        self.given += 1
        return nullcontext("connection")


def test_a_store_without_persons_is_not_asked_until_somebody_is_found():
    pool = Pool()
    store = StoreHandles(Path("store"), None, None, pool, run=1, has_persons=False)
    with store.reader() as stored:
        assert stored is NOTHING_STORED
    store.has_persons = True
    with store.reader() as stored:
        assert stored is not NOTHING_STORED
    assert pool.given == 1


def partition(rows):
    return Partition(pa.table({"user_id": ["a"] * rows}), np.arange(rows))


def test_memory_of_batches_comes_back_when_they_are_forgotten(monkeypatch):
    monkeypatch.setattr(context, "ROWS_IN_FLIGHT", 100)
    batches = Batches()
    batches.partitions[0] = partition(60)
    assert batches.has_memory()
    batches.partitions[1] = partition(40)
    assert not batches.has_memory()
    assert batches.forget(0) == 60
    assert batches.has_memory()
    assert set(batches.partitions) == {1}


class Counted:
    """Progress that is not shown."""

    def __init__(self):
        self.done = 0

    def advance(self, stage, amount):
        assert stage == "write"
        self.done += amount


def result(outcomes, changed):
    """Of persons a and b, with one new measurement each, of file 0."""
    none, users = nothing(2), len(changed)
    one_each = rows_of(
        np.arange(2),
        2,
        {
            "outcome": np.array([OUTCOMES.index(name) for name in outcomes]),
            "file": np.zeros(2, np.int64),
            "shared": pa.array(["", "scale"]),
        },
    )
    lines = rows_of(np.array([u for u in range(users) if changed[u]]), 2, {})
    return BatchResult(
        ("a", "b"), np.zeros(2, np.int64), np.zeros(2, bool), np.zeros(2, bool), none, none, none,
        users=lines, states=none, shifts=none, judged_again=none, respelled=none,
        net_accepted=np.array([0, 2]), outcome=one_each, links=none, superseded=none,
        demographics=none, contradictory=np.array([[False, False], [True, False]]),
        retro_counts_of=np.ones((2, len(RETRO_COUNTS)), np.int64),
    )  # fmt: skip


def test_what_is_committed_is_counted_once_by_file_and_outcome():
    progress = Counted()
    tallies = Tallies(progress, counts=np.zeros((1, len(OUTCOMES)), np.int64))
    committed = result(["accepted", "rejected"], changed=[False, True])
    tallies.count_result(committed, 0, 1)
    assert (tallies.counts.sum(), tallies.users, tallies.changed) == (1, 1, [])
    tallies.count_result(committed, 1, 2)
    by_name = dict(zip(OUTCOMES, tallies.counts[0].tolist(), strict=True))
    assert (by_name["accepted"], by_name["rejected"], sum(by_name.values())) == (1, 1, 2)
    assert (tallies.users, tallies.changed, tallies.net_accepted) == (2, ["b"], 2)
    assert tallies.shared_ids == {(0, "scale"): 1}
    assert +tallies.contradictory == {"birth_date": 1}
    assert progress.done == 2
    assert tallies.retro_counts == {}
    tallies.smoothed = True
    assert set(tallies.retro_counts.values()) == {2}
