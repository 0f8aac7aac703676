"""Stored persons to smoothed decisions, the next version where they say something else."""

from typing import Any

import numpy as np
from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from flows.dashboards import draw_pages
from flows.ending import closed, failed, said, stop_without_store, summarise
from flows.names import of_retro
from tasks.contained import contained
from tasks.opening import configured, opened_road
from tasks.parallel import in_parallel
from tasks.road import Road
from tasks.smooth import smooth
from tasks.widths import retro_width
from tasks.write import write
from weightstream.batch import split_by_rows
from weightstream.errors import WeightstreamError
from weightstream.intake.partition import batches
from weightstream.measuring import RunClock
from weightstream.store import reading
from weightstream.store.connection import existing


@flow(name="retro", flow_run_name=of_retro, persist_result=False)
def retro(
    data_dir: str | None = None, config: str | None = None, dashboards: bool = True
) -> State[Any]:
    """Judge the readings of every person who changed by all their others.

    Args:
        data_dir: Where the store and the dashboards live; as configured if not given.
        config: A config.toml; ./config.toml or the defaults if not given.
        dashboards: Draw the pages of those persons.
    """
    clock = RunClock()
    run_id = str(flow_run.get_id())
    try:
        settings = configured(config, data_dir)
        existing(settings.data.data_dir)
        with contained("retro"), opened_road(run_id, "retro", settings) as road:
            clock.started()
            troubles = smooth_dirty(road)
            road.users = len(road.changed)
            if dashboards:
                troubles += draw_pages(road, road.changed)
            return closed(road, summarise(road, clock, troubles))
    except WeightstreamError as error:
        return failed(error)


def smooth_dirty(road: Road) -> list[str]:
    """Smooth persons side by side and store each batch as it ends, in this thread."""
    persons, readings = reading.dirty(road.connection)
    width = retro_width(road.config.threading)
    tasks = batches(sum(readings), width)
    groups = split_by_rows(np.array(readings, np.int64), tasks)
    road.persons = {batch: persons[group] for batch, group in enumerate(groups)}
    at_once = road.at_once("smooth", width)
    road.smoothed = True
    road.progress.begin("retro", len(persons), "persons")
    troubles = []
    with road.clocks["smooth"].running():
        waiting = list(road.persons)
        for batch, smoothed in in_parallel(smooth, road.run_id, waiting, at_once):
            state = smoothed
            if smoothed.is_completed():
                state = write(road.run_id, batch, return_state=True)
            road.progress.advance("retro", len(road.persons.pop(batch)))
            if not state.is_completed():
                troubles.append(said(state))
                stop_without_store(state)
    road.progress.end("retro")
    return troubles
