from collections.abc import Sequence

from tasks.runtime.context import RunContext, RunSettings, StoreHandles
from tasks.runtime.stage_task import persons_in, stage_task
from weightstream.judging.batch_result import BatchResult
from weightstream.judging.smoothing import smooth_persons
from weightstream.store.stored_persons import StoredPersons


@stage_task("smooth", run_name="smooth batch {batch}", size=persons_in)
def smooth_batch(context: RunContext, batch: int) -> None:
    """Smooth the series of a batch of persons; the result waits for the writer."""
    context.batches.results[batch] = judge_stored(
        context.settings, context.store, context.batches.persons[batch]
    )


def judge_stored(settings: RunSettings, store: StoreHandles, persons: Sequence[str]) -> BatchResult:
    """Judge every stored measurement of some persons by all their others."""
    with store.pool.connection() as connection:
        return smooth_persons(persons, StoredPersons(connection), settings.judging, store.run)
