"""The ingest flow: sources to decisions to pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from prefect import flow, tags
from prefect.runtime import deployment, flow_run
from prefect.states import State
from pydantic import SecretStr
from pydantic.json_schema import SkipJsonSchema

from flows.dashboards import draw_pages
from flows.deferred_retro import retro_place, start_elsewhere
from flows.finalize import (
    error_message,
    failed,
    finalize_ingest,
    record_outcomes,
    stop_without_store,
)
from flows.parameters import Format, When
from flows.retro import inline_retro
from flows.run_names import ingest_run_name
from flows.served import release_slot_of_deleted_deployment, settings_of_run
from tasks.filter import filter_batch
from tasks.read import read
from tasks.runtime.context import RunContext
from tasks.runtime.open_run import open_run
from tasks.runtime.pool_sizes import filter_pool_size
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import state_of, submit_batches
from tasks.write import write
from weightstream.clocks import RunClock
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.intake.import_report import check_report, left_out
from weightstream.intake.sources import check_sources, look_up
from weightstream.parsing.layouts import DateOrder
from weightstream.readers.stated import read_options
from weightstream.store.runs import register_files, store_quarantine


@flow(name="ingest", flow_run_name=ingest_run_name, persist_result=False)
def ingest(
    sources: list[str],
    data_dir: str | None = None,
    config: str | None = None,
    user: SkipJsonSchema[SecretStr | None] = None,
    unit: str | None = None,
    timezone: str | None = None,
    format: Format = "auto",
    dashboards: bool = True,
    png: bool = False,
    retro: When | None = None,
    json_report: str | None = None,
    dates: DateOrder | None = None,
    decimal: Literal["comma", "point"] | None = None,
    column: list[str] | None = None,
    ignore_unreadable: bool = False,
) -> State[Any]:
    """Read sources, judge every measurement, store the decisions and draw the pages.

    Args:
        sources: Files and folders to read. Reading a file again changes nothing.
        data_dir: The folder of the store and the dashboards; by default as configured.
        config: A configuration file; by default ./config.toml, or the defaults.
        user: The person, for formats that name none. A run of a deployment refuses it, because
            Prefect would record it: use the folders of the inbox.
        unit: The unit of the readings, for formats that name none.
        timezone: The timezone of times without an offset (IANA name).
        format: auto, or the name of a format to force.
        dashboards: Draw the pages of the persons who changed.
        png: Draw a picture beside each page, if there is a browser.
        retro: When to judge by all readings: inline (in this run), defer (mark the persons, and
            start retro/deferred if it is deployed), or off. By default inline without a Prefect
            server, and defer with one.
        json_report: A file for the import report: counts, units, times, and the first quarantined
            rows of each reason with their cells.
        dates: How to read ambiguous dates, such as 03/04/2024 or 45292.
        decimal: How to read numbers such as 80,500.
        column: ROLE=NAME each, the column that holds a role.
        ignore_unreadable: Do not degrade the run if a folder or zip file has files in no known
            format.
    """
    clock = RunClock()
    try:
        if user and deployment.get_id():
            raise ConfigError(
                "a run of a deployment takes no user, since Prefect records its parameters; put "
                "the file into a folder user=ID of the inbox, or use `weightstream ingest --user`"
            )
        settings, config = settings_of_run(data_dir, config)
        options = read_options(
            settings.data.columns, column or (), format=format,
            user=user.get_secret_value() if user else None, unit=unit, timezone=timezone,
            dates=dates, decimal=decimal,
        )  # fmt: skip
        found = look_up(sources)
        paths = found.files
        check_sources(paths, options, settings.data)
        if json_report is not None:
            check_report(Path(json_report), paths)
        with (
            redacted_errors("ingest"),
            open_run(str(flow_run.get_id()), "ingest", settings, paths, options) as context,
        ):
            clock.started()
            read_sources(context)
            problems = list(context.batches.intake.refused.values())
            if not ignore_unreadable:
                unread = [*found.unread, *context.batches.intake.unread]
                problems += [one.sentence for one in left_out(unread)]
            problems += judge_and_draw(context, config, dashboards, png, retro)
            return finalize_ingest(context, clock, problems, json_report)
    except WeightstreamError as error:
        return failed(error)
    finally:
        release_slot_of_deleted_deployment()


def judge_and_draw(
    context: RunContext, config: str | None, dashboards: bool, png: bool, retro: When | None
) -> list[str]:
    """Judge, store and draw what was read; return what went wrong.

    If retro follows at once as a run of its own, only retro draws the pages.
    """
    problems = judge_and_store(context)
    place = retro_place(retro)
    if place == "here":
        with tags(*flow_run.get_tags()):
            problems += cast(list[str], inline_retro(context.settings.run_id))
    record_outcomes(context)
    drawn_elsewhere = False
    if place == "elsewhere":
        data_dir = context.settings.data_dir
        drawn_elsewhere, trouble = start_elsewhere(data_dir, config, dashboards, png)
        problems += trouble
    if dashboards and not drawn_elsewhere:
        problems += draw_pages(context, context.tallies.changed, png)
    return problems


def read_sources(context: RunContext) -> None:
    """Read the sources; register the files and the quarantined rows."""
    progress, store = context.tallies.progress, context.store
    progress.begin("read", None, "rows")
    state = state_of(read, context.settings.run_id)
    state.result()  # raises what the task raised, since there is nothing to continue with
    context.batches.follows(state)
    progress.end("read")
    intake = context.batches.intake
    numbers = register_files(store.connection, store.path, intake.files, store.run)
    context.expect_files(numbers)
    store_quarantine(
        store.connection, store.path, intake.quarantined(), intake.files, numbers, store.run
    )


def judge_and_store(context: RunContext) -> list[str]:
    """Judge batches in parallel and store each as it ends, in this thread."""
    settings, batches, tallies = context.settings, context.batches, context.tallies
    persons = batches.intake.selection.persons
    pool_size = filter_pool_size(settings.config.threading, persons)
    tallies.progress.begin("write", batches.intake.partitions.rows, "rows")
    problems, written = [], list[State[Any]]()
    for batch, filtered in submit_batches(
        filter_batch,
        settings.run_id,
        numbered_batches(context, pool_size),
        settings.tasks_at_once("filter", pool_size),
        batches.has_memory,
        batches.before,
    ):
        counted = int(tallies.counts.sum())
        state = filtered
        if filtered.is_completed():
            state = state_of(write, settings.run_id, batch, after=[filtered, *written])
            written = [state] if state.is_completed() else written
        files = set() if state.is_completed() else batches.partitions[batch].files
        rows = batches.forget(batch)
        if not state.is_completed():
            tallies.failed_files |= files
            tallies.failed += rows - (int(tallies.counts.sum()) - counted)
            problems.append(error_message(state))
            stop_without_store(state)
    tallies.progress.end("write")
    for last in written:
        batches.follows(last)
    return problems


def numbered_batches(context: RunContext, pool_size: int) -> Iterator[int]:
    """Yield batches of new measurements, each made when it is needed."""
    settings, batches = context.settings, context.batches
    each = settings.config.execution.users_per_task
    for batch, partition in enumerate(batches.intake.parts(pool_size, each)):
        batches.partitions[batch] = partition
        yield batch
