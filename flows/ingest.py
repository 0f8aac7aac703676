"""Sources to decisions to pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.runtime import deployment, flow_run
from prefect.states import State
from pydantic import Field, SecretStr
from pydantic.json_schema import SkipJsonSchema

from flows.dashboards import draw_pages
from flows.deferred_retro import When, retro_place, start_elsewhere
from flows.finalize import (
    error_message,
    failed,
    finalize_ingest,
    record_outcomes,
    stop_without_store,
)
from flows.retro import smooth_dirty
from flows.run_names import ingest_run_name
from tasks.filter import filter_batch
from tasks.read import read
from tasks.runtime.context import RunContext
from tasks.runtime.open_run import configured, open_run
from tasks.runtime.pool_sizes import filter_pool_size, persons_per_task
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.submission import submit_batches
from tasks.write import write
from weightstream.clocks import RunClock
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.intake.import_report import check_report
from weightstream.intake.sources import check_sources, files_of
from weightstream.readers import FORMATS, ReadOptions
from weightstream.store.runs import register_files, store_quarantine

Format = Annotated[str, Field(json_schema_extra={"enum": ["auto", *FORMATS]})]
"""The UI shows a choice."""


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
) -> State[Any]:
    """Read sources, judge every measurement, store the decisions and draw the pages.

    Args:
        sources: Files and folders to read; a file that was seen before is read again and changes
            nothing.
        data_dir: Where the store and the dashboards live; as configured if not given.
        config: A config.toml; ./config.toml or the defaults if not given.
        user: Whose readings these are, for formats that name no person. Not for a run of a
            deployment, where Prefect would record it: the inbox has folders for that.
        unit: The unit of the readings, for formats that name none.
        timezone: Of times without an offset, for formats that have such (IANA name).
        format: auto, or the name of a format to force.
        dashboards: Draw the pages of the persons who changed.
        png: A picture beside each page, if there is a browser.
        retro: When earlier decisions are looked at again: inline (in this run), defer (the
            persons are marked, and retro/deferred is started where it is deployed), or off. If
            not given, inline without a Prefect server and defer with one.
        json_report: A file to write, of what was found in each source: counts, units, times, and
            the first quarantined rows of each reason with their cells.
    """
    clock = RunClock()
    try:
        if user and deployment.get_id():
            raise ConfigError(
                "a run of a deployment takes no user, since Prefect records its parameters; put "
                "the file into a folder user=ID of the inbox, or use `weightstream ingest --user`"
            )
        settings = configured(config, data_dir)
        options = ReadOptions(
            format,
            user.get_secret_value() if user else None,
            unit,
            timezone,
            settings.data.columns,
        )
        paths = files_of(sources)
        check_sources(paths, options, settings.data)
        if json_report is not None:
            check_report(Path(json_report), paths)
        with (
            redacted_errors("ingest"),
            open_run(str(flow_run.get_id()), "ingest", settings, paths, options) as context,
        ):
            clock.started()
            read_sources(context)
            problems = list(context.intake.refused.values())
            problems += judge_and_draw(context, config, dashboards, png, retro)
            return finalize_ingest(context, clock, problems, json_report)
    except WeightstreamError as error:
        return failed(error)


def judge_and_draw(
    context: RunContext, config: str | None, dashboards: bool, png: bool, retro: When | None
) -> list[str]:
    """From what was read to pages; returns what went wrong."""
    problems = judge_and_store(context)
    place = retro_place(retro)
    if place == "here":
        problems += smooth_dirty(context)
    record_outcomes(context)
    if dashboards:
        problems += draw_pages(context, context.changed, png)
    if place == "elsewhere":
        problems += start_elsewhere(context, config, dashboards)
    return problems


def read_sources(context: RunContext) -> None:
    """Read the sources; register them and what was quarantined."""
    context.progress.begin("read", None, "rows")
    read(context.run_id)
    context.progress.end("read")
    numbers = register_files(context.connection, context.path, context.intake.files, context.run)
    context.expect(numbers)
    quarantined = context.intake.quarantined()
    store_quarantine(
        context.connection, context.path, quarantined, context.intake.files, numbers, context.run
    )


def judge_and_store(context: RunContext) -> list[str]:
    """Judge batches side by side and store each as it ends, in this thread."""
    width = filter_pool_size(context.config.threading, context.intake.selection.persons)
    batches = numbered_batches(context, width)
    context.progress.begin("write", context.intake.partitions.rows, "rows")
    problems = []
    at_once = context.at_once("filter", width)
    for batch, filtered in submit_batches(
        filter_batch, context.run_id, batches, at_once, context.has_room
    ):
        before = int(context.counts.sum())
        state = (
            write(context.run_id, batch, return_state=True) if filtered.is_completed() else filtered
        )
        files = set() if state.is_completed() else context.parts[batch].files
        rows = context.forget(batch)
        if not state.is_completed():
            context.failed_files |= files
            context.failed += rows - (int(context.counts.sum()) - before)
            problems.append(error_message(state))
            stop_without_store(state)
    context.progress.end("write")
    return problems


def numbered_batches(context: RunContext, width: int) -> Iterator[int]:
    """Put the next batch on the road when there is room for it."""
    wanted, persons = context.config.execution.users_per_task, context.intake.selection.persons
    each = persons_per_task(wanted, persons, width, "filter" in context.limits)
    parts = context.intake.parts(width, each)
    for batch, part in enumerate(parts):
        context.parts[batch] = part
        yield batch
