"""Checks for a monitoring system: what goes wrong on a server that is set up completely."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse

from deployments.desired import heartbeats_missed, notifying_automations
from deployments.health import Finding, found_deployments
from flows.served import Served, runs_of
from weightstream.config import Config
from weightstream.errors import StoreError
from weightstream.intake.inbox import FAILED, REPORT, at_rest
from weightstream.outputs.report import document
from weightstream.store.connection import STORE_NAME, ReadPool

LATE = timedelta(minutes=5)
WAITING_SECONDS = 1800.0
"""Six scheduled runs of the inbox: a file that waits longer is not picked up."""
LEAST_FREE_MB = 1000.0
LARGE_DATABASE_MB = 2000.0
ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
IN_TURN = ("AwaitingConcurrencySlot", "AwaitingRetry")
"""They wait for another run of their deployment, or for their time."""
TRIGGERED, DELIVERED = "prefect.automation.triggered", "prefect.automation.action.executed"
CHANGED = "prefect.automation.updated"
DELIVERY = timedelta(minutes=2)
"""Within which a notification is delivered, or not at all."""
GOOD_ENDS = ("Completed", "Cancelled")


def monitor_findings(
    client: SyncPrefectClient, config: Config, served: Served
) -> Iterator[Finding]:
    """Yield what is wrong with runs, files, readings and disk space."""
    for deployment in found_deployments(client, config, served):
        yield from run_findings(client, deployment, datetime.now(UTC))
    yield from stuck_runs(client, served, datetime.now(UTC))
    yield from notification_findings(client, served, datetime.now(UTC))
    yield from inbox_findings(config.data.inbox_dir, time.time())
    yield from store_findings(config)
    yield from room_findings(config.data.data_dir)
    yield from database_findings(client)


def run_findings(
    client: SyncPrefectClient, deployment: DeploymentResponse, now: datetime
) -> Iterator[Finding]:
    """Check the runs of a deployment: how the newest ended, and which are late."""
    name = deployment.name
    newest = runs_of(client, deployment, ENDED, limit=1)
    for run in newest:
        if run.state and run.state.name not in GOOD_ENDS:
            yield Finding(
                f"the newest run of {name} that ended ({run.name}) is {run.state.name}: "
                f"{run.state.message}; fix it and run it again",
                kind="run",
            )
    waiting = runs_of(client, deployment, [StateType.SCHEDULED])
    late = [
        run
        for run in waiting
        if (run.expected_start_time or now) < now - LATE
        and (run.state is None or run.state.name not in IN_TURN)
    ]
    if late:
        yield Finding(
            f"{len(late)} runs of {name} are late; check that a worker runs and that no queue is "
            "paused",
            kind="late",
        )


def stuck_runs(client: SyncPrefectClient, served: Served, now: datetime) -> Iterator[Finding]:
    """Check runs that are under way and give no sign of life.

    They are found by tag: a run outlives its deployment, and Prefect cannot end a run whose
    deployment was deleted meanwhile (it fails to give back the slot of the deployment).
    """
    for run in tagged_runs(client, served, [StateType.PENDING]):
        if run.state and run.state.timestamp < now - LATE:
            yield Finding(
                f"{run.name} was taken by a worker and never began, so that worker died: "
                f"`prefect flow-run delete {run.id}`, and run it again",
                kind="stuck",
            )
    for run in tagged_runs(client, served, [StateType.RUNNING, StateType.CANCELLING]):
        silent = now - (last_heartbeat(client, run) or run.start_time or now)
        if silent > 2 * heartbeats_missed():
            yield Finding(
                f"{run.name} has been silent for {silent.total_seconds() / 60:.0f} minutes; its "
                f"process is gone: `prefect flow-run delete {run.id}`, and run it again",
                kind="stuck",
            )


def tagged_runs(
    client: SyncPrefectClient, served: Served, states: list[StateType]
) -> list[FlowRun]:
    """Return the runs of a store in some states."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[served.tag]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
        )
    )


def last_heartbeat(client: SyncPrefectClient, run: FlowRun) -> datetime | None:
    """Return when a run last sent a heartbeat, if the server still knows."""
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        "order": "DESC",
    }
    events = events_of(client, wanted, limit=1)
    return datetime.fromisoformat(events[0]["occurred"]) if events else None


def events_of(
    client: SyncPrefectClient, wanted: dict[str, Any], limit: int = 50
) -> list[dict[str, Any]]:
    """Return events that the server still has, by a filter of its API."""
    wanted = {"limit": limit, "filter": wanted}
    events: list[dict[str, Any]] = client.request("POST", "/events/filter", json=wanted).json()[
        "events"
    ]
    return events


def notification_findings(
    client: SyncPrefectClient, served: Served, now: datetime
) -> Iterator[Finding]:
    """Check whether the notifications of the last day were delivered.

    Of a webhook that does not answer, Prefect records nothing at all; so what was sent is compared
    with what should have been.
    """
    for desired in notifying_automations(served, []):
        for found in client.read_automations_by_name(desired.name):
            wanted = {
                "event": {"name": [TRIGGERED, DELIVERED, CHANGED]},
                "resource": {"id": [f"prefect.automation.{found.id}"]},
                "occurred": {"since": (now - timedelta(days=1)).isoformat()},
                "order": "DESC",
            }
            yield from undelivered(events_of(client, wanted), len(found.actions), now)


def undelivered(
    events: Sequence[dict[str, Any]], recipients: int, now: datetime
) -> Iterator[Finding]:
    """Compare the deliveries of an automation with the times that it was triggered.

    events: the newest first. Those before the newest change of the automation had other recipients.
    """
    same = list(takewhile(lambda one: one["event"] != CHANGED, events))
    delivered = Counter(trigger_of(one) for one in same if one["event"] == DELIVERED)
    missing = [
        recipients - delivered[f"prefect.event.{one['id']}"]
        for one in same
        if one["event"] == TRIGGERED and datetime.fromisoformat(one["occurred"]) < now - DELIVERY
    ]
    if any(missing):
        yield Finding(
            f"{sum(missing)} of {recipients * len(missing)} notifications of the last day were not "
            "delivered; check the addresses of [notify] urls, and the server's log",
            kind="notify",
        )


def trigger_of(delivery: dict[str, Any]) -> str | None:
    """Return the resource of the event on which a notification was sent."""
    roles = {one["prefect.resource.role"]: one for one in delivery["related"]}
    return roles.get("automation-triggered-event", {}).get("prefect.resource.id")


def inbox_findings(inbox: Path, now: float) -> Iterator[Finding]:
    """Check for files that could not be used, and for files that no run picks up."""
    if not inbox.is_dir():
        return  # reported as a missing resource
    failed = [
        path
        for path in (inbox / FAILED).rglob("*")
        if path.is_file() and not path.name.endswith(REPORT)
    ]
    if failed:
        yield Finding(
            f"{len(failed)} files are in {inbox / FAILED}; read the report beside each, fix "
            "the file and move it back into the inbox, or delete it",
            kind="inbox",
        )
    oldest = min((one.seen[2] / 1e9 for one in at_rest(inbox, 0.0)), default=now)
    if now - oldest > WAITING_SECONDS:
        yield Finding(
            f"files have waited in {inbox} for {(now - oldest) / 60:.0f} minutes; check that a "
            "worker runs, and how the last run of the inbox ended",
            kind="inbox",
        )


def store_findings(config: Config) -> Iterator[Finding]:
    """Check the limits of [quality]: silent sources and ingests are among them."""
    data_dir = config.data.data_dir.absolute()
    if not (data_dir / STORE_NAME).exists():
        return
    try:
        with ReadPool(data_dir, 1) as pool, pool.connection() as connection:
            breaches = len(document(connection, config)["breaches"])
    except StoreError as error:
        yield Finding(str(error), kind="store")
        return
    if breaches:
        yield Finding(
            f"{breaches} limits of [quality] are exceeded; see `weightstream report`",
            kind="quality",
        )


def room_findings(data_dir: Path) -> Iterator[Finding]:
    """Check that the disk has room for the store to be written and backed up."""
    if not data_dir.is_dir():
        return
    store = data_dir / STORE_NAME
    free = shutil.disk_usage(data_dir).free / 1e6
    wanted = max(LEAST_FREE_MB, store.stat().st_size / 1e6 if store.exists() else 0.0)
    if free < wanted:
        yield Finding(
            f"{free:,.0f} MB are free where {data_dir} is; {wanted:,.0f} should be, for the store "
            "to grow and to be backed up",
            kind="disk",
        )


def database_findings(client: SyncPrefectClient) -> Iterator[Finding]:
    """Check the size of the server's own database, where it is a file of this machine."""
    settings = client.request("GET", "/admin/settings").json()
    path = Path(settings["home"]) / "prefect.db"
    if settings["server"]["database"].get("driver") not in (None, "sqlite+aiosqlite"):
        return
    size = path.stat().st_size / 1e6 if path.exists() else 0.0
    if size > LARGE_DATABASE_MB:
        yield Finding(
            f"the Prefect server's database {path} has {size:,.0f} MB; shorten "
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD, and run `vacuum` on it while the "
            "server is stopped",
            kind="database",
        )
