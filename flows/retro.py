"""Stored persons to smoothed decisions, the next version where they say something else."""

from typing import Any

import numpy as np
from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from flows.dashboards import draw_pages
from flows.finalize import error_message, failed, finalize_run, stop_without_store, summarise
from flows.run_names import retro_run_name
from tasks.runtime.context import RunContext
from tasks.runtime.open_run import configured, open_run
from tasks.runtime.pool_sizes import retro_pool_size
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import submit_batches
from tasks.smooth import smooth
from tasks.write import write
from weightstream.batch import split_by_rows
from weightstream.clocks import RunClock
from weightstream.errors import WeightstreamError
from weightstream.intake.partition import batches
from weightstream.store import queries
from weightstream.store.connection import existing


@flow(name="retro", flow_run_name=retro_run_name, persist_result=False)
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
        with redacted_errors("retro"), open_run(run_id, "retro", settings) as context:
            clock.started()
            problems = smooth_dirty(context)
            context.users = len(context.changed)
            if dashboards:
                problems += draw_pages(context, context.changed)
            return finalize_run(context, summarise(context, clock, problems))
    except WeightstreamError as error:
        return failed(error)


def smooth_dirty(context: RunContext) -> list[str]:
    """Smooth persons side by side and store each batch as it ends, in this thread."""
    persons, readings = queries.dirty(context.connection)
    width = retro_pool_size(context.config.threading)
    tasks = batches(sum(readings), width)
    groups = split_by_rows(np.array(readings, np.int64), tasks)
    context.persons = {batch: persons[group] for batch, group in enumerate(groups)}
    at_once = context.at_once("smooth", width)
    context.smoothed = True
    context.progress.begin("retro", len(persons), "persons")
    problems = []
    with context.clocks["smooth"].running():
        waiting = list(context.persons)
        for batch, smoothed in submit_batches(smooth, context.run_id, waiting, at_once):
            state = smoothed
            if smoothed.is_completed():
                state = write(context.run_id, batch, return_state=True)
            context.progress.advance("retro", len(context.persons.pop(batch)))
            if not state.is_completed():
                problems.append(error_message(state))
                stop_without_store(state)
    context.progress.end("retro")
    return problems
