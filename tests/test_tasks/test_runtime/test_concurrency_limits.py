"""Giving back the slots of a run that is cut short, whatever the server knows of its tasks."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.exceptions import ObjectNotFound

from tasks.runtime import concurrency_limits
from tasks.runtime.concurrency_limits import release_slots, stage_limits
from weightstream.errors import PrefectError

RUN, OTHER = uuid4(), uuid4()


class Server:
    """Holders of slots by tag, and the task runs that are recorded, with the flow run of each."""

    def __init__(self, held, recorded):
        self.held, self.recorded, self.looks = held, recorded, 0

    def read_concurrency_limit_by_tag(self, tag):
        if tag not in self.held:
            raise ObjectNotFound(Exception())
        return SimpleNamespace(active_slots=list(self.held[tag]))

    def read_task_runs(self, task_run_filter):
        self.looks += 1
        return [
            SimpleNamespace(id=task, flow_run_id=run)
            for task, (run, from_look) in self.recorded.items()
            if task in task_run_filter.id.any_ and self.looks >= from_look
        ]

    def read_flow_runs(self, flow_run_filter):
        return []

    def set_task_run_state(self, task, state, force):
        assert state.is_crashed()
        assert force
        for holders in self.held.values():
            holders.discard(task)


@pytest.fixture
def released(monkeypatch):
    def on(server):
        monkeypatch.setattr(concurrency_limits, "get_client", lambda sync_client: server)
        monkeypatch.setattr(concurrency_limits, "RELEASE_SECONDS", 0.5)
        release_slots(str(RUN), "cut short")
        return server.held

    return on


def test_only_the_run_s_own_slots_are_given_back(released):
    mine, theirs = uuid4(), uuid4()
    server = Server({"db-write": {mine}, "kalman": {theirs}}, {mine: (RUN, 0), theirs: (OTHER, 0)})
    assert released(server) == {"db-write": set(), "kalman": {theirs}}


def test_a_task_that_is_not_recorded_yet_is_waited_for(released):
    mine = uuid4()
    server = Server({"db-write": {mine}}, {mine: (RUN, 6)})
    assert released(server) == {"db-write": set()}


def test_a_holder_that_nobody_knows_is_not_waited_for_for_ever(released):
    unknown = uuid4()
    assert released(Server({"db-write": {unknown}}, {})) == {"db-write": {unknown}}


@pytest.mark.parametrize("active", [True, False])
def test_a_limit_of_0_is_refused_before_a_run_waits_for_ever(monkeypatch, active):
    """One that is switched off limits nothing."""
    ours = [
        SimpleNamespace(name="tag:kalman", limit=0, active=active),
        SimpleNamespace(name="tag:viz", limit=1, active=True),
        SimpleNamespace(name="of somebody else", limit=0, active=True),
    ]
    monkeypatch.setattr(concurrency_limits, "_limits", lambda: iter(ours))
    if active:
        with pytest.raises(PrefectError, match="the limit tag:kalman on the Prefect server is 0"):
            stage_limits()
    else:
        assert list(stage_limits().values()) == [1]
