"""Deciding whether retro runs in this run, later as its own deployment, or not at all."""

import logging
from pathlib import Path
from typing import Literal
from uuid import uuid4

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.parameters import When
from flows.served import on_server, runs_of, served_here
from tasks.runtime.redaction import redacted_errors
from weightstream.errors import WeightstreamError

logger = logging.getLogger("weightstream")
RETRO = "retro/deferred"
UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]

Place = Literal["here", "elsewhere", "later"]


def retro_place(retro: When | None) -> Place:
    """Return where retro runs: in this run, as a run of RETRO after it, or on request.

    Without a server a deferred retro waits for `weightstream retro`; the persons are marked. If the
    server does not have the deployment, retro runs in this run, and the log says so.
    """
    served = on_server()
    retro = retro or ("defer" if served else "inline")
    if retro == "inline":
        return "here"
    if retro == "off" or not served:
        return "later"
    return "elsewhere" if deployed() else "here"


def deployed() -> bool:
    """Return whether the server has RETRO of this store; the log says so if not."""
    name = served_here().deployment(RETRO)
    try:
        with get_client(sync_client=True) as client:
            client.read_deployment_by_name(name)
    except ObjectNotFound:
        logger.warning("there is no deployment %s; retro runs within this run", name)
        return False
    return True


def start_elsewhere(
    data_dir: Path, config: str | None, dashboards: bool, png: bool = False
) -> tuple[bool, list[str]]:
    """Start retro of the same store as a run of its deployment.

    It is a subflow, so the UI shows it under its ingest. It is cancelled with that run, but stays
    scheduled when that run has ended (measured against a server). The key is new each time: a
    repeated one would return the earlier run, even a failed one.
    Returns whether it follows at once, with no other run queued before it, and what went wrong.
    """
    settings = Path(config or "config.toml").absolute()
    parameters = {
        "data_dir": str(data_dir),
        "config": str(settings) if settings.is_file() else None,
        "dashboards": dashboards,
        "png": png,
    }
    name = served_here().deployment(RETRO)
    try:
        with redacted_errors("retro"):
            at_once = not under_way(name)
            run_deployment(
                name,
                parameters=parameters,
                timeout=0,
                as_subflow=True,
                idempotency_key=uuid4().hex,
            )
    except WeightstreamError as error:
        return False, [f"{name} could not be started ({error}); run `weightstream retro`"]
    return at_once, []


def under_way(name: str) -> bool:
    """Return whether a deployment has runs that wait or work, or is in a queue that is paused."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
        paused = deployment.work_queue_id and client.read_work_queue(deployment.work_queue_id)
        if paused and paused.is_paused:
            return True
        return bool(runs_of(client, deployment, UNDER_WAY, limit=1))
