"""Check whether a server holds what is desired, and whether something on it is stuck."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import prefect
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkerFilter,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from deployments.desired import QUEUES, deployments
from deployments.resource import Resource
from flows.served import Served
from tasks import STAGES, VIZ_MEMORY
from weightstream.config import Config

LASTING_SECONDS = 25.0
"""The server sweeps an expired lease and its slots within 15 s; what stays longer is leaked."""
UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
SCHEDULED = [StateType.SCHEDULED]
SLOWEST_POLL = 1.0


@dataclass(frozen=True)
class Finding:
    """One sentence. wrong: something must be done; else a warning. kind: for programs."""

    sentence: str
    wrong: bool = True
    kind: str = "server"


def findings_of(resource: Resource, served: Served) -> Iterator[Finding]:
    remedy = f"run `{served.setup}`"
    if resource.differences is None:
        yield Finding(f"{resource.name} is missing: {resource.cost}; {remedy}", kind="setup")
    elif resource.differences:
        what = ", ".join(resource.differences)
        yield Finding(f"{resource.name} has drifted: {what}; {remedy}", kind="setup")


def server_findings(client: SyncPrefectClient) -> Iterator[Finding]:
    """Check the server's version, and the settings that prefect.toml makes."""
    answer = client.request("GET", "/admin/settings")
    settings = answer.json()["server"]
    restart = "start it where prefect.toml is (the folder of weightstream), or set"
    if settings["concurrency"]["lease_storage"].endswith(".memory"):
        yield Finding(
            "the server keeps its leases in memory, so that slots that are held while it restarts "
            f"are lost for ever; {restart} PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE="
            "prefect.server.concurrency.lease_storage.filesystem"
        )
    for name in ("task_run_recorder", "event_persister"):
        seconds = settings["services"][name]["flush_interval"]
        if seconds < 1:
            yield Finding(
                f"the server's {name} flushes every {seconds} s, which Prefect rounds to 0 "
                f"and spins; {restart} PREFECT_SERVER_SERVICES_{name.upper()}_FLUSH_INTERVAL=1"
            )
    wait = settings["tasks"]["tag_concurrency_slot_wait_seconds"]
    if wait > SLOWEST_POLL:
        yield Finding(
            f"the server lets a task wait {wait:.0f} s before it asks for a slot again, which "
            f"slows every run; {restart} "
            "PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS=0.25",
            wrong=False,
        )
    if "flow_runs" not in vacuumed(settings):
        yield Finding(
            "the server never deletes runs, so its database grows for ever; "
            f"{restart} PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs",
            wrong=False,
        )
    version = client.api_version()
    if version != prefect.__version__:
        yield Finding(
            f"the server is Prefect {version} and this is {prefect.__version__}; install the same",
            wrong=False,
        )


def vacuumed(settings: dict[str, Any]) -> set[str]:
    """Return what a server's settings let its vacuum delete; true stands for all of it."""
    enabled = settings["services"]["db_vacuum"]["enabled"]
    if isinstance(enabled, bool):
        return {"events", "flow_runs"} if enabled else {"events"}
    return set(enabled or ())


def worker_findings(
    client: SyncPrefectClient, served: Served, wrong: bool = False
) -> Iterator[Finding]:
    """Check whether waiting runs will be started. wrong: whether a pool without a worker is."""
    name = served.pool
    try:
        pool = client.read_work_pool(name)
        workers = client.read_workers_for_work_pool(
            name, worker_filter=WorkerFilter.model_validate({"status": {"any_": ["ONLINE"]}})
        )
    except ObjectNotFound:
        return  # reported as a missing resource
    if pool.is_paused:
        yield Finding(
            f"work pool {name} is paused: no run starts; `prefect work-pool resume {name}`",
            kind="worker",
        )
    for queue in QUEUES:
        try:
            found = client.read_work_queue_by_name(queue.name, name)
        except ObjectNotFound:
            continue
        if found.is_paused:
            yield Finding(
                f"queue {queue.name} is paused, so its runs wait; "
                f"`prefect work-queue resume {queue.name} --pool {name}`",
                kind="worker",
            )
    if not workers:
        yield Finding(
            f"no worker polls work pool {name}, so its runs wait; "
            f"`prefect worker start --pool {name}` or `weightstream server serve`",
            wrong,
            "worker",
        )


def stuck_findings(
    client: SyncPrefectClient, config: Config, served: Served, seconds: float | None = None
) -> Iterator[Finding]:
    """Check for slots in use that no run holds, and for schedules that create no runs."""
    deployed = found_deployments(client, config, served)
    look = partial(stuck, client, deployed)
    for sentence in still_true(look, LASTING_SECONDS if seconds is None else seconds).values():
        yield Finding(sentence, kind="stuck")


def still_true(look: Callable[[], dict[str, str]], seconds: float) -> dict[str, str]:
    """Return what every look finds during some seconds, by name; at once if nothing is found."""
    until = time.monotonic() + seconds
    seen = look()
    while seen and time.monotonic() < until:
        time.sleep(1)
        now = look()
        seen = {name: now[name] for name in seen if name in now}
    return seen


def found_deployments(
    client: SyncPrefectClient, config: Config, served: Served
) -> list[DeploymentResponse]:
    """Return those of our deployments that the server has."""
    found = []
    for desired in deployments(config, served):
        with suppress(ObjectNotFound):
            found.append(client.read_deployment_by_name(desired.name))
    return found


def stuck(client: SyncPrefectClient, deployed: list[DeploymentResponse]) -> dict[str, str]:
    """Return what looks stuck now, by name.

    That is a limit with more slots in use than are held, or a schedule without a scheduled run.
    Leases hold the slots of stages, runs those of deployments.
    """
    limits = client.read_global_concurrency_limits(limit=200)
    in_use = {limit.name: limit.active_slots for limit in limits if limit.active_slots}
    held = {}
    for tag in (stage.tag for stage in STAGES.values()):
        if f"tag:{tag}" in in_use:
            held[f"tag:{tag}"] = len(client.read_concurrency_limit_by_tag(tag).active_slots)
    held[VIZ_MEMORY] = in_use.get(VIZ_MEMORY, 0) * held.get(f"tag:{STAGES['draw'].tag}", 0)
    idle = {}
    for deployment in deployed:
        limit = deployment.global_concurrency_limit
        if limit and limit.name in in_use:
            held[limit.name] = _runs(client, deployment, UNDER_WAY)
        active = any(schedule.active for schedule in deployment.schedules)
        if active and not deployment.paused and not _runs(client, deployment, SCHEDULED):
            idle[deployment.name] = (
                f"deployment {deployment.name} has a schedule, but the server "
                "does not schedule runs of it; "
                "see the server's log (is its SQLAlchemy the one of requirements.lock?)"
            )
    return idle | {
        name: (
            f"limit {name} has {in_use[name]} slots in use, but only {count} are held by a run "
            "that is alive: the others are leaked, and its stage waits for them for ever; with no "
            f"run under way, `prefect gcl update {name} --active-slots 0`"
        )
        for name, count in held.items()
        if count < in_use.get(name, 0)
    }


def _runs(
    client: SyncPrefectClient, deployment: DeploymentResponse, states: list[StateType]
) -> int:
    found = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))
        ),
    )
    return len(found)
