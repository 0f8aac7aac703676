"""The commands that read and judge files without a store; they need no Prefect."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weightstream.cli import FILE, FOLDER, OUT, cli, configured, settings
from weightstream.cli_sources import Sources, checked_sources, source_options
from weightstream.hidden_packages import load_engine, load_pyarrow

if TYPE_CHECKING:  # loaded when a command needs them
    from weightstream.clean_files import CleanJob
    from weightstream.outputs.summary import Summary

OWN_PROCESS = "own process"
"""click's object of a program that runs one command and ends."""


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", type=OUT, required=True, help=".csv, .parquet, .ndjson or a folder.")
@click.option(
    "--stage", type=click.Choice(["retro", "causal"]), default="retro", show_default=True,
    help="Judge each reading by all others of its person, or only by earlier ones.",
)  # fmt: skip
@click.option("--parameters", type=FILE, help="Parameters from `weightstream learn FILE... -o`.")
@click.option("--overrides", type=FILE, help="CSV: measurement_id, action, user, by, note.")
@click.option("--quarantine", type=FILE, help="Write rows that cannot be used to this file.")
@click.option("--pages", type=FOLDER, help="Write a page per person, and their list, here.")
@click.option("--workers", type=click.IntRange(1), help="Threads; one per processor if not given.")
@click.option(
    "--dask", metavar="ADDRESS", help="Use a Dask scheduler, or `local`; OUT is a folder."
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one line of JSON, last on stdout."
)
@click.option(
    "--json-report", type=FILE, help="Write the import report of each source to this file."
)
@source_options
@settings
@click.pass_context
def clean(ctx: click.Context, as_json: bool, json_report: Path | None, **given: Any) -> None:
    """Judge every measurement of SOURCEs and write it to OUT, without a store or a server.

    The columns are those of `weightstream export`, except those of runs. If OUT is a folder, it
    becomes a Parquet data set with a _manifest.json. As SOURCE, - is standard input; as OUT, CSV to
    standard output.
    """
    if ctx.obj is OWN_PROCESS:
        load_pyarrow()
    from weightstream.intake.import_report import check_report, write_report

    sources = checked_sources(given)
    if given["dask"] is not None:
        from weightstream.cli_dask import clean_on_dask

        ctx.exit(clean_on_dask(given, sources, as_json))
    from weightstream.outputs.exports.landing import STANDARD_OUTPUT, landing, shown_place

    piped = given["out"] == STANDARD_OUTPUT
    if piped and as_json:
        raise click.UsageError("--json and --out - both write to standard output; name a file")
    with landing(given["out"], given["overwrite"]) as out:
        check_outputs({**given, "out": out}, sources.files)
        if json_report is not None:
            check_report(json_report, sources.files)
        prepare_engine(ctx)

        from weightstream.clean_files import clean_files

        summary, report = clean_files(job_of({**given, "out": out}, sources))
    if json_report is not None:
        write_report(json_report, report)
    say_what_was_done(summary, report, shown_place(given["out"]), as_json, piped)
    ctx.exit(summary.exit_status)


@cli.command("read")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", type=OUT, required=True, help=".csv, .parquet or .ndjson.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@source_options
@settings
@click.pass_context
def read_command(ctx: click.Context, **given: Any) -> None:
    """Write the body-weight records of SOURCEs to OUT as text, without judging them."""
    if ctx.obj is OWN_PROCESS:
        load_pyarrow()
    sources = checked_sources(given)

    from weightstream.outputs.exports.landing import landing, shown_place
    from weightstream.outputs.exports.table_files import write_tables
    from weightstream.written_records import WRITTEN, written_records

    with landing(given["out"], given["overwrite"]) as out:
        check_outputs({"quarantine": None, **given, "out": out}, sources.files)
        rows = write_tables(out, WRITTEN, written_records(sources.files, sources.options))
    click.echo(f"{rows:,} records in {shown_place(given['out'])}", err=True)


@cli.command("plot")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", type=OUT, required=True, help=".html, or .png if there is a browser.")
@click.option("--person", help="The person to draw, if there are several.")
@click.option(
    "--stage", type=click.Choice(["retro", "causal"]), default="retro", show_default=True,
    help="Judge each reading by all others of its person, or only by earlier ones.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@source_options
@settings
@click.pass_context
def plot_command(ctx: click.Context, **given: Any) -> None:
    """Judge SOURCEs and draw one person's chart to OUT."""
    sources = checked_sources(given)
    prepare_engine(ctx)

    from weightstream.errors import ConfigError
    from weightstream.outputs.exports.landing import STANDARD_OUTPUT, landing, shown_place
    from weightstream.plot_files import check_chart, plot_files

    if given["out"] == STANDARD_OUTPUT:
        raise ConfigError("a chart does not go to standard output; name a .html or .png file")
    with landing(given["out"], given["overwrite"]) as out:
        check_chart(out, sources.files, given["overwrite"])
        count, report = plot_files(
            sources.files, sources.options, sources.config, given["stage"], given["person"], out
        )
    say_what_was_read(report)
    click.echo(f"{count:,} measurements in {shown_place(given['out'])}", err=True)


@cli.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option(
    "-o", "--out", type=FILE, help="Write the parameters to this JSON file; only with SOURCEs."
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@source_options
@settings
def learn(**given: Any) -> None:
    """Learn the parameters of sources and bodies.

    With SOURCEs, write them to a file for `clean --parameters`. Without, learn from the store;
    retro then judges everyone again.
    """
    from weightstream.errors import ConfigError, InputError

    if bool(given["sources"]) != (given["out"] is not None):
        raise ConfigError("give both SOURCEs and --out, or neither to learn from the store")
    if not given["sources"]:
        from weightstream.store.learning_run import learn_from_store

        click.echo(learn_from_store(configured(given["config"], given["data_dir"])))
        return
    sources = checked_sources(given)

    from weightstream.judging.parameters import write
    from weightstream.learn_files import learn_files
    from weightstream.outputs.exports.judged_files import check_place
    from weightstream.store.learning_run import learned_text

    check_place(given["out"], sources.files, given["overwrite"])
    learned, report = learn_files(sources.files, sources.options, sources.config, given["out"].stem)
    say_what_was_read(report)
    click.echo(learned_text(learned))
    if learned.refused is not None:
        raise InputError(learned.refused)
    write(learned.parameters, given["out"])
    readings = sum(learned.readings.values())
    click.echo(f"{learned.parameters.name}: learnt from {readings:,} readings, in {given['out']}")


def check_outputs(given: Mapping[str, Any], files: list[Path]) -> None:
    """Raise ConfigError for what cannot be written, before anything is read."""
    from weightstream.errors import ConfigError
    from weightstream.outputs.exports.judged_files import check_out, is_dataset

    named = [Path(source) for source in given["sources"]]
    check_out(given["out"], [*named, *files], given["overwrite"])
    if given.get("pages") is not None:
        from weightstream.clean_pages import check_pages

        check_pages(given["pages"], given["overwrite"])
    if given["quarantine"] is not None:
        if is_dataset(given["out"]):
            raise ConfigError("a data set contains its quarantine; leave --quarantine out")
        check_out(given["quarantine"], [*named, *files, given["out"]], given["overwrite"])


def job_of(given: Mapping[str, Any], sources: Sources) -> CleanJob:
    from weightstream.clean_files import CleanJob
    from weightstream.clean_inputs import read_overrides
    from weightstream.engine.model import PRIOR
    from weightstream.judging.parameters import load

    return CleanJob(
        sources.files,
        given["out"],
        sources.config,
        sources.options,
        given["stage"],
        PRIOR if given["parameters"] is None else load(given["parameters"]),
        None if given["overrides"] is None else read_overrides(given["overrides"]),
        given["quarantine"],
        given["pages"],
        given["workers"] or len(os.sched_getaffinity(0)),
        None if given["ignore_unreadable"] else sources.unread,
    )


def prepare_engine(ctx: click.Context) -> None:
    """Import the engine, and say on stderr if it must be compiled first."""
    load_engine(lambda text: click.echo(text, err=True), alone=ctx.obj is OWN_PROCESS)


def say_what_was_done(
    summary: Summary, report: Mapping[str, Any], out: str, as_json: bool, piped: bool
) -> None:
    """Print the import report, then the summary.

    piped: standard output is for the judged rows.
    """
    if summary.exit_status == 2:
        click.echo(f"weightstream: {'; '.join(summary.problems)}", err=True)
    else:
        say_what_was_read(report)
        click.echo(summary.to_text(), err=as_json or piped)
        click.echo(f"judged: {out}", err=as_json or piped)
    if as_json:
        click.echo(summary.to_json())


def say_what_was_read(report: Mapping[str, Any]) -> None:
    """Print the import report. Cells are shown only on a terminal."""
    from weightstream.intake.import_report import to_text

    click.echo(to_text(report, sys.stderr.isatty()), err=True)
