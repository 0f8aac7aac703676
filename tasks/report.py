from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import stage_task
from weightstream.outputs.report import failed, failed_checks, write_report


@stage_task("draw", name="report", run_name="data quality")
def report(context: RunContext) -> int:
    """Measure the data of each source and write the page on it; return the limits exceeded."""
    settings = context.settings
    before = failed_checks(settings.dashboards)
    with context.store.pool.connection() as connection:
        quality = write_report(connection, settings.dashboards, settings.config, pages_follow=True)
    context.tallies.quality = quality
    context.tallies.new_breaches = len(failed(quality) - before)
    return len(quality["breaches"])
