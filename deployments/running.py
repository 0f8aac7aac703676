"""Running a deployment and waiting for it; the exit status shows whether it was degraded."""

import time
from typing import Any

import click
import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.health import worker_findings
from deployments.server import api
from flows.served import Served
from weightstream.errors import PrefectError

LOOK_SECONDS = 1.0


def run_and_wait(served: Served, name: str, parameters: dict[str, Any]) -> int:
    """Run a deployment of a store; return 0 for Completed, 1 for Degraded, 2 for any other end.

    name: without the store's. Raises PrefectError where there is no such deployment or no server,
    and if the server refuses the parameters.
    """
    deployment = served.deployment(name)
    with api() as client:
        try:
            number = client.read_deployment_by_name(deployment).id
        except ObjectNotFound:
            raise PrefectError(
                f"the server has no deployment {deployment}; see `weightstream server check`"
            ) from None
        try:
            run = client.create_flow_run_from_deployment(number, parameters=parameters)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:
                raise
            detail = error.response.json()["detail"]
            raise PrefectError(f"the server refuses to run {deployment}: {detail}") from None
        click.echo(f"{run.name}: {run.id}", err=True)
        for finding in worker_findings(client, served):
            click.echo(f"warning: {finding.sentence}", err=True)
        state = _final_state(client, run.id)
    click.echo(f"{state.name}: {state.message or ''}", err=True)
    return {"Completed": 0, "Degraded": 1}.get(str(state.name), 2)


def _final_state(client: SyncPrefectClient, run: Any) -> State[Any]:
    while True:
        try:
            state = client.read_flow_run(run).state
        except ObjectNotFound:  # the inbox was empty, and the run deleted itself
            return State(type="COMPLETED", name="Completed", message="there was nothing to do")
        if state is not None and state.is_final():
            return state
        time.sleep(LOOK_SECONDS)
