"""Ingesting the claimed files of the inbox, with the outcome of each.

It is separate from flows/inbox.py, which checks the inbox before it imports all this.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run
from prefect.states import State

from flows.finalize import finalize_ingest
from flows.ingest import judge_and_draw, read_sources
from flows.parameters import When
from tasks.runtime.context import RunContext
from tasks.runtime.open_run import open_run
from weightstream.clocks import RunClock
from weightstream.config import Config
from weightstream.intake.inbox import Claims
from weightstream.intake.sources import check_options
from weightstream.readers import ReadOptions
from weightstream.store.connection import make_durable
from weightstream.terminal import counted

logger = logging.getLogger("weightstream")


@dataclass(frozen=True)
class Wanted:
    """The parameters of a run of the inbox; see flows.inbox.inbox."""

    settings: Config
    config: str | None
    unit: str | None
    timezone: str | None
    format: str
    dashboards: bool
    png: bool
    retro: When | None


def ingest_claims(claims: Claims, wanted: Wanted, clock: RunClock) -> State[Any]:
    """Ingest the claimed files and move each to where it belongs; return the run's final state."""
    data = wanted.settings.data
    options = ReadOptions(wanted.format, None, wanted.unit, wanted.timezone, data.columns)
    check_options(options, data)
    state, outcomes = ingest_files(claims, wanted, options, clock)
    make_durable(data.data_dir)
    if changed := claims.finish(outcomes):
        logger.warning("%d files changed while they were read; they stay in the inbox", changed)
    return state


def ingest_files(
    claims: Claims, wanted: Wanted, options: ReadOptions, clock: RunClock
) -> tuple[State[Any], dict[Path, str | None]]:
    """Return the run's final state, and for each file the sentence why it failed, or None."""
    paths = [file.path for file in claims.files]
    run = str(flow_run.get_id())
    with open_run(run, "ingest", wanted.settings, paths, options, claims.people) as context:
        clock.started()
        read_sources(context)
        problems = claims.problems + judge_and_draw(
            context, wanted.config, wanted.dashboards, wanted.png, wanted.retro
        )
        outcomes = outcomes_by_file(context, claims)
        if unusable := sum(reason is not None for reason in outcomes.values()):
            problems.append(f"{counted(unusable, 'file')} not done: see the inbox's failed folder")
        return finalize_ingest(context, clock, problems), outcomes


REMEDIES = (("give --user", "put it into a folder user=ID of the inbox"),)
"""Remedies on the command line, and those for a file of the inbox."""


def outcomes_by_file(context: RunContext, claims: Claims) -> dict[Path, str | None]:
    """Return why each file failed, or None. Prefect gets no sentence, since it may name persons."""
    outcomes: dict[Path, str | None] = {file.path: None for file in claims.files}
    intake = context.batches.intake
    for number in context.tallies.failed_files:
        outcomes[intake.files[number].path] = (
            f"some of its rows could not be judged or stored (run {context.settings.run_id}); put "
            "it back into the inbox to try again; nothing is stored twice"
        )
    for file in claims.files:
        if file.path in intake.refused:
            sentence = intake.refused[file.path].replace(str(file.path), str(file.name))
            for option, folder in REMEDIES:
                sentence = sentence.replace(option, folder)
            outcomes[file.path] = sentence
    return outcomes
