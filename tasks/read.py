from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import stage_task
from tasks.runtime.submission import usable_threads
from weightstream import pipeline
from weightstream.erasing.tombstones import read_tombstones
from weightstream.intake.cleaning import Rules
from weightstream.intake.rereading import accept, refusing_changes


@stage_task("read", run_name="read", retries=0)
def read(context: RunContext) -> int:
    """Read and clean every source of the run, in the flow's thread; return the rows read."""
    settings, store, data = context.settings, context.store, context.settings.config.data
    rules = Rules(settings.started, data.timezone, data.min_date)
    context.batches.intake = pipeline.read(
        settings.sources,
        settings.read_options,
        data,
        settings.started,
        settings.spill,
        tombstones=read_tombstones(store.connection, settings.data_dir),
        users=settings.users,
        check=refusing_changes(store.connection, rules) if store.has_persons else accept,
        threads=max(1, usable_threads("read", 2 * settings.config.threading.enabled)),
        on_rows=lambda rows: context.tallies.progress.advance("read", rows),
    )
    return context.batches.intake.rows_in
