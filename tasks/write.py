from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.watchdog import watched
from weightstream.store.committing import commit


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
    context = CONTEXTS[run]
    with (
        redacted_errors("write", batch),
        watched(context, "write", batch),
        context.clocks["write"].running(),
    ):
        context.count_copies(batch)
        commit(
            context.connection,
            context.path,
            context.judged.pop(batch),
            partial(context.rejudge_users, batch),
            context.run,
            context.config.threading.db_write_batch_size,
            context.count,
        )
        context.checkpointer.committed()
    return batch
