"""Our events on a Prefect server, for automations. They name no person."""

from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from flows.served import served_here

BREACHED = "weightstream.quality.breached"
"""Limits of [quality] are newly exceeded."""
ALERTED = "weightstream.alerts.new"
"""Persons of a run have new alerts."""
NEWS = (BREACHED, ALERTED)


def emit_of_store(event: str, sentence: str, **counts: Any) -> None:
    """Emit an event about the store, if there is a server."""
    if PREFECT_API_URL.value() is None:
        return
    emit_event(
        event,
        resource={"prefect.resource.id": f"weightstream.store.{served_here().pool}"},
        related=[
            {
                "prefect.resource.id": f"prefect.flow-run.{flow_run.get_id()}",
                "prefect.resource.role": "flow-run",
            }
        ],
        payload={"sentence": sentence, **counts},
    )
