"""Ingest the files of the inbox, and move each to done/ or failed/."""

import logging
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, State

from flows.deferred_retro import When
from flows.finalize import failed, finalize_ingest
from flows.ingest import Format, judge_and_draw, read_sources
from flows.run_names import counted, inbox_run_name, store_run_name
from tasks.runtime.context import RunContext
from tasks.runtime.open_run import configured, open_run
from tasks.runtime.redaction import redacted_errors
from weightstream.clocks import RunClock
from weightstream.config import Config
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.intake.inbox import Claims, claiming
from weightstream.intake.sources import check_options
from weightstream.readers import ReadOptions
from weightstream.store.connection import make_durable

logger = logging.getLogger("weightstream")


@flow(name="ingest", flow_run_name=inbox_run_name, persist_result=False)
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
            redacted_errors("inbox"),
            claiming(data.inbox_dir, run, data.inbox_rest_seconds) as claims,
        ):
            if not claims.files:
                return nothing_to_do(claims)
            name_run(run, store_run_name(f"inbox, {counted(len(claims.files), 'file')}"))
            state, outcomes = ingest_claimed(
                claims, settings, options, clock, config, dashboards, png, retro
            )
            make_durable(data.data_dir)
            if changed := claims.finish(outcomes):
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
    """Return the run's final state, and for each file the sentence why it failed, or None."""
    paths = [file.path for file in claims.files]
    run = str(flow_run.get_id())
    with open_run(run, "ingest", settings, paths, options, claims.people) as context:
        clock.started()
        read_sources(context)
        problems = claims.problems + judge_and_draw(context, config, dashboards, png, retro)
        outcomes = outcomes_by_file(context, claims)
        if unusable := sum(reason is not None for reason in outcomes.values()):
            problems.append(f"{counted(unusable, 'file')} not done: see the inbox's failed folder")
        return finalize_ingest(context, clock, problems), outcomes


def outcomes_by_file(context: RunContext, claims: Claims) -> dict[Path, str | None]:
    """Return why each file failed, or None. The sentences may name persons: Prefect gets none."""
    outcomes: dict[Path, str | None] = {file.path: None for file in claims.files}
    intake = context.batches.intake
    for number in context.tallies.failed_files:
        outcomes[intake.files[number].path] = (
            f"some of its rows could not be judged or stored (run {context.settings.run_id}); put "
            "it back into the inbox to try again: what is stored already is not stored twice"
        )
    for file in claims.files:
        if file.path in intake.refused:
            outcomes[file.path] = intake.refused[file.path].replace(str(file.path), str(file.name))
    return outcomes


def nothing_to_do(claims: Claims) -> State[Any]:
    if claims.problems:
        return Completed(name="Degraded", message="; ".join(claims.problems))
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
