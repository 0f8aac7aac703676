from collections.abc import Sequence
from functools import partial

from tasks.filter import judge_new
from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import stage_task
from tasks.smooth import judge_stored
from weightstream.judging.batch_result import BatchResult
from weightstream.store.committing import commit


@stage_task("write", run_name="write batch {batch}", retries=0)
def write(context: RunContext, batch: int) -> None:
    """Commit a judged batch. Called in the flow's own thread, which is the only writer.

    Prefect does not retry it: each transaction waits for SQLite's lock by itself, and one that was
    committed must not be counted twice.
    """
    store, batches, tallies = context.store, context.batches, context.tallies
    if batch in batches.copies:
        tallies.count_rows(batches.copies.pop(batch))
    commit(
        store.connection,
        store.path,
        batches.results.pop(batch),
        partial(judge_again, context, batch),
        store.run,
        context.settings.config.threading.db_write_batch_size,
        tallies.count_result,
    )
    store.checkpointer.committed()


def judge_again(context: RunContext, batch: int, persons: Sequence[str]) -> BatchResult:
    """Judge persons whom another process changed after their batch was judged."""
    settings, store = context.settings, context.store
    store.has_persons = True
    if batch in context.batches.partitions:
        return judge_new(settings, store, context.batches.partitions[batch], persons)[0]
    return judge_stored(settings, store, persons)
