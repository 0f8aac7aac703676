"""Whether retro runs in this run, later as its own deployment, or not at all."""

import logging
from typing import Literal
from uuid import uuid4

from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

logger = logging.getLogger("weightstream")
DEPLOYMENT = "retro/deferred"


def smooth_here(retro: Literal["inline", "defer", "off"] | None) -> bool:
    """Whether the flow itself smooths; if retro is deferred to a server, it is started there.

    Without a server a deferred retro waits for `weightstream retro`: the persons are marked.
    """
    served = PREFECT_API_URL.value() is not None
    retro = retro or ("defer" if served else "inline")
    return retro == "inline" or (retro == "defer" and served and not started_elsewhere())


def started_elsewhere() -> bool:
    try:
        run_deployment(DEPLOYMENT, timeout=0, as_subflow=False, idempotency_key=uuid4().hex)
    except ObjectNotFound:
        logger.warning("there is no deployment %s; retro runs in this run", DEPLOYMENT)
        return False
    return True
