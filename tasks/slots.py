"""The limits of the stages' tags on the Prefect server, as they are when a run begins."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tasks import STAGES
from weightstream.errors import PrefectError


def slots_of_stages() -> dict[str, int]:
    """Slots by stage, where there is a limit. Raises PrefectError where one is 0.

    A thread beyond the slots would hold its task and wait; a task of a stage without any would
    wait for ever.
    """
    found = {}
    with get_client(sync_client=True) as client:
        for stage in STAGES.values():
            name = f"tag:{stage.tag}"
            try:
                limit = client.read_global_concurrency_limit_by_name(name)
            except ObjectNotFound:
                continue
            if limit.active:
                found[stage.name] = limit.limit
            if limit.active and limit.limit == 0:
                raise PrefectError(
                    f"the limit {name} on the Prefect server is 0, so that this run would wait for "
                    "ever; run `weightstream server setup`, and pause queues, not limits"
                )
    return found
