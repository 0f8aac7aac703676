from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.contained import contained, passing
from tasks.road import ROADS
from tasks.watchdog import watched
from weightstream.report import write_report


@task(
    name="report",
    task_run_name="data quality",
    tags=[STAGES["draw"].tag],
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=passing,
)
def report(run: str) -> int:
    """Measure the data of each source, and write the page on it. Returns the limits passed."""
    road = ROADS[run]
    with (
        contained("report"),
        watched(road, "report"),
        road.clocks["draw"].running(),
        road.pool.connection() as store,
    ):
        road.quality = write_report(store, road.dashboards, road.config)
    return len(road.quality["breaches"])
