"""The dashboards flow: the store to pages."""

import logging
from functools import partial
from typing import Any, cast

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from flows.finalize import error_message, failed, finalize_run, summarise
from flows.run_names import dashboards_run_name
from flows.served import release_slot_of_deleted_deployment, settings_of_run
from tasks.draw import draw, picture
from tasks.report import report
from tasks.runtime.context import RunContext
from tasks.runtime.memory_budget import has_memory_to_draw
from tasks.runtime.open_run import open_run
from tasks.runtime.pool_sizes import browser_tabs, draw_pool_size
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import state_of, submit_batches, submit_in_background
from weightstream.clocks import RunClock
from weightstream.errors import WeightstreamError
from weightstream.memory import free_memory_mb
from weightstream.outputs.drawing import draw_index, undrawn
from weightstream.outputs.drawing_processes import drawing_processes, useful_processes
from weightstream.outputs.pages.image import BROWSER_MB, NO_MEMORY, TAB_MB
from weightstream.outputs.pages.index import read_index, recent_alerts
from weightstream.outputs.pages.page import write_assets
from weightstream.store import queries
from weightstream.store.alert_statuses import announce
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
        data_dir: The folder of the store and the dashboards; by default as configured.
        config: A configuration file; by default ./config.toml, or the defaults.
        png: Draw a picture beside each page, if there is a browser.
    """
    clock = RunClock()
    try:
        settings, config = settings_of_run(data_dir, config)
        existing(settings.data.data_dir)
        with (
            redacted_errors("dashboards"),
            open_run(str(flow_run.get_id()), "dashboards", settings) as context,
        ):
            clock.started()
            everyone = queries.user_ids(context.store.connection)
            problems = draw_pages(context, everyone, png)
            context.tallies.users = len(everyone)
            return finalize_run(context, summarise(context, clock, problems))
    except WeightstreamError as error:
        return failed(error)
    finally:
        release_slot_of_deleted_deployment()


def draw_pages(context: RunContext, changed: list[str], png: bool = False) -> list[str]:
    """Draw the pages of the changed persons and of those who have none, the index, and the page on
    data quality.

    png: also their pictures. Returns what went wrong; that does not undo what is stored.
    """
    problems: list[str] = []
    settings = context.settings
    try:
        with redacted_errors("draw"):
            write_assets(settings.dashboards, settings.drawing.language)
        # It scans the whole store in SQLite, which leaves the GIL to those that draw.
        with submit_in_background(
            report,
            settings.run_id,
            settings.config.threading.enabled,
            context.batches.before,
        ) as reported:
            with redacted_errors("draw"), drawing_lock(settings.dashboards):
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
    settings, store = context.settings, context.store
    naming = settings.config.visualization.file_names
    persons = sorted({*changed, *undrawn(store.connection, settings.dashboards, naming)})
    context.tallies.progress.begin("draw", len(persons), "pages")
    problems += _draw_batches(context, persons)
    rows = [row for some in context.batches.index_rows.values() for row in some]
    # Under the store's lock: another process that draws now would lose its rows of the index.
    with (
        context.tallies.clocks["draw"].running(),
        explained(store.path),
        transaction(store.connection),
    ):
        index = draw_index(store.connection, settings.dashboards, rows, naming)
        alerts = recent_alerts(read_index(index) or {})
        context.tallies.alerted = announce(store.connection, alerts)
    context.tallies.progress.end("draw")
    return persons


def _draw_batches(context: RunContext, persons: list[str]) -> list[str]:
    """Draw the pages of persons, in as many processes as are useful; return what went wrong."""
    settings, batches = context.settings, context.batches
    threading, problems = settings.config.threading, []
    pool_size = draw_pool_size(threading)
    size = min(MOST_PERSONS_PER_TASK, max(FEWEST_PERSONS_PER_TASK, -(-len(persons) // pool_size)))
    batches.persons = dict(enumerate(queries.chunks(persons, size)))
    useful = useful_processes(len(persons), settings.tasks_at_once("draw", pool_size))
    has_memory = partial(has_memory_to_draw, threading.memory)
    with drawing_processes(settings.data_dir, settings.drawing, useful) as processes:
        batches.drawing_processes = processes
        at_once = settings.tasks_at_once("draw", processes.size if processes else 1)
        waiting = list(batches.persons)
        for batch, state in submit_batches(
            draw, settings.run_id, waiting, at_once, has_memory, batches.before
        ):
            context.tallies.progress.advance("draw", len(batches.persons[batch]))
            if not state.is_completed():
                problems.append(error_message(state))
        batches.drawing_processes = None
        context.tallies.processes_mb = processes.private_mb if processes else 0.0
    return problems


def _draw_pictures(context: RunContext, persons: list[str]) -> list[str]:
    free_mb = free_memory_mb()
    tabs = browser_tabs(context.settings.config.threading, free_mb)
    if tabs == 0:
        logger.warning(NO_MEMORY.format(needed=BROWSER_MB + TAB_MB, free=free_mb))
        return []
    context.batches.pictured, context.batches.browser_tabs = persons, tabs
    state = state_of(picture, context.settings.run_id, after=context.batches.before)
    return cast(list[str], state.result()) if state.is_completed() else [error_message(state)]
