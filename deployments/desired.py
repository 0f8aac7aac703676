"""What a Prefect server should hold: limits, work pool, queues, deployments, automations.

Plain data, from the configuration and prefect.yaml; `reconcile.py` compares it with a server.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from tasks import STAGES, VIZ_MEMORY
from tasks.runtime.pool_sizes import draw_pool_size, filter_pool_size, retro_pool_size
from weightstream.config import Config

ROOT = Path(__file__).resolve().parent.parent
POOL = "weightstream"
POOL_DESCRIPTION = "Runs of weightstream: a process each, on the machine of the worker."
INBOX = "ingest/inbox"
"""Its parameters say which store a server works on."""

MANY_PERSONS = 1_000_000
"""For the limit of a pool whose size depends on how many persons a run has."""

HEARTBEATS_MISSED = timedelta(seconds=100)
"""Three of those that prefect.toml asks of a run."""


@dataclass(frozen=True)
class Limit:
    """A limit by its name on the server. slots: at once. accepted: limits that are no drift."""

    name: str
    slots: int
    accepted: range


@dataclass(frozen=True)
class Queue:
    """A queue of the pool; the lowest priority number is served first."""

    name: str
    priority: int
    description: str


QUEUES = (
    Queue("default", 1, "Ingests and dashboards."),
    Queue("retro", 10, "Retro: when nothing else waits."),
)


@dataclass(frozen=True)
class Deployed:
    """A deployment, as the API takes it. fields: of `create_deployment`."""

    flow: Flow[..., Any]
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.flow.name}/{self.fields['name']}"


def limits(config: Config) -> list[Limit]:
    """Return one limit for the tag of each stage, its pool size; and the memory of drawing."""
    threading = config.threading
    slots = {
        "read": 1,
        "filter": filter_pool_size(threading, MANY_PERSONS),
        "write": 1,
        "smooth": retro_pool_size(threading),
    }
    found = [Limit(f"tag:{STAGES[name].tag}", n, range(n, n + 1)) for name, n in slots.items()]
    largest = min(threading.viz_pool_size, threading.memory.max_concurrent_viz)
    size = draw_pool_size(threading)
    # Where memory bounds drawing, the pool size is another at every look. None of them is drift:
    # each run adapts to what is free.
    accepted = range(size if size == largest else 1, largest + 1)
    megabytes = threading.memory.viz_memory_limit_mb
    accepted_mb = range(accepted.start * megabytes, largest * megabytes + 1)
    return [
        *found,
        Limit(f"tag:{STAGES['draw'].tag}", size, accepted),
        Limit(VIZ_MEMORY, size * megabytes, accepted_mb),
    ]


def deployments(config: Path | None, data_dir: Path | None) -> list[Deployed]:
    """Return the deployments of prefect.yaml, with the paths that their runs use."""
    text = (ROOT / "prefect.yaml").read_text("utf-8").replace("{{ $PWD }}", str(ROOT))
    tree = yaml.safe_load(text)
    paths = {"config": config, "data_dir": data_dir}
    parameters = {name: str(path) for name, path in paths.items() if path is not None}
    return [_deployed(entry, tree["pull"], parameters) for entry in tree["deployments"]]


def _deployed(entry: dict[str, Any], pull: Any, parameters: dict[str, str]) -> Deployed:
    path, _, name = entry["entrypoint"].partition(":")
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{ROOT / path}:{name}")
    limit = entry.get("concurrency_limit", {})
    options = limit and ConcurrencyOptions(collision_strategy=limit["collision_strategy"])
    fields = {
        "name": entry["name"],
        "description": entry["description"],
        "entrypoint": entry["entrypoint"],
        "work_pool_name": entry["work_pool"]["name"],
        "work_queue_name": entry["work_pool"]["work_queue_name"],
        "job_variables": entry["work_pool"]["job_variables"],
        "parameters": {**entry.get("parameters", {}), **parameters},
        "schedules": [_schedule(schedule) for schedule in entry.get("schedules", [])],
        "concurrency_limit": limit.get("limit"),
        "concurrency_options": options or None,
        "pull_steps": pull,
        # Without the last, the server would record parameters that no flow has.
        "parameter_openapi_schema": {
            **parameter_schema(flow).model_dump(),
            "additionalProperties": False,
        },
        "enforce_parameter_schema": True,
        "paused": False,
    }
    return Deployed(flow, fields)


def _schedule(entry: dict[str, Any]) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        slug=entry["slug"],
        active=entry["active"],
        schedule=CronSchedule(cron=entry["cron"], timezone=entry["timezone"]),
    )


ENDINGS = ("Completed", "Degraded", "Failed", "Crashed", "Cancelled", "Cancelling", "Paused")
"""Names of states after which a run sends no heartbeat; Degraded is ours (flows/finalize.py)."""


def automations() -> list[AutomationCore]:
    """Return the automation that marks a run as crashed whose process died silently."""
    silent = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        after={"prefect.flow-run.heartbeat"},
        expect={
            "prefect.flow-run.heartbeat",
            *(f"prefect.flow-run.{name}" for name in ENDINGS),
        },
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=HEARTBEATS_MISSED,
    )
    crashed = ChangeFlowRunState(
        state=StateType.CRASHED,
        message="its process stopped sending heartbeats; run it again: what is stored stays",
    )
    return [
        AutomationCore(
            name="weightstream: a run without a heartbeat has crashed",
            description="Prefect does not notice by itself that the process of a run is gone.",
            trigger=silent,
            actions=[crashed],
        )
    ]
