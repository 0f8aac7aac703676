from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.redaction import is_transient, redacted_errors
from tasks.runtime.watchdog import watched


@task(
    name="filter",
    task_run_name="filter batch {batch}",
    tags=[STAGES["filter"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=is_transient,
)
def filter_batch(run: str, batch: int) -> int:
    """Judge the persons of a batch; what is to be written waits on the road. Returns the batch."""
    context = CONTEXTS[run]
    with redacted_errors("filter", batch), watched(context, "filter", batch):
        context.filter(batch)
    return batch
