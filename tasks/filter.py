from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.contained import contained, passing
from tasks.road import ROADS
from tasks.watchdog import watched


@task(
    name="filter",
    task_run_name="filter batch {batch}",
    tags=[STAGES["filter"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=passing,
)
def filter_batch(run: str, batch: int) -> int:
    """Judge the persons of a batch; what is to be written waits on the road. Returns the batch."""
    road = ROADS[run]
    with contained("filter", batch), watched(road, "filter", batch):
        road.filter(batch)
    return batch
