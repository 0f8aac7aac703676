"""Store to pages."""

import logging
from functools import partial
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from flows.ending import closed, failed, said, summarise
from flows.names import of_dashboards
from tasks.contained import contained
from tasks.draw import draw, picture
from tasks.opening import configured, opened_road
from tasks.parallel import aside, in_parallel
from tasks.report import report
from tasks.road import Road
from tasks.viz_memory import room_to_draw
from tasks.widths import draw_width, tabs
from weightstream.charts.image import BROWSER_MB, NO_MEMORY, TAB_MB
from weightstream.charts.page import write_assets
from weightstream.drawing import draw_index, undrawn
from weightstream.errors import WeightstreamError
from weightstream.measuring import RunClock
from weightstream.memory import free_memory_mb
from weightstream.store import reading
from weightstream.store.connection import existing, explained, transaction
from weightstream.store.presence import drawing

logger = logging.getLogger("weightstream")
FEWEST_PERSONS_PER_TASK, MOST_PERSONS_PER_TASK = 100, 500


@flow(name="dashboards", flow_run_name=of_dashboards, persist_result=False)
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
            contained("dashboards"),
            opened_road(str(flow_run.get_id()), "dashboards", settings) as road,
        ):
            clock.started()
            everyone = reading.user_ids(road.connection)
            troubles = draw_pages(road, everyone, png)
            road.users = len(everyone)
            return closed(road, summarise(road, clock, troubles))
    except WeightstreamError as error:
        return failed(error)


def draw_pages(road: Road, changed: list[str], png: bool = False) -> list[str]:
    """Draw the pages of the changed persons, and of those who have none; then the index, and the
    page on data quality.

    png: also their pictures. Returns what went wrong; the decisions are stored all the same.
    """
    troubles: list[str] = []
    try:
        with contained("draw"):
            write_assets(road.dashboards)
        # It scans the whole store, which takes no turn of Python's from those that draw.
        with aside(report, road.run_id, road.config.threading.enabled) as reported:
            with contained("draw"), drawing(road.dashboards):
                persons = _draw_pages(road, changed, troubles)
            if png and persons:
                troubles += _draw_pictures(road, persons)
            state = reported()
        if not state.is_completed():
            troubles.append(said(state))
    except WeightstreamError as error:
        troubles.append(str(error))
    return troubles


def _draw_pages(road: Road, changed: list[str], troubles: list[str]) -> list[str]:
    naming = road.config.visualization.file_names
    persons = sorted({*changed, *undrawn(road.connection, road.dashboards, naming)})
    width = draw_width(road.config.threading)
    share = -(-len(persons) // width)
    size = min(MOST_PERSONS_PER_TASK, max(FEWEST_PERSONS_PER_TASK, share))
    road.persons = dict(enumerate(reading.chunks(persons, size)))
    road.progress.begin("draw", len(persons), "pages")
    at_once = road.at_once("draw", width)
    room = partial(room_to_draw, road.config.threading.memory)
    for batch, state in in_parallel(draw, road.run_id, list(road.persons), at_once, room):
        road.progress.advance("draw", len(road.persons[batch]))
        if not state.is_completed():
            troubles.append(said(state))
    rows = (row for some in road.drawn.values() for row in some)
    # Under the store's lock: another process that draws now would lose its rows of the index.
    with road.clocks["draw"].running(), explained(road.path), transaction(road.connection):
        draw_index(road.connection, road.dashboards, rows, naming)
    road.progress.end("draw")
    return persons


def _draw_pictures(road: Road, persons: list[str]) -> list[str]:
    free_mb = free_memory_mb()
    at_once = tabs(road.config.threading, free_mb)
    if at_once == 0:
        logger.warning(NO_MEMORY.format(needed=BROWSER_MB + TAB_MB, free=free_mb))
        return []
    road.pictured = persons
    state = picture(road.run_id, at_once, return_state=True)
    return state.result() if state.is_completed() else [said(state)]
