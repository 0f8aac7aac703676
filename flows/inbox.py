"""What was dropped into the inbox, through the same stages, and out to done/ or failed/."""

import logging
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, State

from flows.deferral import When
from flows.ending import failed, finished
from flows.ingest import Format, go_on, take_in_all
from flows.names import counted, of_inbox, of_store
from tasks.contained import contained
from tasks.opening import configured, opened_road
from tasks.road import Road
from weightstream.config import Config
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.intake.inbox import Claims, claiming
from weightstream.intake.sources import check_options
from weightstream.measuring import RunClock
from weightstream.readers import ReadOptions
from weightstream.store.connection import make_durable

logger = logging.getLogger("weightstream")


@flow(name="ingest", flow_run_name=of_inbox, persist_result=False)
def inbox(
    data_dir: str | None = None,
    config: str | None = None,
    unit: str | None = None,
    timezone: str | None = None,
    format: Format = "auto",
    dashboards: bool = True,
    png: bool = False,
    retro: When | None = None,
) -> State[Any]:
    """Ingest the files that rest in the inbox, and move each to done or, with a report, to failed.

    Args:
        data_dir: Where the store and the dashboards live. As deployed; another is refused.
        config: A config.toml, which may name the inbox. As deployed; another is refused.
        unit: The unit of the readings, for formats that name none.
        timezone: Of times without an offset, for formats that have such (IANA name).
        format: auto, or the name of a format to force.
        dashboards: Draw the pages of the persons who changed.
        png: A picture beside each page, if there is a browser.
        retro: When earlier decisions are looked at again: inline (in this run), defer (as a run
            of retro/deferred), or off. If not given, as for ingest/manual.
    """
    clock = RunClock()
    try:
        check_paths(data_dir, config)
        settings = configured(config, data_dir)
        options = ReadOptions(format, None, unit, timezone, settings.data.columns)
        check_options(options, settings.data)
        run, data = str(flow_run.get_id()), settings.data
        with (
            contained("inbox"),
            claiming(data.inbox_dir, run, data.inbox_rest_seconds) as claims,
        ):
            if not claims.files:
                return nothing_to_do(claims)
            name_run(run, of_store(f"inbox, {counted(len(claims.files), 'file')}"))
            state, fates = ingest_claimed(
                claims, settings, options, clock, config, dashboards, png, retro
            )
            make_durable(data.data_dir)
            if changed := claims.settle(fates):
                logger.warning("%d files changed while they were read; they wait again", changed)
            return state
    except WeightstreamError as error:
        return failed(error)


def ingest_claimed(
    claims: Claims,
    settings: Config,
    options: ReadOptions,
    clock: RunClock,
    config: str | None,
    dashboards: bool,
    png: bool,
    retro: When | None,
) -> tuple[State[Any], dict[Path, str | None]]:
    """Returns the run's final state, and for each file the sentence why it failed, or None."""
    paths = [file.path for file in claims.files]
    run = str(flow_run.get_id())
    with opened_road(run, "ingest", settings, paths, options, claims.people) as road:
        clock.started()
        take_in_all(road)
        troubles = claims.troubles + go_on(road, config, dashboards, png, retro)
        fates = fates_of(road, claims)
        if unusable := sum(fate is not None for fate in fates.values()):
            troubles.append(f"{counted(unusable, 'file')} not done: see the inbox's failed folder")
        return finished(road, clock, troubles), fates


def fates_of(road: Road, claims: Claims) -> dict[Path, str | None]:
    """Why a file failed, or None. The sentences may name persons: they go beside the file only."""
    fates: dict[Path, str | None] = {file.path: None for file in claims.files}
    for number in road.failed_files:
        fates[road.intake.files[number].path] = (
            f"some of its rows could not be judged or stored (run {road.run_id}); put it back into "
            "the inbox to try again: what is stored already is not stored twice"
        )
    for file in claims.files:
        if file.path in road.intake.refused:
            fates[file.path] = road.intake.refused[file.path].replace(
                str(file.path), str(file.name)
            )
    return fates


def nothing_to_do(claims: Claims) -> State[Any]:
    if claims.troubles:
        return Completed(name="Degraded", message="; ".join(claims.troubles))
    return Completed(message="nothing rests in the inbox")


def check_paths(data_dir: str | None, config: str | None) -> None:
    """Refuse paths other than those that the deployment was made with."""
    number = deployment.get_id()
    if number is None:
        return
    with get_client(sync_client=True) as client:
        deployed = client.read_deployment(number).parameters
    if (data_dir, config) != (deployed.get("data_dir"), deployed.get("config")):
        raise ConfigError(
            "ingest/inbox works on the data directory and config that it was deployed with, and no "
            "other; use ingest/manual, or run `weightstream server setup` with them"
        )


def name_run(run: str, name: str) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(run), name=name)
