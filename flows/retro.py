"""The retro flow: smooth stored persons, and store new versions of changed decisions."""

from typing import Any

import numpy as np
from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Completed, State

from flows.dashboards import draw_pages
from flows.finalize import error_message, failed, finalize_run, stop_without_store, summarise
from flows.run_names import inline_retro_run_name, retro_run_name
from flows.served import release_slot_of_deleted_deployment, settings_of_run
from tasks.runtime.context import CONTEXTS, RunContext
from tasks.runtime.open_run import open_run, untagged
from tasks.runtime.pool_sizes import retro_pool_size
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import state_of, submit_batches
from tasks.smooth import smooth_batch
from tasks.write import write
from weightstream.batch import split_by_rows
from weightstream.clocks import RunClock
from weightstream.errors import WeightstreamError
from weightstream.intake.partition import number_of_batches
from weightstream.store import queries
from weightstream.store.connection import existing
from weightstream.terminal import counted


@flow(name="retro", flow_run_name=retro_run_name, persist_result=False)
def retro(
    data_dir: str | None = None,
    config: str | None = None,
    dashboards: bool = True,
    png: bool = False,
) -> State[Any]:
    """Judge the readings of each changed person by all other readings of that person.

    Args:
        data_dir: The folder of the store and the dashboards; by default as configured.
        config: A configuration file; by default ./config.toml, or the defaults.
        dashboards: Draw the pages of those persons.
        png: Draw a picture beside each page, if there is a browser.
    """
    clock = RunClock()
    run_id = str(flow_run.get_id())
    try:
        settings, config = settings_of_run(data_dir, config)
        existing(settings.data.data_dir)
        with redacted_errors("retro"), open_run(run_id, "retro", settings) as context:
            clock.started()
            problems = smooth_dirty(context)
            changed = context.tallies.changed
            context.tallies.users = len(changed)
            if dashboards:
                problems += draw_pages(context, changed, png)
            return finalize_run(context, summarise(context, clock, problems))
    except WeightstreamError as error:
        return failed(error)
    finally:
        release_slot_of_deleted_deployment()


@flow(name="retro", flow_run_name=inline_retro_run_name, persist_result=False)
def inline_retro(run: str) -> State[list[str]]:
    """Judge persons who changed by all their readings, as a subflow of the ingest `run`.

    It works in the ingest's process and thread, on its store. Calling it gives what went wrong.
    """
    context = CONTEXTS[run]
    with redacted_errors("retro"), untagged():
        problems = smooth_dirty(context)
    if problems:
        return Completed(name="Degraded", message="; ".join(problems), data=problems)
    persons = context.tallies.retro_counts["persons"]
    return Completed(message=counted(persons, "person"), data=problems)


def smooth_dirty(context: RunContext) -> list[str]:
    """Smooth persons in parallel and store each batch as it ends, in this thread."""
    settings, batches, tallies = context.settings, context.batches, context.tallies
    persons, readings = queries.due(context.store.connection, context.settings.judging.fingerprint)
    pool_size = retro_pool_size(settings.config.threading)
    groups = split_by_rows(
        np.array(readings, np.int64), number_of_batches(sum(readings), pool_size)
    )
    batches.persons = {batch: persons[group] for batch, group in enumerate(groups)}
    at_once = settings.tasks_at_once("smooth", pool_size)
    tallies.smoothed = True
    tallies.progress.begin("retro", len(persons), "persons")
    problems = []
    with tallies.clocks["smooth"].running():
        waiting = list(batches.persons)
        for batch, smoothed in submit_batches(
            smooth_batch, settings.run_id, waiting, at_once, after=batches.before
        ):
            state = smoothed
            if smoothed.is_completed():
                state = state_of(write, settings.run_id, batch, after=[smoothed])
                batches.follows(state)
            tallies.progress.advance("retro", len(batches.persons.pop(batch)))
            if not state.is_completed():
                problems.append(error_message(state))
                stop_without_store(state)
    tallies.progress.end("retro")
    return problems
