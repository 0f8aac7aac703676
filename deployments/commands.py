"""The command line: weightstream's own commands, and those that start a flow."""

import json
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from deployments import server_commands  # noqa: F401, it attaches commands
from deployments.embedded import server_beside
from deployments.ending import end_on_signals
from weightstream import (  # noqa: F401, they attach commands
    cli_alerts,
    cli_decisions,
    cli_files,
    cli_outcomes,
    cli_store,
)
from weightstream.cli import FILE, cli, configured, settings
from weightstream.cli_files import OWN_PROCESS
from weightstream.cli_sources import checked_sources, source_options
from weightstream.errors import PrefectError, WeightstreamError
from weightstream.hidden_packages import load_engine, load_pyarrow
from weightstream.scratch import scratch_folder

LEAST_THREADS, PLENTY_OF_THREADS = 16, 80
"""Of Prefect for events, logs and heartbeats, of Arrow for reading, a watchdog, and one to work."""


def main() -> None:
    apply_prefect_settings()
    end_on_signals()
    cli(obj=OWN_PROCESS, prog_name="weightstream")


def apply_prefect_settings() -> None:
    """Give prefect.toml's values to this process, which Prefect looks for in the working directory.

    What the environment says comes first.
    """
    # The embedded server writes to our stderr; when it stops in the middle of a flush, a traceback.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    path = Path(__file__).parent.parent / "prefect.toml"
    if path.is_file():
        for key, value in _flattened(tomllib.loads(path.read_text("utf-8"))):
            os.environ.setdefault("PREFECT_" + "_".join(key).upper(), str(value))


def _flattened(
    tree: dict[str, Any], prefix: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in tree.items():
        found += (
            _flattened(value, (*prefix, name))
            if isinstance(value, dict)
            else [((*prefix, name), value)]
        )
    return found


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@source_options
@click.option(
    "--dashboards/--no-dashboards", default=True, show_default=True, help="Draw the pages."
)
@click.option("--png", is_flag=True, help="Draw a picture beside each page, if there is a browser.")
@click.option(
    "--retro",
    type=click.Choice(["inline", "defer", "off"]),
    help="When to judge by all readings; by default inline, or defer on a server.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one line of JSON, last on stdout."
)
@click.option(
    "--json-report", type=FILE, help="Write the import report of each source to this file."
)
@settings
def ingest(as_json: bool, json_report: Path | None, **parameters: Any) -> None:
    """Read SOURCEs, judge every measurement, store the decisions and draw the pages."""
    with server_beside():
        from weightstream.intake.import_report import check_report

        # What is wrong with the parameters is said at once, and ends the server.
        load_pyarrow()
        sources = checked_sources(parameters)
        if json_report is not None:
            check_report(json_report, sources.files)
        load_compiled()
        from flows.ingest import ingest as flow

    parameters["sources"] = sources.named
    del parameters["query"]
    parameters["column"] = list(parameters["column"])
    if parameters["user"] is not None:
        parameters["user"] = SecretStr(parameters["user"])  # Prefect records parameters
    with scratch_folder() as folder:  # the report has cells
        file = json_report or folder / "report.json"
        earlier = inode(file)  # a run that fails does not come to write its own
        parameters["json_report"] = file.absolute()
        report(flow, parameters, as_json, lambda: publish_import_report(file, earlier))


def inode(file: Path) -> int | None:
    return file.stat().st_ino if file.exists() else None


def publish_import_report(file: Path, earlier: int | None = None) -> None:
    """Say what was found in the sources; cells of them only to a person at a terminal.

    earlier: the inode of an earlier run's report, which is not told again.
    """
    from weightstream.intake.import_report import to_text

    if inode(file) not in (None, earlier):
        click.echo(to_text(json.loads(file.read_text("utf-8")), sys.stderr.isatty()), err=True)


@cli.command()
@click.option("--png", is_flag=True, help="Draw a picture beside each page, if there is a browser.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one line of JSON, last on stdout."
)
@settings
def dashboards(as_json: bool, **parameters: Any) -> None:
    """Draw every person's page and the list of persons again."""
    from weightstream.store.connection import existing

    existing(configured(parameters["config"], parameters["data_dir"]).data.data_dir)

    with server_beside():
        from flows.dashboards import dashboards as flow

    report(flow, parameters, as_json)


@cli.command()
@click.option(
    "--dashboards/--no-dashboards", default=True, show_default=True, help="Draw the pages."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one line of JSON, last on stdout."
)
@settings
def retro(as_json: bool, **parameters: Any) -> None:
    """Judge the readings of each changed person by all other readings of that person."""
    from weightstream.store.connection import existing

    existing(configured(parameters["config"], parameters["data_dir"]).data.data_dir)

    with server_beside():
        load_compiled()
        from flows.retro import retro as flow

    report(flow, parameters, as_json)


def report(
    flow: Any, parameters: dict[str, Any], as_json: bool, first: Callable[[], None] | None = None
) -> None:
    """Run a flow here, say what it did, and exit with its status. first: to be said before."""
    from weightstream.outputs.summary import Summary  # with Arrow: not before the server is started

    plain_logging()
    check_threads()
    given = {k: str(v) if isinstance(v, Path) else v for k, v in parameters.items()}
    try:
        with watched_on_server():
            outcome = flow(**given, return_state=True).result(raise_on_failure=False)
    except KeyboardInterrupt as stopped:
        click.echo(
            "weightstream: interrupted; stored data remain, run the same command again to continue",
            err=True,
        )
        sys.exit(getattr(stopped, "exit_status", 130))
    except Exception as error:  # of Prefect itself: what the flow raises is in its state
        raise PrefectError(failed_by_prefect(error)) from error
    if isinstance(outcome, WeightstreamError):
        raise outcome
    if not isinstance(outcome, Summary):
        raise PrefectError(
            f"the run was ended from outside ({type(outcome).__name__}); see Prefect's log"
        )
    if first is not None:
        first()
    if outcome.exit_status == 2:
        click.echo(f"weightstream: {'; '.join(outcome.problems)}", err=True)
    else:
        click.echo(outcome.to_text(), err=as_json)
    if as_json:
        click.echo(outcome.to_json())
    sys.exit(outcome.exit_status)


def failed_by_prefect(error: Exception) -> str:
    """Return in one sentence what to do where Prefect itself failed."""
    from flows.served import on_server

    first_line = str(error).partition("\n")[0] or type(error).__name__
    if on_server():
        advice = "see that its API answers, or unset PREFECT_API_URL to run without one"
    else:  # ours may have died
        advice = "run the same command again"
    return f"Prefect could not run the flow ({first_line}); {advice}"


def load_compiled() -> None:
    """Import Arrow and the engine without the packages that they find and a run does not need."""
    load_pyarrow()
    load_engine(say, alone=click.get_current_context().obj is OWN_PROCESS)


def say(text: str) -> None:
    click.echo(text, err=True)


def check_threads() -> None:
    """Raise PrefectError where so few threads can be started that Prefect or Arrow would hang.

    Arrow starts its threads when it first needs them, and waits for one that cannot start without
    end. So it starts them here, one of each kind where threads are few.
    """
    from tasks.runtime.submission import startable_threads

    found = startable_threads(PLENTY_OF_THREADS)
    if found < LEAST_THREADS:
        raise PrefectError(
            f"only {found} threads can be started, and a run needs {LEAST_THREADS}; raise the "
            "limit of processes of this user (ulimit -u)"
        )
    if found < PLENTY_OF_THREADS:
        start_arrow_threads()


def start_arrow_threads() -> None:
    """Let Arrow have one thread to compute and one to read, and start both."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    table = csv.read_csv(pa.BufferReader(b"x\n1\n"), csv.ReadOptions(use_threads=True))
    table.filter(pc.field("x") == 1)


@contextmanager
def watched_on_server() -> Iterator[None]:
    """Tag a run on a server as those of its deployments are, so that its death is noticed too.

    Without a server nobody would notice. Then there are no heartbeats: each flow would wait up to a
    second for their thread at its end.
    """
    from prefect import tags
    from prefect.settings import get_current_settings

    from flows.served import on_server, served_here

    if on_server():
        with tags(served_here().tag):
            yield
        return
    flows = get_current_settings().flows  # Prefect's temporary_settings() makes all anew: 0.2 s
    before, flows.heartbeat_frequency = flows.heartbeat_frequency, None
    try:
        yield
    finally:
        flows.heartbeat_frequency = before


def plain_logging() -> None:
    """On the terminal: our own lines, and of Prefect's only what is wrong, without tracebacks."""
    ours = logging.getLogger("weightstream")
    lines = PlainLines()
    lines.setFormatter(logging.Formatter("%(message)s"))
    ours.addHandler(lines)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.CRITICAL)


class PlainLines(logging.Handler):
    """To stderr as it is now: progress bars put themselves in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201
