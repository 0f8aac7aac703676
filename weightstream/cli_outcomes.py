"""`weightstream outcomes`: a study's outcomes from files, without a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from weightstream.cli import FILE, OUT, cli, settings
from weightstream.cli_files import job_of, prepare_engine, say_what_was_read
from weightstream.cli_sources import checked_sources, source_options


@cli.command("outcomes")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--out", type=OUT, required=True, help=".csv, .parquet or .ndjson.")
@click.option(
    "--at", multiple=True, required=True, metavar="DAYS|DATE",
    help="Days after the index date, or a date; repeatable.",
)  # fmt: skip
@click.option("--window", type=click.IntRange(0), help="Require a reading within this many days.")
@click.option("--index", type=FILE, help="CSV: user_id, index_date; by default the first reading.")
@click.option("--multiverse", is_flag=True, help="Also under published rules and in draws.")
@click.option("--parameters", type=FILE, help="Parameters from `weightstream learn FILE... -o`.")
@click.option("--overrides", type=FILE, help="CSV: measurement_id, action, user, by, note.")
@click.option("--workers", type=click.IntRange(1), help="Threads; one per processor if not given.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@source_options
@settings
@click.pass_context
def outcomes_command(
    ctx: click.Context,
    at: tuple[str, ...],
    window: int | None,
    index: Path | None,
    multiverse: bool,
    **given: Any,
) -> None:
    """Judge SOURCEs and write each person's outcomes at given days to OUT.

    Outcomes are level, change in kg and percent, each with its 95 % interval, the probability of a
    loss of 5 and 10 %, and the plateau: docs/outcomes.md.
    """
    sources = checked_sources(given)

    from weightstream.outputs.exports.judged_files import check_place
    from weightstream.outputs.exports.landing import landing, shown_place
    from weightstream.outputs.exports.table_files import writer_of

    with landing(given["out"], given["overwrite"]) as out:
        writer_of(out)
        check_place(out, sources.files, given["overwrite"])
        prepare_engine(ctx)

        from weightstream.outcome_files import outcomes_of_files, read_index
        from weightstream.study_question import Question, targets_of

        job = job_of(
            {"stage": "retro", "quarantine": None, "pages": None, **given, "out": out}, sources
        )
        dates = None if index is None else read_index(index)
        question = Question(targets_of(at), window, dates, job.parameters.process)
        summary, report, text = outcomes_of_files(job, question, multiverse)
    say_what_was_read(report)
    click.echo(text, err=True)
    click.echo(f"outcomes: {shown_place(given['out'])}", err=True)
    if summary.problems:
        click.echo(f"weightstream: {'; '.join(summary.problems)}", err=True)
    raise click.exceptions.Exit(summary.exit_status)
