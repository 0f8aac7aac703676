"""The commands about the store as a whole; they need no Prefect."""

from pathlib import Path

import click

from weightstream.cli import FILE, cli, configured, settings
from weightstream.terminal import echo

SHOWN = 10
"""So many persons with damaged rows are named."""


@cli.command()
@settings
@click.pass_context
def check(ctx: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Look at every page and row of the store. Exit status 1 if one is not as it was written."""
    from weightstream.store.backup import check as look

    damage, held = look(configured(config, data_dir))
    if not damage:
        echo(f"{held}, all as they were written")
        return
    echo(f"{held}; damaged: {damage.to_text()}")
    persons = sorted(damage.persons | damage.missing)
    for person in persons[:SHOWN]:
        echo(f"  {person}")
    if len(persons) > SHOWN:
        echo(f"  and {len(persons) - SHOWN:,} more")
    echo("`weightstream restore` puts a backup in its place", err=True)
    ctx.exit(1)


@cli.command()
@click.argument("out", type=FILE)
@settings
def backup(out: Path, config: Path | None, data_dir: Path | None) -> None:
    """Copy the store to OUT, also while runs go on; an earlier backup there is replaced.

    A damaged store is refused. Keep erasure.key too, elsewhere: who has both knows who was erased.
    """
    from weightstream.store.backup import backup as copy

    echo(f"{out}: {copy(configured(config, data_dir), out)}")


@cli.command()
@click.argument("source", type=FILE)
@click.option("--overwrite", is_flag=True, help="Replace a store that is there.")
@settings
def restore(source: Path, overwrite: bool, config: Path | None, data_dir: Path | None) -> None:
    """Put the backup SOURCE in the place of the store; who was erased since stays erased."""
    from weightstream.erasing.restoring import restore as put_back

    for line in put_back(configured(config, data_dir), source, overwrite):
        echo(line)
