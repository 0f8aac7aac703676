from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.redaction import is_transient, redacted_errors
from tasks.runtime.watchdog import watched
from weightstream.outputs.report import write_report


@task(
    name="report",
    task_run_name="data quality",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=is_transient,
)
def report(run: str) -> int:
    """Measure the data of each source, and write the page on it. Returns the limits passed."""
    context = CONTEXTS[run]
    with (
        redacted_errors("report"),
        watched(context, "report"),
        context.clocks["draw"].running(),
        context.pool.connection() as store,
    ):
        context.quality = write_report(store, context.dashboards, context.config)
    return len(context.quality["breaches"])
