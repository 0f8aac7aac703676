from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import STAGES
from tasks.contained import contained
from tasks.parallel import usable_threads
from tasks.road import ROADS
from tasks.watchdog import watched
from weightstream.erasing.tombstones import read_tombstones
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in


@task(name="read", task_run_name="read", tags=[STAGES["read"].tag], cache_policy=NO_CACHE)
def read(run: str) -> int:
    """Read and clean every source of the run, in the flow's thread; returns the rows read."""
    road = ROADS[run]
    with contained("read"), watched(road, "read") as moved, road.clocks["read"].running():

        def on_rows(rows: int) -> None:
            moved()
            road.progress.advance("read", rows)

        road.intake = take_in(
            road.sources,
            road.reading,
            road.cleaning,
            Selection(road.config.data, read_tombstones(road.connection, road.data_dir)),
            road.spill,
            road.config.data.spill_rows,
            on_rows,
            threads=max(1, usable_threads("read", 2 * road.config.threading.enabled)),
            users=road.people,
        )
    return road.intake.rows_in
