"""The limits on the Prefect server that stages are under, as they are when a run begins."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tasks import STAGES, VIZ_MEMORY
from weightstream.errors import PrefectError


def slots_of_stages() -> dict[str, int]:
    """Slots by stage, and MB of VIZ_MEMORY, where there is a limit. Raises PrefectError for a 0.

    A thread beyond the slots would hold its task and wait; a task of a stage without any would
    wait for ever.
    """
    limits = {stage.name: f"tag:{stage.tag}" for stage in STAGES.values()}
    limits[VIZ_MEMORY] = VIZ_MEMORY
    found = {}
    with get_client(sync_client=True) as client:
        for stage, name in limits.items():
            try:
                limit = client.read_global_concurrency_limit_by_name(name)
            except ObjectNotFound:
                continue
            if limit.active:
                found[stage] = limit.limit
            if limit.active and limit.limit == 0:
                raise PrefectError(
                    f"the limit {name} on the Prefect server is 0, so that this run would wait for "
                    "ever; run `weightstream server setup`, and pause queues, not limits"
                )
    return found
