from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import STAGES
from tasks.contained import contained
from tasks.road import ROADS
from tasks.watchdog import watched
from weightstream.judging.committing import commit


@task(
    name="write",
    task_run_name="write batch {batch}",
    tags=[STAGES["write"].tag],
    cache_policy=NO_CACHE,
)
def write(run: str, batch: int) -> int:
    """Commit a judged batch. Called in the flow's own thread, which is the only writer.

    Not retried by Prefect: each transaction waits for SQLite's lock by itself, and one that was
    committed must not be counted twice. Returns the batch.
    """
    road = ROADS[run]
    with (
        contained("write", batch),
        watched(road, "write", batch),
        road.clocks["write"].running(),
    ):
        road.count_copies(batch)
        commit(
            road.connection,
            road.path,
            road.judged.pop(batch),
            partial(road.decide_again, batch),
            road.run,
            road.config.threading.db_write_batch_size,
            road.count,
        )
        road.checkpointer.committed()
    return batch
