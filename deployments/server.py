"""`weightstream server`: set up and check what weightstream needs on a Prefect server."""

import os
import sys
import tempfile
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
from deployments.reconcile import others_deployments, resources
from flows.served import Served, read_paths
from weightstream.cli import configured
from weightstream.config import Config
from weightstream.config_file import load
from weightstream.errors import ConfigError, PrefectError
from weightstream.store.connection import STORE_NAME
from weightstream.terminal import json_text

Paths = dict[str, str | None]


@contextmanager
def api() -> Iterator[SyncPrefectClient]:
    """Open a client of the configured server. Raises PrefectError if there is none."""
    url = PREFECT_API_URL.value()
    if not url:
        raise PrefectError(
            "no Prefect server is configured; start one with `weightstream server start` and set "
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
            hint = "set PREFECT_API_AUTH_STRING to the value that the server uses"
        else:
            hint = "see its log"
        raise PrefectError(f"the Prefect server at {url} answered {code}; {hint}") from error


def paths_of(
    client: SyncPrefectClient, served: Served, config: Path | None, data_dir: Path | None
) -> Paths:
    """Return absolute paths of data directory and config: given, else those of the server.

    Raises ConfigError if neither names the store: the working directory is never used for it.
    """
    known = read_paths(client, served) or _of_0_1(client, served) or {}
    if config is None and known.get("config"):
        config = Path(str(known["config"]))
    if data_dir is None and known.get("data_dir"):
        data_dir = Path(str(known["data_dir"]))
    if data_dir is None and config is not None:
        loaded = load(config)
        if loaded.origin["data", "data_dir"] == str(config):
            data_dir = loaded.config.data.data_dir
    if data_dir is None:
        raise ConfigError(
            f"the server does not know yet where the store is; run `{served.setup} --data-dir DIR`"
        )
    if config is None and not known and Path("config.toml").is_file():
        config = Path("config.toml")
    return {
        "data_dir": str(data_dir.absolute()),
        "config": str(config.absolute()) if config else None,
    }


def _of_0_1(client: SyncPrefectClient, served: Served) -> Paths | None:
    """Return the paths that 0.1 kept in the parameters of its inbox."""
    try:
        parameters = client.read_deployment_by_name(served.deployment(INBOX)).parameters
    except ObjectNotFound:
        return None
    if "data_dir" not in parameters:
        return None
    return {"data_dir": parameters["data_dir"], "config": parameters.get("config")}


def set_up(served: Served, config: Path | None, data_dir: Path | None) -> Iterator[str]:
    """Bring the server to the desired state; yield a line for each resource."""
    with api() as client:
        paths = paths_of(client, served, config, data_dir)
        settings = configured_by(paths)
        if others := others_deployments(client, settings, served):
            raise ConfigError(taken(others))
        yield f"store    {paths['data_dir']}, config {paths['config'] or 'of the defaults'}"
        for resource in resources(client, settings, paths, served):
            if resource.differences == []:
                yield f"kept     {resource.name}"
                continue
            resource.make()
            if resource.differences is None:
                yield f"created  {resource.name}"
            else:
                yield f"changed  {resource.name}: {', '.join(resource.differences)}"


def taken(others: list[str]) -> str:
    """Return in one sentence what to do where another project has deployments with our names."""
    return (
        f"another project on this server has {' and '.join(others)}, and setup would replace it; "
        "give this store a name of its own with --name, or rename the other"
    )


def check_worker_folder() -> None:
    """Raise PrefectError if a worker cannot start here, since another user's was first.

    Prefect's worker makes the folder runner_storage in that of temporary files, for its own user.
    """
    folder = Path(tempfile.gettempdir()) / "runner_storage"
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        raise PrefectError(
            f"{folder} belongs to another user's worker on this machine; set TMPDIR to a folder of "
            "your own (PrivateTmp=true in a systemd unit)"
        )


def store_of(served: Served, config: Path | None, data_dir: Path | None) -> Path:
    """Return the file of a store that is set up."""
    with api() as client:
        return Path(str(paths_of(client, served, config, data_dir)["data_dir"])) / STORE_NAME


def configured_by(paths: Paths) -> Config:
    config, data_dir = (paths[key] for key in ("config", "data_dir"))
    return configured(Path(config) if config else None, Path(data_dir) if data_dir else None)


def find_problems(
    served: Served, config: Path | None, data_dir: Path | None, monitor: bool = False
) -> Iterator[Finding]:
    """Find what is missing, changed or stuck on the server; monitor: also what goes wrong on it."""
    with api() as client:
        yield from server_findings(client)
        try:
            paths = paths_of(client, served, config, data_dir)
        except ConfigError as error:
            yield Finding(str(error), kind="setup")
            return
        settings = configured_by(paths)
        if others := others_deployments(client, settings, served):
            yield Finding(taken(others), kind="setup")
            return
        for resource in resources(client, settings, paths, served):
            yield from findings_of(resource, served)
        yield from worker_findings(client, served, wrong=monitor)
        yield from stuck_findings(client, settings, served)
        if monitor:
            from deployments.monitor import monitor_findings  # with half of the domain

            yield from monitor_findings(client, settings, served)


def report_findings(findings: Iterator[Finding], as_json: bool = False) -> None:
    """Print findings; exit with 1 if one is wrong."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            click.echo(f"{'wrong' if finding.wrong else 'warning'}: {finding.sentence}")
    wrong = any(finding.wrong for finding in found)
    if as_json:
        rows = [{"kind": f.kind, "wrong": f.wrong, "sentence": f.sentence} for f in found]
        click.echo(json_text({"ok": not wrong, "findings": rows}))
    elif not found:
        click.echo("the server is set up completely, and nothing is stuck")
    sys.exit(1 if wrong else 0)
