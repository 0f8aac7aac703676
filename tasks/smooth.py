from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.redaction import is_transient, redacted_errors
from tasks.runtime.watchdog import watched


@task(
    name="smooth",
    task_run_name="smooth batch {batch}",
    tags=[STAGES["smooth"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=is_transient,
)
def smooth(run: str, batch: int) -> int:
    """Smooth the persons of a batch; what is to be written waits on the road. Returns the batch."""
    context = CONTEXTS[run]
    with redacted_errors("smooth", batch), watched(context, "smooth", batch):
        context.smooth(batch)
    return batch
