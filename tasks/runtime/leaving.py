"""The event for a run that its process leaves before the run has ended."""

from prefect.events import emit_event
from prefect.events.related import tags_as_related_resources
from prefect.runtime import flow_run

LEFT = "weightstream.run.left"
"""Such a run, for example a suspended one, sends no more heartbeats."""


def emit_left() -> None:
    """Emit the event, so that no automation waits for this run's heartbeat."""
    emit_event(
        LEFT,
        resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.get_id()}"},
        related=tags_as_related_resources(set(flow_run.get_tags())),
    )
