"""Our events on a Prefect server, for automations. They name no person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.events import emit_event
from prefect.runtime import flow_run

from flows.notices import deliver, notify_urls
from flows.served import on_server, served_here

if TYPE_CHECKING:
    from tasks.runtime.context import RunSettings  # with the engine, which commands do not need

BREACHED = "weightstream.quality.breached"
"""Limits of [quality] are newly exceeded."""
ALERTED = "weightstream.alerts.new"
"""Persons of a run have new alerts."""
NEWS = (BREACHED, ALERTED)


def publish_news(settings: RunSettings, event: str, sentence: str, **counts: Any) -> list[str]:
    """Emit an event about the store, which automations forward; without a server, send it.

    Returns what went wrong.
    """
    if not on_server():
        return deliver(notify_urls(settings.config), "weightstream: a store has news", sentence)
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
    return []
