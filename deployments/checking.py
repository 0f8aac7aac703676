"""Whether a server is as wanted, and whether something on it is stuck."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from prefect.settings import Settings

from deployments.parts import Part
from deployments.wanted import POOL, QUEUES, VIZ_MEMORY, deployments
from tasks import STAGES

SETUP = "run `weightstream server setup`"
LEAK_SECONDS = 25.0
"""A lease that ran out is swept within 15 s, and its slots with it; what stays longer is leaked."""
SLOWEST_POLL = 1.0


@dataclass(frozen=True)
class Finding:
    """One sentence. wrong: something must be done; else a warning."""

    sentence: str
    wrong: bool = True


def of_part(part: Part) -> Iterator[Finding]:
    if part.differences is None:
        yield Finding(f"{part.name} is missing: {part.cost}; {SETUP}")
    elif part.differences:
        yield Finding(f"{part.name} has drifted: {', '.join(part.differences)}; {SETUP}")


def of_server(client: SyncPrefectClient) -> Iterator[Finding]:
    """Its settings, those that prefect.toml is there for, and its version."""
    answer = client.request("GET", "/admin/settings")
    settings = Settings.model_validate(answer.json()).server
    restart = "start it where prefect.toml is (the folder of weightstream), or set"
    if settings.concurrency.lease_storage.endswith(".memory"):
        yield Finding(
            "the server keeps its leases in memory, so that slots that are held while it restarts "
            f"are lost for ever; {restart} PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE="
            "prefect.server.concurrency.lease_storage.filesystem"
        )
    services = settings.services
    for name, seconds in (
        ("TASK_RUN_RECORDER", services.task_run_recorder.flush_interval),
        ("EVENT_PERSISTER", services.event_persister.flush_interval),
    ):
        if seconds < 1:
            yield Finding(
                f"the server's {name.lower()} flushes every {seconds} s, which Prefect takes for 0 "
                f"and spins; {restart} PREFECT_SERVER_SERVICES_{name}_FLUSH_INTERVAL=1"
            )
    wait = settings.tasks.tag_concurrency_slot_wait_seconds
    if wait > SLOWEST_POLL:
        yield Finding(
            f"the server lets a task wait {wait:.0f} s before it asks for a slot again, which "
            f"slows every run; {restart} "
            "PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS=0.25",
            wrong=False,
        )
    version = client.api_version()
    if version != prefect.__version__:
        yield Finding(
            f"the server is Prefect {version} and this is {prefect.__version__}; install the same",
            wrong=False,
        )


def of_pool(client: SyncPrefectClient) -> Iterator[Finding]:
    """Whether what waits will be started."""
    try:
        pool = client.read_work_pool(POOL)
        workers = client.read_workers_for_work_pool(
            POOL, worker_filter=WorkerFilter.model_validate({"status": {"any_": ["ONLINE"]}})
        )
    except ObjectNotFound:
        return  # said as a missing part
    if pool.is_paused:
        yield Finding(
            f"work pool {POOL} is paused: no run starts; `prefect work-pool resume {POOL}`"
        )
    for queue in QUEUES:
        try:
            found = client.read_work_queue_by_name(queue.name, POOL)
        except ObjectNotFound:
            continue
        if found.is_paused:
            yield Finding(
                f"queue {queue.name} is paused: what is in it waits; "
                f"`prefect work-queue resume {queue.name} --pool {POOL}`"
            )
    if not workers:
        yield Finding(
            f"no worker is looking at work pool {POOL}: what is deployed waits; "
            f"`prefect worker start --pool {POOL}` or `weightstream server serve`",
            wrong=False,
        )


@dataclass(frozen=True)
class Held:
    """Slots in use of a limit, and how many of them somebody holds who is alive."""

    limit: str
    slots: int
    held: int


def of_slots(client: SyncPrefectClient) -> Iterator[Finding]:
    """Slots in use that nobody holds: the stage waits for them for ever."""
    for held in lasting(lambda: leaks(client)):
        yield Finding(
            f"limit {held.limit} has {held.slots} slots in use, of which {held.held} are held by a "
            f"run that is alive: the rest is leaked; with no run under way, "
            f"`prefect gcl update {held.limit} --active-slots 0`"
        )


def lasting(look: Callable[[], list[Held]], seconds: float = LEAK_SECONDS) -> list[Held]:
    """What is seen at every look for so long; nothing takes no time."""
    until = time.monotonic() + seconds
    seen = {held.limit: held for held in look()}
    while seen and time.monotonic() < until:
        time.sleep(1)
        now = {held.limit: held for held in look()}
        seen = {limit: now[limit] for limit in seen if limit in now}
    return list(seen.values())


def leaks(client: SyncPrefectClient) -> list[Held]:
    """Of stages by the leases of their limit; of deployments by their runs."""
    in_use = {
        limit.name: limit.active_slots for limit in client.read_global_concurrency_limits(limit=200)
    }
    found = []
    for stage in STAGES.values():
        slots = in_use.get(f"tag:{stage.tag}", 0)
        if slots:
            holders = client.read_concurrency_limit_by_tag(stage.tag).active_slots
            found.append(Held(f"tag:{stage.tag}", slots, len(holders)))
    drawing = in_use.get(f"tag:{STAGES['draw'].tag}", 0)
    if in_use.get(VIZ_MEMORY) and not drawing:
        found.append(Held(VIZ_MEMORY, in_use[VIZ_MEMORY], 0))
    for wanted in deployments(None, None):
        try:
            deployment = client.read_deployment_by_name(wanted.name)
        except ObjectNotFound:
            continue
        limit = deployment.global_concurrency_limit
        if limit and in_use.get(limit.name):
            found.append(Held(limit.name, in_use[limit.name], _under_way(client, deployment)))
    return [held for held in found if held.slots > held.held]


def _under_way(client: SyncPrefectClient, deployment: DeploymentResponse) -> int:
    states = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))
        ),
    )
    return len(runs)
