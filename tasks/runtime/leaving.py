"""The event of a run that its process leaves before it has ended."""

from prefect.events import emit_event
from prefect.events.related import tags_as_related_resources
from prefect.runtime import flow_run

LEFT = "weightstream.run.left"
"""It sends no more heartbeats, as one that is suspended; so nobody should wait for them."""


def emit_left() -> None:
    """Say that its process leaves this run, so that nobody waits for its heartbeat."""
    emit_event(
        LEFT,
        resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.get_id()}"},
        related=tags_as_related_resources(set(flow_run.get_tags())),
    )
