from tasks.runtime.context import RunContext
from tasks.runtime.stage_task import persons_in, stage_task
from weightstream.outputs.drawing import draw_persons, draw_png, needed_mb
from weightstream.outputs.pages.image import BROWSER_MB, TAB_MB


def batch_mb(context: RunContext, batch: int) -> int:
    """The most memory, in MB, that drawing a batch takes at any time."""
    with context.store.pool.connection() as connection:
        persons = context.batches.persons[batch]
        return needed_mb(connection, persons, context.settings.drawing.most_mb)


@stage_task("draw", run_name="draw batch {batch}", size=persons_in, viz_mb=batch_mb)
def draw(context: RunContext, batch: int) -> None:
    """Draw the pages of a batch of persons; their rows of the index wait for the flow."""
    batches, persons = context.batches, context.batches.persons[batch]
    if batches.drawing_processes is not None:
        batches.index_rows[batch] = batches.drawing_processes.draw(persons)
        return
    with context.store.pool.connection() as connection:
        batches.index_rows[batch] = draw_persons(connection, context.settings.drawing, persons)


def pictures_mb(context: RunContext) -> int:
    """The most memory, in MB, that the browser and its tabs take."""
    return BROWSER_MB + context.batches.browser_tabs * TAB_MB


@stage_task("draw", name="picture", run_name="pictures", retries=0, viz_mb=pictures_mb, watch=False)
def picture(context: RunContext) -> list[str]:
    """Draw PNGs of persons in one browser; return what went wrong with which picture."""
    batches = context.batches
    with context.store.pool.connection() as connection:
        return draw_png(
            connection, context.settings.drawing, batches.pictured, batches.browser_tabs
        )
