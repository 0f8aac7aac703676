"""Ingest the files of the inbox, and move each to done/ or failed/.

A server starts this every few minutes, mostly for an empty inbox. So heavy modules are imported
only after a file was claimed, and a scheduled run that found nothing is deleted when it ends.
"""

import logging
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from flows.parameters import Format, When
from flows.run_names import inbox_run_name, store_run_name
from flows.served import release_slot_of_deleted_deployment, settings_of_run
from tasks.runtime.leaving import emit_left
from tasks.runtime.redaction import redacted_errors
from tasks.runtime.run_logging import log_to_run
from weightstream.clocks import RunClock
from weightstream.errors import WeightstreamError
from weightstream.intake.inbox import Claims, claiming
from weightstream.terminal import counted

logger = logging.getLogger("weightstream")
NOTHING = "the inbox has no file that is ready"


def forget_empty_look(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Delete a scheduled run that found nothing, since 288 of them a day would hide the others."""
    if not flow_run.auto_scheduled or state.message != NOTHING:
        return
    emit_left()  # its heartbeat may come after its end, and nobody would be found to have crashed
    with suppress(ObjectNotFound, httpx.HTTPError), get_client(sync_client=True) as client:
        client.delete_flow_run(flow_run.id)


@flow(
    name="ingest",
    flow_run_name=inbox_run_name,
    persist_result=False,
    on_completion=[forget_empty_look],
)
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
    """Ingest the unchanged files of the inbox, and move each to done or, with a report, to failed.

    Args:
        data_dir: The folder of the store and the dashboards; any other than that of the server is
            refused.
        config: A configuration file, which may name the inbox; any other than that of the server is
            refused.
        unit: The unit of the readings, for formats that name none.
        timezone: The timezone of times without an offset (IANA name).
        format: auto, or the name of a format to force.
        dashboards: Draw the pages of the persons who changed.
        png: Draw a picture beside each page, if there is a browser.
        retro: When to judge by all readings: inline (in this run), defer (as a run of
            retro/deferred), or off. By default as for ingest/manual.
    """
    try:
        with redacted_errors("inbox"):
            settings, config = settings_of_run(data_dir, config, confined=True)
            run, data = str(flow_run.get_id()), settings.data
            looked = time.monotonic()
            with claiming(data.inbox_dir, run, data.inbox_rest_seconds) as claims:
                clock = RunClock(waited=time.monotonic() - looked)
                if not claims.files:
                    return nothing_to_do(claims)
                log_to_run()
                name_run(run, store_run_name(f"inbox, {counted(len(claims.files), 'file')}"))
                from flows.claimed import Wanted, ingest_claims

                wanted = Wanted(settings, config, unit, timezone, format, dashboards, png, retro)
                return ingest_claims(claims, wanted, clock)
    except WeightstreamError as error:
        return Failed(message=str(error), data=error)
    finally:
        release_slot_of_deleted_deployment()


def nothing_to_do(claims: Claims) -> State[Any]:
    if claims.problems:
        return Completed(name="Degraded", message="; ".join(claims.problems))
    return Completed(message=NOTHING)


def name_run(run: str, name: str) -> None:
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(run), name=name)
