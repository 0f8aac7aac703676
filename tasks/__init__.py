"""The stages as Prefect tasks: one task per stage, which calls one function of the domain."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage under its several names. seconds: its key in the summary's `seconds`."""

    name: str
    tag: str
    seconds: str


STAGES = {
    stage.name: stage
    for stage in (
        Stage("read", tag="ingest", seconds="read"),
        Stage("filter", tag="kalman", seconds="filter"),
        Stage("write", tag="db-write", seconds="write"),
        Stage("smooth", tag="retro", seconds="retro"),
        Stage("draw", tag="viz", seconds="dashboards"),
    )
}
"""Stage name -> its tag (whose limit holds across runs) and its key in the summary."""

OWN_API_URL = "WEIGHTSTREAM_OWN_API_URL"
"""The environment variable with the address of the Prefect server that serves one command only."""

VIZ_MEMORY = "viz-memory"
"""The global limit on the Prefect server that drawing tasks take from, in MB."""
