from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.memory_budget import viz_memory
from tasks.runtime.redaction import is_transient, redacted_errors
from tasks.runtime.watchdog import watched
from weightstream.outputs.drawing import draw_png
from weightstream.outputs.pages.image import BROWSER_MB, TAB_MB


@task(
    name="draw",
    task_run_name="draw batch {batch}",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=is_transient,
)
def draw(run: str, batch: int) -> int:
    """Draw the pages of a batch of persons; their index rows wait on the road."""
    context = CONTEXTS[run]
    with (
        redacted_errors("draw", batch),
        viz_memory(context.limits, context.needed_mb(batch)),
        watched(context, "draw", batch),
    ):
        context.draw(batch)
    return batch


@task(
    name="picture",
    task_run_name="pictures",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
)
def picture(run: str, browser_tabs: int) -> list[str]:
    """Draw PNGs of persons, in one browser; returns what went wrong with which picture."""
    context = CONTEXTS[run]
    megabytes = BROWSER_MB + browser_tabs * TAB_MB
    with (
        redacted_errors("picture"),
        viz_memory(context.limits, megabytes),
        context.clocks["draw"].running(),
        context.pool.connection() as store,
    ):
        return draw_png(store, context.drawing, context.pictured, browser_tabs)
