"""Compare what is desired with what a server holds, resource by resource, and change it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.objects import WorkQueue
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.desired import (
    POOL,
    POOL_DESCRIPTION,
    QUEUES,
    Deployed,
    Limit,
    Queue,
    automations,
    deployments,
    limits,
)
from weightstream.config import Config


@dataclass(frozen=True)
class Resource:
    """One thing that a server should hold.

    differences: from what is desired; empty if there are none, None if it is missing. make:
    creates or changes it. cost: what happens without it.
    """

    name: str
    differences: list[str] | None
    make: Callable[[], Any]
    cost: str


def resources(
    client: SyncPrefectClient, config: Config, config_path: Path | None, data_dir: Path | None
) -> Iterator[Resource]:
    """Yield each resource once those before it are made, which it may need."""
    for limit in limits(config):
        yield _limit(client, limit)
    yield _pool(client)
    for queue in QUEUES:
        yield _queue(client, queue)
    for deployed in deployments(config_path, data_dir):
        yield _deployment(client, deployed)
    for automation in automations():
        yield _automation(client, automation)


def differing(found: dict[str, Any], desired: dict[str, Any]) -> list[str]:
    """Return `name is this, not that` for each value that differs."""
    return [
        f"{name} is {shown(found[name])}, not {shown(value)}"
        for name, value in desired.items()
        if found[name] != value
    ]


def shown(value: Any) -> str:
    text = "not set" if value in (None, "", [], {}) else str(value)
    return text if len(text) < 80 else f"{text[:76]} ..."


def _limit(client: SyncPrefectClient, limit: Limit) -> Resource:
    """Compare a limit; changing it keeps its slots in use."""
    update = GlobalConcurrencyLimitUpdate(limit=limit.slots, active=True)
    create = GlobalConcurrencyLimitCreate(name=limit.name, limit=limit.slots, active=True)
    name = f"limit {limit.name}"
    cost = "nothing bounds its stage across runs"
    try:
        found = client.read_global_concurrency_limit_by_name(limit.name)
    except ObjectNotFound:
        return Resource(name, None, lambda: client.create_global_concurrency_limit(create), cost)
    differences = [] if found.active else ["it is switched off"]
    if found.limit == 0:
        differences.append("it is 0, so every run waits for ever; to pause, pause the queue")
    elif found.limit not in limit.accepted:
        differences.append(f"it is {found.limit}, not {limit.slots}")
    return Resource(
        name,
        differences,
        lambda: client.update_global_concurrency_limit(limit.name, update),
        cost,
    )


def _pool(client: SyncPrefectClient) -> Resource:
    template = ProcessWorker.get_default_base_job_template()
    name, cost = f"work pool {POOL}", "no run that is deployed can start"
    create = WorkPoolCreate(
        name=POOL, type="process", description=POOL_DESCRIPTION, base_job_template=template
    )
    try:
        found = client.read_work_pool(POOL)
    except ObjectNotFound:
        return Resource(name, None, lambda: client.create_work_pool(create), cost)
    differences = differing({"type": found.type}, {"type": "process"})
    if found.concurrency_limit == 0:
        differences.append("its limit is 0, so no run starts")
    update = WorkPoolUpdate(concurrency_limit=found.concurrency_limit or None)
    return Resource(name, differences, lambda: client.update_work_pool(POOL, update), cost)


def _queue(client: SyncPrefectClient, queue: Queue) -> Resource:
    name, cost = f"queue {queue.name}", "its deployments have nowhere to wait"
    desired: dict[str, Any] = {"priority": queue.priority, "description": queue.description}
    try:
        found = client.read_work_queue_by_name(queue.name, POOL)
    except ObjectNotFound:
        return Resource(
            name,
            None,
            lambda: client.create_work_queue(queue.name, work_pool_name=POOL, **desired),
            cost,
        )
    differences = differing(_of_queue(found), desired)
    if found.concurrency_limit == 0:
        differences.append("its limit is 0, so no run starts")
    limit = found.concurrency_limit or None
    return Resource(
        name,
        differences,
        lambda: client.update_work_queue(found.id, concurrency_limit=limit, **desired),
        cost,
    )


def _of_queue(queue: WorkQueue) -> dict[str, Any]:
    return {"priority": queue.priority, "description": queue.description}


def _deployment(client: SyncPrefectClient, deployed: Deployed) -> Resource:
    name, cost = f"deployment {deployed.name}", "it cannot be run"

    def make() -> None:
        client.create_deployment(client.create_flow(deployed.flow), **deployed.fields)

    try:
        found = client.read_deployment_by_name(deployed.name)
    except ObjectNotFound:
        return Resource(name, None, make, cost)
    return Resource(name, differing(_fields_of(found), _comparable(deployed.fields)), make, cost)


def _fields_of(found: DeploymentResponse) -> dict[str, Any]:
    """Return the fields of a deployment as `_comparable` does."""
    limit = found.global_concurrency_limit
    values = found.model_dump() | {
        "concurrency_limit": limit and limit.limit,
        "concurrency_options": found.concurrency_options,
        "schedules": found.schedules,
    }
    return _comparable(values)


def _comparable(fields: dict[str, Any]) -> dict[str, Any]:
    options = fields["concurrency_options"]
    schedules = fields["schedules"]
    return {
        **fields,
        "concurrency_options": options and options.collision_strategy.value,
        "schedules": [
            f"{plan.slug}: {plan.schedule.cron} {plan.schedule.timezone}"
            + ("" if plan.active else ", switched off")
            for plan in schedules
        ],
    }


def _automation(client: SyncPrefectClient, desired: AutomationCore) -> Resource:
    name, cost = f"automation {desired.name!r}", desired.description
    found = client.read_automations_by_name(desired.name)
    if not found:
        return Resource(name, None, lambda: client.create_automation(desired), cost)
    differences = [] if found[0].enabled else ["it is switched off"]
    if not _same(found[0], desired):
        differences.append("its trigger or action is another")
    return Resource(name, differences, lambda: client.update_automation(found[0].id, desired), cost)


def _same(found: AutomationCore, desired: AutomationCore) -> bool:
    pairs = (
        [(found.trigger, desired.trigger), *zip(found.actions, desired.actions, strict=True)]
        if len(found.actions) == len(desired.actions)
        else []
    )
    return bool(pairs) and all(
        one.model_dump(exclude={"id"}) == other.model_dump(exclude={"id"}) for one, other in pairs
    )
