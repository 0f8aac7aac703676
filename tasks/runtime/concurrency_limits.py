"""The limits on the Prefect server that stages are under, as they are when a run begins; and the
slots that a run gives back when it is cut short."""

from collections.abc import Iterator
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.states import Crashed

from tasks import STAGES, VIZ_MEMORY
from weightstream.errors import PrefectError

PAGE = 200
"""As many limits as the server gives at once."""


def stage_limits() -> dict[str, int]:
    """Slots by stage, and MB of VIZ_MEMORY, where there is a limit. Raises PrefectError for a 0.

    A thread beyond the slots would hold its task and wait; a task of a stage without any would
    wait for ever.
    """
    stages = {f"tag:{stage.tag}": stage.name for stage in STAGES.values()}
    stages[VIZ_MEMORY] = VIZ_MEMORY
    ours = [limit for limit in _limits() if limit.active and limit.name in stages]
    for limit in ours:
        if limit.limit == 0:
            raise PrefectError(
                f"the limit {limit.name} on the Prefect server is 0, so that this run would wait "
                "for ever; run `weightstream server setup`, and pause queues, not limits"
            )
    return {stages[limit.name]: limit.limit for limit in ours}


def _limits() -> Iterator[GlobalConcurrencyLimitResponse]:
    """All of the server's, mostly in one request."""
    with get_client(sync_client=True) as client:
        offset, page = 0, list[GlobalConcurrencyLimitResponse]()
        while offset == 0 or len(page) == PAGE:
            page = client.read_global_concurrency_limits(limit=PAGE, offset=offset)
            yield from page
            offset += PAGE


def release_slots(run: str, why: str) -> None:
    """Tell the server that the tasks of a run that is cut short are over.

    Their slots are free then. Left to itself the server keeps those of a task that was interrupted
    for a minute, as it does if the process is killed.
    """
    client = get_client(sync_client=True)
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run)]))
    types = TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    under_way = TaskRunFilter(state=TaskRunFilterState(type=types))
    for task in client.read_task_runs(flow_run_filter=of_run, task_run_filter=under_way):
        client.set_task_run_state(task.id, Crashed(message=why), force=True)
