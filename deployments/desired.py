"""The desired state of a Prefect server: limits, work pool, queues, deployments, automations.

Plain data, from the configuration and prefect.yaml; `reconcile.py` compares it with a server.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.processutils import command_to_string

from flows.events import NEWS
from flows.served import NAME_OF_STORE, Served
from tasks import STAGES, VIZ_MEMORY
from tasks.runtime.leaving import LEFT
from tasks.runtime.pool_sizes import draw_pool_size, filter_pool_size, retro_pool_size
from weightstream.config import Config, Schedule
from weightstream.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
POOL_DESCRIPTION = "Runs of weightstream: a process each, on the machine of the worker."
INBOX, MANUAL, RETRO, REFRESH = (
    "ingest/inbox",
    "ingest/manual",
    "retro/deferred",
    "dashboards/refresh",
)

MANY_PERSONS = 1_000_000
"""The limit of a pool whose size depends on the number of persons in a run."""

HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
"""Seconds between heartbeats; prefect.yaml says it to each run, whatever its worker has."""
SPARE = timedelta(seconds=10)
"""Allowance for late events: an automation waits for three heartbeats and this."""


@dataclass(frozen=True)
class Limit:
    """A limit by its name on the server. slots: the limit. accepted: other values that may stay."""

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


def limits(config: Config, served: Served) -> list[Limit]:
    """Return one limit for the tag of each stage, its pool size; and the memory of drawing.

    They are the server's, so that its stores share them: of a store with a name, whatever another
    has set is no drift.
    """
    found = [*_stage_limits(config), *_drawing_limits(config)]
    if served.name:
        return [Limit(limit.name, limit.slots, range(1, 2**31)) for limit in found]
    return found


def _stage_limits(config: Config) -> list[Limit]:
    threading = config.threading
    slots = {
        "read": 1,
        "filter": filter_pool_size(threading, MANY_PERSONS),
        "write": 1,
        "smooth": retro_pool_size(threading),
    }
    return [Limit(f"tag:{STAGES[name].tag}", n, range(n, n + 1)) for name, n in slots.items()]


def _drawing_limits(config: Config) -> list[Limit]:
    threading = config.threading
    largest = min(threading.viz_pool_size, threading.memory.max_concurrent_viz)
    size = draw_pool_size(threading)
    # Where memory bounds drawing, the pool size is another at every look. None of them is drift:
    # each run adapts to what is free.
    accepted = range(size if size == largest else 1, largest + 1)
    megabytes = threading.memory.viz_memory_limit_mb
    accepted_mb = range(accepted.start * megabytes, largest * megabytes + 1)
    return [
        Limit(f"tag:{STAGES['draw'].tag}", size, accepted),
        Limit(VIZ_MEMORY, size * megabytes, accepted_mb),
    ]


def _prefect_yaml() -> dict[str, Any]:
    text = (ROOT / "prefect.yaml").read_text("utf-8").replace("{{ $PWD }}", str(ROOT))
    tree: dict[str, Any] = yaml.safe_load(text)
    return tree


def deployments(config: Config, served: Served) -> list[Deployed]:
    """Return the deployments of prefect.yaml, under the names of the store, when it wants them."""
    tree = _prefect_yaml()
    return [
        _deployed(entry, tree["pull"], config.schedule, served) for entry in tree["deployments"]
    ]


def _deployed(entry: dict[str, Any], pull: Any, schedule: Schedule, served: Served) -> Deployed:
    path, _, name = entry["entrypoint"].partition(":")
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{ROOT / path}:{name}")
    limit = entry.get("concurrency_limit", {})
    options = limit and ConcurrencyOptions(collision_strategy=limit["collision_strategy"])
    variables = dict(entry["work_pool"]["job_variables"])
    settings = variables["env"]
    variables["command"] = _command(settings)
    if served.name:
        variables["env"] = {**settings, NAME_OF_STORE: served.name}
    fields = {
        "name": served.deployment(entry["name"]),
        "description": entry["description"],
        "version": entry["version"],
        "tags": [served.tag],
        "entrypoint": entry["entrypoint"],
        "work_pool_name": served.pool,
        "work_queue_name": entry["work_pool"]["work_queue_name"],
        "job_variables": variables,
        "parameters": entry.get("parameters", {}),
        "schedules": [
            one for plan in entry.get("schedules", []) for one in _schedules(plan, entry, schedule)
        ],
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


def _command(settings: dict[str, str]) -> str:
    """Return what a worker starts for a run: the engine, with settings of Prefect's.

    They stand in the command too: a worker overrides those in the environment of a run by its own.
    """
    told = [f"{name}={value}" for name, value in settings.items()]
    return command_to_string([sys.executable, "-m", f"{__package__}.run_engine", *told])


def _schedules(
    plan: dict[str, Any], entry: dict[str, Any], schedule: Schedule
) -> list[DeploymentScheduleCreate]:
    """Return the schedule of a deployment as the configuration has it; none where it is empty.

    Raises ConfigError if it is no cron expression.
    """
    key = {"inbox": "inbox", "refresh": "dashboards"}[entry["name"]]
    cron = getattr(schedule, key)
    if not cron:
        return []
    try:
        timing = CronSchedule(cron=cron, timezone=schedule.timezone)
    except ValueError:
        raise ConfigError(
            f"schedule.{key} = {cron!r} is no cron expression; write five fields, such as "
            "'*/5 * * * *', or '' for never"
        ) from None
    return [DeploymentScheduleCreate(slug=plan["slug"], active=True, schedule=timing)]


def heartbeats_missed() -> timedelta:
    """Return the silence after which a run counts as dead: three heartbeats, and some."""
    deployed = _prefect_yaml()["deployments"]
    seconds = {int(one["work_pool"]["job_variables"]["env"][HEARTBEAT]) for one in deployed}
    return timedelta(seconds=3 * max(seconds)) + SPARE


def crash_automation(served: Served) -> AutomationCore:
    """Return the automation that marks a run of ours as crashed whose process died silently.

    Others' runs on the server have heartbeats of their own. A heartbeat begins the wait for the
    next; whatever state a run enters ends it, for in some there are none.
    """
    silent = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=_tagged(served),
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*", LEFT},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=heartbeats_missed(),
    )
    crashed = ChangeFlowRunState(
        state=StateType.CRASHED,
        message="its process stopped sending heartbeats; run it again, stored data remain",
    )
    return AutomationCore(
        name=f"{served.pool}: a run without a heartbeat has crashed",
        description="Prefect does not notice by itself that the process of a run is gone.",
        enabled=True,
        trigger=silent,
        actions=[crashed],
    )


def _tagged(served: Served) -> ResourceSpecification:
    return ResourceSpecification(
        {"prefect.resource.id": f"prefect.tag.{served.tag}", "prefect.resource.role": "tag"}
    )


STATES_TOLD = ("Failed", "Crashed", "Degraded", "TimedOut")
"""States of a run that need attention."""
RUN_TOLD = """{{ flow_run.name }} is {{ flow_run.state.name }}: {{ flow_run.state.message }}
{{ flow_run|ui_url }}"""
NEWS_TOLD = "{{ event.payload.sentence }}"


def notifying_automations(served: Served, blocks: Sequence[UUID]) -> list[AutomationCore]:
    """Return the automations that send runs and findings to each of these notification blocks."""
    run_of_ours = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=_tagged(served),
        expect={f"prefect.flow-run.{name}" for name in STATES_TOLD},
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    news = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": f"weightstream.store.{served.pool}"}),
        expect=set(NEWS),
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return [
        _notifying(served, "a run needs attention", run_of_ours, RUN_TOLD, blocks),
        _notifying(served, "a store has news", news, NEWS_TOLD, blocks),
    ]


def _notifying(
    served: Served, what: str, trigger: EventTrigger, body: str, blocks: Sequence[UUID]
) -> AutomationCore:
    name = f"{served.pool}: {what}"
    return AutomationCore(
        name=name,
        description="Tells the addresses of [notify] urls.",
        enabled=True,
        trigger=trigger,
        actions=[
            SendNotification(block_document_id=block, subject=name, body=body) for block in blocks
        ],
    )
