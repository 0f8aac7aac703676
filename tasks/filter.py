from collections.abc import Sequence

from tasks.runtime.context import RunContext, RunSettings, StoreHandles
from tasks.runtime.stage_task import rows_in, stage_task
from weightstream.intake.partition import Partition
from weightstream.judging.batch_result import BatchResult
from weightstream.pipeline import judge_for_store
from weightstream.types import Ints


@stage_task("filter", run_name="filter batch {batch}", size=rows_in)
def filter_batch(context: RunContext, batch: int) -> None:
    """Judge the new measurements of a batch of persons; the result waits for the writer."""
    batches = context.batches
    batches.results[batch], batches.copies[batch] = judge_new(
        context.settings, context.store, batches.partitions[batch]
    )


def judge_new(
    settings: RunSettings,
    store: StoreHandles,
    partition: Partition,
    persons: Sequence[str] | None = None,
) -> tuple[BatchResult, Ints]:
    """Judge a batch of new measurements, or only those of some of its persons."""
    with store.reader() as stored:
        return judge_for_store(partition, settings.judging, store.file_numbers, stored, persons)
