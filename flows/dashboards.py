"""Store to pages."""

import logging
from functools import partial
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from flows.finalize import error_message, failed, finalize_run, summarise
from flows.run_names import dashboards_run_name
from tasks.draw import draw, picture
from tasks.report import report
from tasks.runtime.context import RunContext
from tasks.runtime.memory_budget import has_memory_to_draw
from tasks.runtime.open_run import configured, open_run
from tasks.runtime.pool_sizes import browser_tabs, draw_pool_size
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import submit_batches, submit_in_background
from weightstream.clocks import RunClock
from weightstream.errors import WeightstreamError
from weightstream.memory import free_memory_mb
from weightstream.outputs.drawing import draw_index, undrawn
from weightstream.outputs.pages.image import BROWSER_MB, NO_MEMORY, TAB_MB
from weightstream.outputs.pages.page import write_assets
from weightstream.store import queries
from weightstream.store.connection import existing, explained, transaction
from weightstream.store.locks import drawing_lock

logger = logging.getLogger("weightstream")
FEWEST_PERSONS_PER_TASK, MOST_PERSONS_PER_TASK = 100, 500


@flow(name="dashboards", flow_run_name=dashboards_run_name, persist_result=False)
def dashboards(
    data_dir: str | None = None, config: str | None = None, png: bool = False
) -> State[Any]:
    """Draw the page of every person in the store, and the index.

    Args:
        data_dir: Where the store and the dashboards live; as configured if not given.
        config: A config.toml; ./config.toml or the defaults if not given.
        png: A picture beside each page, if there is a browser.
    """
    clock = RunClock()
    try:
        settings = configured(config, data_dir)
        existing(settings.data.data_dir)
        with (
            redacted_errors("dashboards"),
            open_run(str(flow_run.get_id()), "dashboards", settings) as context,
        ):
            clock.started()
            everyone = queries.user_ids(context.connection)
            problems = draw_pages(context, everyone, png)
            context.users = len(everyone)
            return finalize_run(context, summarise(context, clock, problems))
    except WeightstreamError as error:
        return failed(error)


def draw_pages(context: RunContext, changed: list[str], png: bool = False) -> list[str]:
    """Draw the pages of the changed persons, and of those who have none; then the index, and the
    page on data quality.

    png: also their pictures. Returns what went wrong; the decisions are stored all the same.
    """
    problems: list[str] = []
    try:
        with redacted_errors("draw"):
            write_assets(context.dashboards)
        # It scans the whole store, which takes no turn of Python's from those that draw.
        with submit_in_background(
            report, context.run_id, context.config.threading.enabled
        ) as reported:
            with redacted_errors("draw"), drawing_lock(context.dashboards):
                persons = _draw_pages(context, changed, problems)
            if png and persons:
                problems += _draw_pictures(context, persons)
            state = reported()
        if not state.is_completed():
            problems.append(error_message(state))
    except WeightstreamError as error:
        problems.append(str(error))
    return problems


def _draw_pages(context: RunContext, changed: list[str], problems: list[str]) -> list[str]:
    naming = context.config.visualization.file_names
    persons = sorted({*changed, *undrawn(context.connection, context.dashboards, naming)})
    width = draw_pool_size(context.config.threading)
    share = -(-len(persons) // width)
    size = min(MOST_PERSONS_PER_TASK, max(FEWEST_PERSONS_PER_TASK, share))
    context.persons = dict(enumerate(queries.chunks(persons, size)))
    context.progress.begin("draw", len(persons), "pages")
    at_once = context.at_once("draw", width)
    room = partial(has_memory_to_draw, context.config.threading.memory)
    for batch, state in submit_batches(draw, context.run_id, list(context.persons), at_once, room):
        context.progress.advance("draw", len(context.persons[batch]))
        if not state.is_completed():
            problems.append(error_message(state))
    rows = (row for some in context.drawn.values() for row in some)
    # Under the store's lock: another process that draws now would lose its rows of the index.
    with context.clocks["draw"].running(), explained(context.path), transaction(context.connection):
        draw_index(context.connection, context.dashboards, rows, naming)
    context.progress.end("draw")
    return persons


def _draw_pictures(context: RunContext, persons: list[str]) -> list[str]:
    free_mb = free_memory_mb()
    at_once = browser_tabs(context.config.threading, free_mb)
    if at_once == 0:
        logger.warning(NO_MEMORY.format(needed=BROWSER_MB + TAB_MB, free=free_mb))
        return []
    context.pictured = persons
    state = picture(context.run_id, at_once, return_state=True)
    return state.result() if state.is_completed() else [error_message(state)]
