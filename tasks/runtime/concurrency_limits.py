"""The stages' limits on the Prefect server, and releasing the slots of a run that is cut short."""

import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterId,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tasks import STAGES, VIZ_MEMORY
from weightstream.errors import PrefectError

RELEASE_SECONDS = 10.0
"""Less than the 30 s that a worker leaves a run that it cancels."""
PAGE = 200
"""The most limits that the server returns at once."""


def stage_limits() -> dict[str, int]:
    """Return slots by stage, and MB of VIZ_MEMORY, where the server has a limit now.

    A thread beyond the slots would hold its task and wait; a task of a stage without any would
    wait for ever. Raises PrefectError for a limit of 0.
    """
    stages = {f"tag:{stage.tag}": stage.name for stage in STAGES.values()}
    stages[VIZ_MEMORY] = VIZ_MEMORY
    ours = [limit for limit in _limits() if limit.active and limit.name in stages]
    for limit in ours:
        if limit.limit == 0:
            raise PrefectError(
                f"the limit {limit.name} on the Prefect server is 0, so this run would wait "
                "for ever; run `weightstream server setup`, and pause queues, not limits"
            )
    return {stages[limit.name]: limit.limit for limit in ours}


def _limits() -> Iterator[GlobalConcurrencyLimitResponse]:
    """All limits of the server, mostly in one request."""
    with get_client(sync_client=True) as client:
        offset, page = 0, list[GlobalConcurrencyLimitResponse]()
        while offset == 0 or len(page) == PAGE:
            page = client.read_global_concurrency_limits(limit=PAGE, offset=offset)
            yield from page
            offset += PAGE


def release_slots(run: str, why: str) -> None:
    """Record as crashed the tasks of a run that is cut short, which releases their slots.

    Left to itself the server keeps the slots of an interrupted task for a minute, as it does if
    the process is killed. Who holds a slot is asked of the limits: a task's own state says nothing,
    for its crash may have been recorded without its slot, or not at all yet.
    """
    client = get_client(sync_client=True)
    runs = [UUID(one) for one in runs_in_process(client, run)]
    until = time.monotonic() + RELEASE_SECONDS
    while held := _held(client):
        known = client.read_task_runs(task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=held)))
        ours = [task for task in known if task.flow_run_id in runs]
        for task in ours:
            client.set_task_run_state(task.id, Crashed(message=why), force=True)
        if time.monotonic() > until or not (ours or len(known) < len(held)):
            return
        time.sleep(RELEASE_SECONDS / 20)  # a task of the last second may not be recorded yet


def _held(client: SyncPrefectClient) -> list[UUID]:
    """Return the task runs that hold slots of our stages, whose ever they are."""
    held = list[UUID]()
    for stage in STAGES.values():
        with suppress(ObjectNotFound):
            held += client.read_concurrency_limit_by_tag(stage.tag).active_slots
    return held


def runs_in_process(client: SyncPrefectClient, run: str) -> list[str]:
    """Return a run and those of its subflows that run in its process, the retro of an ingest.

    A deferred retro is a subflow too, but a run of its own deployment in another process.
    """
    inline = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(run)]),
        deployment_id=FlowRunFilterDeploymentId(is_null_=True),
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        ),
    )
    return [run, *(str(one.id) for one in client.read_flow_runs(flow_run_filter=inline))]
