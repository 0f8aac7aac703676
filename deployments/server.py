"""`weightstream server`: set up and check what weightstream needs on a Prefect server."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from deployments.desired import INBOX
from deployments.health import (
    Finding,
    findings_of,
    server_findings,
    stuck_findings,
    worker_findings,
)
from deployments.reconcile import resources
from weightstream.cli import configured
from weightstream.errors import PrefectError


@contextmanager
def api() -> Iterator[SyncPrefectClient]:
    """Open a client of the configured server. Raises PrefectError if there is none."""
    url = PREFECT_API_URL.value()
    if url is None:
        raise PrefectError(
            "no Prefect server is configured; start one with `prefect server start` and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    try:
        with get_client(sync_client=True) as client:
            client.api_version()
            yield client
    except (httpx.TransportError, OSError) as error:
        raise PrefectError(
            f"the Prefect server at {url} does not answer ({error}); start it, or correct "
            "PREFECT_API_URL"
        ) from error
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        if code in (401, 403):
            hint = "set PREFECT_API_AUTH_STRING to what the server has"
        else:
            hint = "see its log"
        raise PrefectError(f"the Prefect server at {url} answered {code}; {hint}") from error


def deployed_paths(
    client: SyncPrefectClient, config: Path | None, data_dir: Path | None
) -> tuple[Path | None, Path | None]:
    """Return the paths that are given, else those of the deployments, else ./config.toml's."""
    try:
        known = client.read_deployment_by_name(INBOX).parameters
    except ObjectNotFound:
        known = {}
    if config is None and "config" in known:
        config = Path(known["config"])
    if config is None and Path("config.toml").is_file():
        config = Path("config.toml")
    if data_dir is None and "data_dir" in known:
        data_dir = Path(known["data_dir"])
    if data_dir is None:
        data_dir = configured(config, None).data.data_dir
    return config and config.absolute(), data_dir.absolute()


def set_up(config: Path | None, data_dir: Path | None) -> Iterator[str]:
    """Make the server hold what is desired; yield a line for each resource: what was done."""
    with api() as client:
        config, data_dir = deployed_paths(client, config, data_dir)
        for resource in resources(client, configured(config, data_dir), config, data_dir):
            if resource.differences == []:
                yield f"kept     {resource.name}"
                continue
            resource.make()
            if resource.differences is None:
                yield f"created  {resource.name}"
            else:
                yield f"changed  {resource.name}: {', '.join(resource.differences)}"


def find_problems(config: Path | None, data_dir: Path | None) -> Iterator[Finding]:
    """Find what is missing, drifted or stuck on the server."""
    with api() as client:
        config, data_dir = deployed_paths(client, config, data_dir)
        yield from server_findings(client)
        for resource in resources(client, configured(config, data_dir), config, data_dir):
            yield from findings_of(resource)
        yield from worker_findings(client)
        yield from stuck_findings(client)


def report_findings(findings: Iterator[Finding]) -> None:
    """Print findings; exit with 1 if one is wrong."""
    wrong = False
    none = True
    for finding in findings:
        none = False
        wrong |= finding.wrong
        click.echo(f"{'wrong' if finding.wrong else 'warning'}: {finding.sentence}")
    if none:
        click.echo("the server has everything, and nothing on it is stuck")
    sys.exit(1 if wrong else 0)
