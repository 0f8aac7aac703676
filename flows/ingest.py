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
from flows.deferral import When, retro_place, start_elsewhere
from flows.ending import failed, finished, said, settle, stop_without_store
from flows.names import of_ingest
from flows.retro import smooth_dirty
from tasks.contained import contained
from tasks.filter import filter_batch
from tasks.opening import configured, opened_road
from tasks.parallel import in_parallel
from tasks.read import read
from tasks.road import Road
from tasks.widths import filter_width, persons_per_task
from tasks.write import write
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.intake.import_report import check_report
from weightstream.intake.sources import check_sources, files_of
from weightstream.measuring import RunClock
from weightstream.readers import FORMATS, ReadOptions
from weightstream.store.runs import register_files, store_quarantine

Format = Annotated[str, Field(json_schema_extra={"enum": ["auto", *FORMATS]})]
"""The UI shows a choice."""


@flow(name="ingest", flow_run_name=of_ingest, persist_result=False)
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
            contained("ingest"),
            opened_road(str(flow_run.get_id()), "ingest", settings, paths, options) as road,
        ):
            clock.started()
            take_in_all(road)
            troubles = list(road.intake.refused.values())
            troubles += go_on(road, config, dashboards, png, retro)
            return finished(road, clock, troubles, json_report)
    except WeightstreamError as error:
        return failed(error)


def go_on(
    road: Road, config: str | None, dashboards: bool, png: bool, retro: When | None
) -> list[str]:
    """From what was read to pages; returns what went wrong."""
    troubles = judge_and_store(road)
    place = retro_place(retro)
    if place == "here":
        troubles += smooth_dirty(road)
    settle(road)
    if dashboards:
        troubles += draw_pages(road, road.changed, png)
    if place == "elsewhere":
        troubles += start_elsewhere(road, config, dashboards)
    return troubles


def take_in_all(road: Road) -> None:
    """Read the sources; register them and what was quarantined."""
    road.progress.begin("read", None, "rows")
    read(road.run_id)
    road.progress.end("read")
    numbers = register_files(road.connection, road.path, road.intake.files, road.run)
    road.expect(numbers)
    quarantined = road.intake.quarantined()
    store_quarantine(road.connection, road.path, quarantined, road.intake.files, numbers, road.run)


def judge_and_store(road: Road) -> list[str]:
    """Judge batches side by side and store each as it ends, in this thread."""
    width = filter_width(road.config.threading, road.intake.selection.persons)
    batches = numbered(road, width)
    road.progress.begin("write", road.intake.partitions.rows, "rows")
    troubles = []
    at_once = road.at_once("filter", width)
    for batch, filtered in in_parallel(filter_batch, road.run_id, batches, at_once, road.has_room):
        before = int(road.counts.sum())
        state = (
            write(road.run_id, batch, return_state=True) if filtered.is_completed() else filtered
        )
        files = set() if state.is_completed() else road.parts[batch].files
        rows = road.forget(batch)
        if not state.is_completed():
            road.failed_files |= files
            road.failed += rows - (int(road.counts.sum()) - before)
            troubles.append(said(state))
            stop_without_store(state)
    road.progress.end("write")
    return troubles


def numbered(road: Road, width: int) -> Iterator[int]:
    """Put the next batch on the road when there is room for it."""
    wanted, persons = road.config.execution.users_per_task, road.intake.selection.persons
    each = persons_per_task(wanted, persons, width, "filter" in road.slots)
    parts = road.intake.parts(width, each)
    for batch, part in enumerate(parts):
        road.parts[batch] = part
        yield batch
