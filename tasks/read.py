from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import stage_task
from tasks.runtime.submission import usable_threads
from weightstream import pipeline
from weightstream.erasing.tombstones import read_tombstones


@stage_task("read", run_name="read", retries=0)
def read(context: RunContext) -> int:
    """Read and clean every source of the run, in the flow's thread; return the rows read."""
    settings, store = context.settings, context.store
    context.batches.intake = pipeline.read(
        settings.sources,
        settings.read_options,
        settings.config.data,
        settings.started,
        settings.spill,
        tombstones=read_tombstones(store.connection, settings.data_dir),
        users=settings.users,
        threads=max(1, usable_threads("read", 2 * settings.config.threading.enabled)),
        on_rows=lambda rows: context.tallies.progress.advance("read", rows),
    )
    return context.batches.intake.rows_in
