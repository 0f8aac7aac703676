from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import stage_task
from weightstream.outputs.report import write_report


@stage_task("draw", name="report", run_name="data quality")
def report(context: RunContext) -> int:
    """Measure the data of each source and write the page on it; return the limits exceeded."""
    settings = context.settings
    with context.store.pool.connection() as connection:
        quality = write_report(connection, settings.dashboards, settings.config)
    context.tallies.quality = quality
    return len(quality["breaches"])
