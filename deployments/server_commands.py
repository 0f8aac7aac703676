"""The commands that set up, check, run and watch a Prefect server."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from weightstream.cli import cli, settings
from weightstream.hidden_packages import load_engine

Command = TypeVar("Command", bound=Callable[..., Any])


def store_name(command: Command) -> Command:
    """--name, where a server serves several stores."""
    return click.option(
        "--name",
        default="",
        callback=_checked_name,
        help="The name of the store, if the server has several.",
    )(command)


def _checked_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if name and not (name.isascii() and name.isalnum() and name == name.lower()):
        raise click.BadParameter("use lowercase letters and digits, such as clinic2")
    return name


@cli.group()
def server() -> None:
    """Set up, check and run a Prefect server for weightstream."""


@server.command("start", context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def server_start(options: tuple[str, ...]) -> None:
    """Run a Prefect server with the settings that weightstream needs, until stopped.

    OPTIONS are those of `prefect server start`, such as --port 4300.
    """
    if os.environ.get("PREFECT_SERVER_LOGGING_LEVEL") == "CRITICAL":
        del os.environ["PREFECT_SERVER_LOGGING_LEVEL"]  # ours, for the embedded server
    _become("waiting_server", "server", "start", *options)


@server.command("setup")
@store_name
@settings
def server_setup(name: str, config: Path | None, data_dir: Path | None) -> None:
    """Create the limits, work pool, queues, deployments and automations on a Prefect server.

    The server is the one at PREFECT_API_URL. Prints what was created, changed or kept. Run it again
    after each upgrade or change of the configuration. --data-dir is needed only the first time, and
    to move the store.
    """
    from deployments.server import set_up
    from flows.served import Served

    _load_flows()
    for line in set_up(Served(name), config, data_dir):
        click.echo(line)


@server.command("check")
@click.option(
    "--monitor", is_flag=True, help="Also check runs, files, readings, disk and databases."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one line of JSON.")
@store_name
@settings
def server_check(
    monitor: bool, as_json: bool, name: str, config: Path | None, data_dir: Path | None
) -> None:
    """Report what is missing, changed or stuck on the server, and how to fix it.

    Exit status 0: no problem, or only warnings. 1: a problem. 2: no server answers. With
    --monitor it also reports a pool without a worker, late, silent and failed runs, files that
    failed or wait in the inbox, limits of [quality] that are exceeded, and a disk that is nearly
    full.
    """
    from deployments.server import find_problems, report_findings
    from flows.served import Served

    _load_flows()
    report_findings(find_problems(Served(name), config, data_dir, monitor), as_json)


@server.command("run")
@click.argument("deployment")
@click.option("-p", "--param", "parameters", multiple=True, metavar="NAME=JSON", help="Repeatable.")
@store_name
def server_run(deployment: str, parameters: tuple[str, ...], name: str) -> None:
    """Run DEPLOYMENT (ingest/manual, ...) on the server, wait, and print how it ended.

    Exit status: 0 for Completed, 1 for Degraded, 2 for anything else.
    """
    from deployments.running import run_and_wait
    from flows.served import Served

    sys.exit(run_and_wait(Served(name), deployment, dict(map(_parameter, parameters))))


def _load_flows() -> None:
    """Import the engine, as loading the flows does, and say if it must be compiled first."""
    load_engine(lambda text: click.echo(text, err=True), alone=False)


def _parameter(written: str) -> tuple[str, Any]:
    """Return a parameter's name and value, which is text where it is no JSON."""
    name, equals, value = written.partition("=")
    if not equals:
        raise click.UsageError(f"-p {written}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


@server.command("serve")
@click.option(
    "--limit", default=4, show_default=True, type=click.IntRange(1), help="Runs at a time."
)
@store_name
@settings
def server_serve(limit: int, name: str, config: Path | None, data_dir: Path | None) -> None:
    """Run `server setup`, then a worker for the deployments, until stopped."""
    from deployments.server import check_worker_folder, set_up, store_of
    from flows.served import Served

    check_worker_folder()
    _load_flows()
    served = Served(name)
    for line in set_up(served, config, data_dir):
        click.echo(line)
    where = str(store_of(served, config, data_dir))
    _become(
        "metered_worker", where, "worker", "start", "--pool", served.pool, "--limit", str(limit)
    )


def _become(module: str, *arguments: str) -> None:
    """Go on as a command of Prefect, which has prefect.toml's values from our environment.

    module: of this package, which adds something to it.
    """
    sys.stdout.flush()
    # -P: a folder of the user's called deployments or flows is none of our packages.
    program = [sys.executable, "-P", "-m", f"{__package__}.{module}", *arguments]
    os.execv(sys.executable, program)  # noqa: S606
