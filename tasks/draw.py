from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.contained import contained, passing
from tasks.road import ROADS
from tasks.viz_memory import viz_memory
from tasks.watchdog import watched
from weightstream.charts.image import BROWSER_MB, TAB_MB
from weightstream.drawing import draw_png


@task(
    name="draw",
    task_run_name="draw batch {batch}",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=passing,
)
def draw(run: str, batch: int) -> int:
    """Draw the pages of a batch of persons; their index rows wait on the road."""
    road = ROADS[run]
    with (
        contained("draw", batch),
        viz_memory(road.slots, road.needed_mb(batch)),
        watched(road, "draw", batch),
    ):
        road.draw(batch)
    return batch


@task(
    name="picture",
    task_run_name="pictures",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
)
def picture(run: str, tabs: int) -> list[str]:
    """Draw PNGs of persons, in one browser; returns what went wrong with which picture."""
    road = ROADS[run]
    megabytes = BROWSER_MB + tabs * TAB_MB
    with (
        contained("picture"),
        viz_memory(road.slots, megabytes),
        road.clocks["draw"].running(),
        road.pool.connection() as store,
    ):
        return draw_png(store, road.drawing, road.pictured, tabs)
