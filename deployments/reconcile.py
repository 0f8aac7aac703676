"""Compare what is desired with what a server holds, resource by resource, and change it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    VariableCreate,
    VariableUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.objects import WorkQueue
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.desired import (
    POOL_DESCRIPTION,
    QUEUES,
    Deployed,
    Limit,
    Queue,
    crash_automation,
    deployments,
    limits,
)
from deployments.notifying import notifying_resources
from deployments.resource import Resource, automation, differing
from flows.served import Served, read_paths
from weightstream.config import Config
from weightstream.intake.inbox import make_folders


def resources(
    client: SyncPrefectClient, config: Config, paths: dict[str, str | None], served: Served
) -> Iterator[Resource]:
    """Yield each resource once those before it are made, which it may need."""
    yield _inbox(config)
    yield _variable(client, paths, served)
    for limit in limits(config, served):
        yield _limit(client, limit)
    yield _pool(client, served.pool)
    for queue in QUEUES:
        yield _queue(client, queue, served.pool)
    for deployed in deployments(config, served):
        yield _deployment(client, deployed)
    yield automation(client, crash_automation(served))
    yield from notifying_resources(client, config, served)


def others_deployments(client: SyncPrefectClient, config: Config, served: Served) -> list[str]:
    """Return the deployments that have names of ours and are another project's.

    Of another project are those in no work pool of this store that lack its tag.
    """
    others = []
    for deployed in deployments(config, served):
        with suppress(ObjectNotFound):
            found = client.read_deployment_by_name(deployed.name)
            if found.work_pool_name != served.pool and served.tag not in found.tags:
                others.append(deployed.name)
    return others


def _inbox(config: Config) -> Resource:
    """Compare the inbox's folder, if the data directory is on this machine."""
    inbox = config.data.inbox_dir
    differences: list[str] | None = [] if inbox.is_dir() else None
    return Resource(
        f"inbox {inbox}", differences, lambda: make_folders(inbox), "dropped files have no folder"
    )


def _variable(client: SyncPrefectClient, paths: dict[str, str | None], served: Served) -> Resource:
    name, cost = f"variable {served.variable}", "no run knows where the store is"
    found = read_paths(client, served)

    def make() -> None:
        # by the client: Variable.set gives a coroutine where an event loop runs, as in a notebook
        said = {"name": served.variable, "value": paths, "tags": [served.tag]}
        if client.read_variable_by_name(served.variable) is None:  # found: what it names is usable
            client.create_variable(VariableCreate.model_validate(said))
        else:
            client.update_variable(VariableUpdate.model_validate(said))

    return Resource(name, None if found is None else differing(found, paths), make, cost)


def _limit(client: SyncPrefectClient, limit: Limit) -> Resource:
    """Compare a limit; changing it keeps its slots in use."""
    update = GlobalConcurrencyLimitUpdate(limit=limit.slots, active=True)
    create = GlobalConcurrencyLimitCreate(name=limit.name, limit=limit.slots, active=True)
    name = f"limit {limit.name}"
    cost = "its stage has no limit across runs"
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


def _pool(client: SyncPrefectClient, pool: str) -> Resource:
    template = ProcessWorker.get_default_base_job_template()
    name, cost = f"work pool {pool}", "no run of a deployment can start"
    create = WorkPoolCreate(
        name=pool, type="process", description=POOL_DESCRIPTION, base_job_template=template
    )
    try:
        found = client.read_work_pool(pool)
    except ObjectNotFound:
        return Resource(name, None, lambda: client.create_work_pool(create), cost)
    differences = differing({"type": found.type}, {"type": "process"})
    if found.concurrency_limit == 0:
        differences.append("its limit is 0, so no run starts")
    update = WorkPoolUpdate(concurrency_limit=found.concurrency_limit or None)
    return Resource(name, differences, lambda: client.update_work_pool(pool, update), cost)


def _queue(client: SyncPrefectClient, queue: Queue, pool: str) -> Resource:
    name, cost = f"queue {queue.name}", "its deployments have nowhere to wait"
    desired: dict[str, Any] = {"priority": queue.priority, "description": queue.description}
    try:
        found = client.read_work_queue_by_name(queue.name, pool)
    except ObjectNotFound:
        return Resource(
            name,
            None,
            lambda: client.create_work_queue(queue.name, work_pool_name=pool, **desired),
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
