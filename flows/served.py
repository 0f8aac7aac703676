"""The store of a run of a deployment, which is named only in a variable on the Prefect server.

Deployments have no paths of their own, so that no command that creates them again can change the
store. A server may serve several stores, each under a name with a variable, a work pool and
deployments of its own.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_API_URL

from tasks import OWN_API_URL
from tasks.runtime.redaction import OUTAGES, redacted_errors
from weightstream.config import Config
from weightstream.config_file import load
from weightstream.errors import ConfigError

NAME_OF_STORE = "WEIGHTSTREAM_SERVED_AS"
"""The environment variable that gives a run the name of its store, where it has one."""


@dataclass(frozen=True)
class Served:
    """The names of one store's objects on a server. name: the store's; "" if it is the only one."""

    name: str = ""

    @property
    def pool(self) -> str:
        return f"weightstream-{self.name}" if self.name else "weightstream"

    @property
    def variable(self) -> str:
        return self.pool.replace("-", "_")

    @property
    def tag(self) -> str:
        """The tag of every run of this store, which our automations look for."""
        return self.pool

    def deployment(self, name: str) -> str:
        """Return the full name of a deployment of this store: ingest/inbox or ingest/inbox-NAME."""
        return f"{name}-{self.name}" if self.name else name

    @property
    def setup(self) -> str:
        """Return the command that creates them."""
        return "weightstream server setup" + (f" --name {self.name}" if self.name else "")


def on_server() -> bool:
    """Return whether a server has this run that serves more than one command."""
    url = PREFECT_API_URL.value()  # an empty one is none to Prefect
    return bool(url) and url != os.environ.get(OWN_API_URL)


def served_here() -> Served:
    """Return what this process, a run of a deployment, belongs to."""
    return Served(os.environ.get(NAME_OF_STORE, ""))


def read_paths(client: SyncPrefectClient, served: Served) -> dict[str, str | None] | None:
    """Return data_dir and config as `server setup` has said them; None if it has not."""
    variable = client.read_variable_by_name(served.variable)
    value: Any = variable and variable.value
    if not isinstance(value, dict) or not value.get("data_dir"):
        return None
    return {"data_dir": value["data_dir"], "config": value.get("config")}


def runs_of(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    states: list[StateType],
    limit: int = 200,
) -> list[FlowRun]:
    """Return the newest runs of a deployment in some states."""
    types = FlowRunFilterStateType(any_=states)
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=types)),
        sort=FlowRunSort.START_TIME_DESC,
        limit=limit,
    )


def settings_of_run(
    data_dir: str | None, config: str | None, confined: bool = False
) -> tuple[Config, str | None]:
    """Return the effective configuration of this run, and the file that it is from.

    See paths_of_run.
    """
    data_dir, config = paths_of_run(data_dir, config, confined)
    loaded = load(Path(config) if config else None, {("data", "data_dir"): data_dir})
    return loaded.config, config


def paths_of_run(
    data_dir: str | None, config: str | None, confined: bool = False
) -> tuple[str | None, str | None]:
    """Return the data directory and config of this run: given, else those of the server.

    A run of no deployment has what it is given. confined: another than the server's is refused.
    Raises ConfigError, also where the server does not say them: a run must not choose by itself
    which store it writes to.
    """
    if deployment.get_id() is None:
        return data_dir, config
    served = served_here()
    with redacted_errors("settings"), get_client(sync_client=True) as client:
        said = read_paths(client, served)
    given = {"data_dir": data_dir, "config": config}
    if confined and any(value not in (None, (said or {}).get(key)) for key, value in given.items()):
        raise ConfigError(
            "ingest/inbox uses only the server's data directory and configuration; use "
            f"ingest/manual, or run `{served.setup}` with them"
        )
    if said is None and data_dir is None:
        raise ConfigError(
            f"the server's variable {served.variable} does not say where the store is; run "
            f"`{served.setup} --data-dir DIR`"
        )
    said = said or {}
    return data_dir or said.get("data_dir"), config or said.get("config")


def release_slot_of_deleted_deployment() -> None:
    """Give back the slot that this run holds, if its deployment was deleted while it ran.

    With the deployment Prefect deletes the limit that the slot belongs to. When the run ends, it
    looks for that limit, answers 500, and the run stays Running. A slot that was given back before
    is passed over.
    """
    number = deployment.get_id()
    if number is None:
        return
    with suppress(ObjectNotFound, *OUTAGES), get_client(sync_client=True) as client:
        try:
            client.read_deployment(number)
        except ObjectNotFound:
            state = client.read_flow_run(UUID(flow_run.get_id())).state
            if state and (lease := state.state_details.deployment_concurrency_lease_id):
                client.release_concurrency_slots_with_lease(lease)
