"""Whether retro runs in this run, later as its own deployment, or not at all."""

import logging
from pathlib import Path
from typing import Literal
from uuid import uuid4

from prefect import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from tasks.runtime.redaction import redacted_errors
from weightstream.errors import WeightstreamError

logger = logging.getLogger("weightstream")
DEPLOYMENT = "retro/deferred"

When = Literal["inline", "defer", "off"]
Place = Literal["here", "elsewhere", "later"]


def retro_place(retro: When | None) -> Place:
    """Return where retro runs: in this run, as a run of DEPLOYMENT after it, or when asked for.

    Without a server a deferred retro waits for `weightstream retro`; the persons are marked. With a
    server that does not have the deployment, retro runs here, and the log says so.
    """
    served = PREFECT_API_URL.value() is not None
    retro = retro or ("defer" if served else "inline")
    if retro == "inline":
        return "here"
    if retro == "off" or not served:
        return "later"
    return "elsewhere" if deployed() else "here"


def deployed() -> bool:
    """Return whether the server has DEPLOYMENT; the log says so if not."""
    try:
        with get_client(sync_client=True) as client:
            client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        logger.warning("there is no deployment %s; retro runs in this run", DEPLOYMENT)
        return False
    return True


def start_elsewhere(data_dir: Path, config: str | None, dashboards: bool) -> list[str]:
    """Start retro of the same store as a run of its deployment; return what went wrong.

    It is a subflow, so the UI shows it under its ingest. It is cancelled with that run, but stays
    scheduled when that run has ended (measured against a server). The key is new each time: a
    repeated one would return the earlier run, even a failed one.
    """
    settings = Path(config or "config.toml").absolute()
    parameters = {
        "data_dir": str(data_dir),
        "config": str(settings) if settings.is_file() else None,
        "dashboards": dashboards,
    }
    try:
        with redacted_errors("retro"):
            run_deployment(
                DEPLOYMENT,
                parameters=parameters,
                timeout=0,
                as_subflow=True,
                idempotency_key=uuid4().hex,
            )
    except WeightstreamError as error:
        return [f"{DEPLOYMENT} could not be started ({error}); run `weightstream retro`"]
    return []
