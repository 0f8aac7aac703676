"""The commands that need no Prefect; deployments/commands.py adds the others to the group."""

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from weightstream.config import Config
from weightstream.config_file import flatten, load
from weightstream.errors import WeightstreamError, shown

FILE = click.Path(dir_okay=False, path_type=Path)
PLACE = click.Path(path_type=Path)


class PlaceOrUrl(click.ParamType):
    """A Path, or the text of a URL."""

    name = "path"

    def convert(self, value: Any, *_: Any) -> Any:
        return value if not isinstance(value, str) or "://" in value else Path(value)


OUT = PlaceOrUrl()
FOLDER = click.Path(file_okay=False, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


EXTRAS = {
    "prefect": "serve",
    "httpx": "serve",
    "yaml": "serve",
    "rich": "serve",
    "kaleido": "png",
    "choreographer": "png",
    "dask": "dask",
    "sqlalchemy": "sql",
    "deltalake": "delta",
    "distributed": "dask",
}
"""Modules that are optional, and the extra of weightstream that installs each."""


class Commands(click.Group):
    """A group of commands that prints our errors as one sentence and exits with their status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for arg in args:
            if shown(arg) != arg:  # neither SQLite nor Prefect could hold it
                raise click.UsageError(f"{shown(arg)!r} is not UTF-8; rename it", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WeightstreamError as error:
            click.echo(f"weightstream: {error}", err=True)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt as stopped:  # 130 by Ctrl-C; by a signal, what that gives
            click.echo("weightstream: interrupted", err=True)
            ctx.exit(getattr(stopped, "exit_status", 130))
        except OSError as error:  # a full disk, files that may not be read, no more handles
            if error.errno == errno.EPIPE:
                raise
            place = f"{error.filename}: " if error.filename else ""
            said = error.strerror or str(error).partition(". ")[0]
            click.echo(f"weightstream: {place}{said}; nothing more was done", err=True)
            ctx.exit(2)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get(str(error.name).partition(".")[0])
            if extra is None:
                raise
            click.echo(
                f"weightstream: this needs {error.name}, which is not installed; "
                f"run `pip install 'weightstream[{extra}]'`",
                err=True,
            )
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weightstream")
def cli() -> None:
    """Judge body-weight measurements of many people and estimate a trend for each person."""


def settings(command: Command) -> Command:
    """Add --config and --data-dir, which every command has."""
    for option in (
        click.option(
            "--data-dir",
            type=FOLDER,
            envvar="WEIGHTSTREAM_DATA_DIR",
            show_envvar=True,
            help="The folder of the store and the dashboards.",
        ),
        click.option(
            "--config",
            type=FILE,
            envvar="WEIGHTSTREAM_CONFIG",
            show_envvar=True,
            help="A configuration file; ./config.toml if not given.",
        ),
    ):
        command = option(command)
    return command


def configured(config: Path | None, data_dir: Path | None) -> Config:
    return load(config, {("data", "data_dir"): data_dir}).config


@cli.command("config")
@settings
def show_config(config: Path | None, data_dir: Path | None) -> None:
    """Print the configuration in force, and where each value comes from."""
    loaded = load(config, {("data", "data_dir"): data_dir})
    table: tuple[str, ...] = ()
    for key, value in flatten(loaded.config).items():
        if key[:-1] != table:
            table = key[:-1]
            click.echo(f"\n[{'.'.join(_toml_key(part) for part in table)}]")
        written = f"{key[-1]} = {_toml(value)}" if value is not None else f"# {key[-1]} not set"
        click.echo(f"{written:<44} # {loaded.origin[key]}")


def _toml_key(part: str) -> str:
    return part if part.replace("_", "").isalnum() and part.isascii() else _toml(part)


def _toml(value: Any) -> str:
    """Return a value as TOML, which equals JSON here (except JSON's escapes beyond the basic
    plane)."""
    return json.dumps(value, ensure_ascii=False)


@cli.command()
@click.argument("out", type=PLACE)
@click.option("--user", help="Export only this person.")
@click.option("--raw", is_flag=True, help="Write rows as received, with quarantined ones.")
@click.option("--package", is_flag=True, help="Write a folder with both, and a datapackage.json.")
@click.option(
    "--as-of", metavar="TIME", help="Export what was known at a time, or at the end of a day."
)
@click.option(
    "--excel-safe", is_flag=True, help="Put an apostrophe before texts that Excel would compute."
)
@settings
def export(
    out: Path,
    user: str | None,
    raw: bool,
    package: bool,
    as_of: str | None,
    excel_safe: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Write every measurement with its current decision to OUT (.csv, .parquet or .ndjson).

    OUT.fhir.ndjson receives the accepted readings as FHIR Observations.
    """
    from weightstream.outputs.exports.decisions import export_store
    from weightstream.outputs.exports.forms import form

    chosen = form(out, raw, package, as_of, excel_safe)
    rows = export_store(configured(config, data_dir), out, user, chosen)
    click.echo(f"{rows:,} rows in {out}", err=True)


@cli.command()
@settings
def status(config: Path | None, data_dir: Path | None) -> None:
    """Show what the store holds, and how the last runs ended."""
    from weightstream.outputs.status import status_text

    click.echo(status_text(configured(config, data_dir)))


@cli.command()
@click.option("--check", is_flag=True, help="Exit with 1 if a limit of [quality] is exceeded.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one line of JSON.")
@settings
def report(check: bool, as_json: bool, config: Path | None, data_dir: Path | None) -> None:
    """Measure the data of each source: conformance, completeness, plausibility."""
    from weightstream.outputs.report import report_on_store, report_text

    configuration = configured(config, data_dir)
    found = report_on_store(configuration)
    page = configuration.data.data_dir.absolute() / "dashboards" / "quality.html"
    click.echo(report_text(found, page), err=as_json)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    if check and found["breaches"]:
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("out", type=FILE)
@click.option("--persons", default=60, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--rows", type=click.IntRange(1), help="Total; about 100 per person if not given.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives another stream.")
@click.option(
    "--scenario", default="mixed", show_default=True, help="Which bodies, habits and errors."
)
@click.option("--labels", type=FILE, help="Write the truth about each row to this file.")
@settings
def simulate(
    out: Path,
    persons: int,
    rows: int | None,
    seed: int,
    scenario: str,
    labels: Path | None,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Write a stream of simulated persons to OUT, as CSV."""
    from weightstream.simulator.streams import simulate_csv

    configured(config, data_dir)
    written = simulate_csv(out, persons, rows, seed, scenario, labels)
    click.echo(f"{written:,} rows in {out}", err=True)


def on_a_terminal() -> bool:
    return sys.stdin.isatty()


@cli.command()
@click.argument("user")
@click.option("--rewrite", is_flag=True, help="Also remove the rows from source files kept there.")
@click.option("--in-advance", is_flag=True, help="Keep out a person of whom nothing is stored yet.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@settings
@click.pass_context
def erase(
    ctx: click.Context,
    user: str,
    rewrite: bool,
    in_advance: bool,
    yes: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Remove USER for good from everything in the data directory, and keep later data out."""
    from weightstream.erasing.erasure import erase_person

    loaded = configured(config, data_dir)
    if not yes and on_a_terminal():
        click.confirm(f"Erase {user!r} from {loaded.data.data_dir} for good?", abort=True, err=True)
    erased = erase_person(loaded, user, rewrite, in_advance)
    click.echo(erased.to_text())
    ctx.exit(1 if erased.left else 0)
