from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import STAGES
from tasks.runtime.context import CONTEXTS
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import usable_threads
from tasks.runtime.watchdog import watched
from weightstream.erasing.tombstones import read_tombstones
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in


@task(name="read", task_run_name="read", tags=[STAGES["read"].tag], cache_policy=NO_CACHE)
def read(run: str) -> int:
    """Read and clean every source of the run, in the flow's thread; returns the rows read."""
    context = CONTEXTS[run]
    with (
        redacted_errors("read"),
        watched(context, "read") as moved,
        context.clocks["read"].running(),
    ):

        def on_rows(rows: int) -> None:
            moved()
            context.progress.advance("read", rows)

        context.intake = take_in(
            context.sources,
            context.reading,
            context.cleaning,
            Selection(context.config.data, read_tombstones(context.connection, context.data_dir)),
            context.spill,
            context.config.data.spill_rows,
            on_rows,
            threads=max(1, usable_threads("read", 2 * context.config.threading.enabled)),
            users=context.people,
        )
    return context.intake.rows_in
