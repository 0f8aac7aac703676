"""The commands about the store as a whole; they need no Prefect."""

from pathlib import Path

import click

from weightstream.cli import FILE, cli, configured, settings
from weightstream.terminal import echo

SHOWN = 10
"""The number of persons with damaged rows that are named."""


@cli.command()
@settings
@click.pass_context
def check(ctx: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Verify every page and row of the store. Exit with 1 if one is not as it was written."""
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
    echo("`weightstream restore` replaces the store by a backup", err=True)
    ctx.exit(1)


@cli.command()
@click.argument("out", type=FILE)
@settings
def backup(out: Path, config: Path | None, data_dir: Path | None) -> None:
    """Copy the store to OUT, even while runs continue. An earlier backup there is replaced.

    A damaged store is refused. Back up erasure.key too, in another place: somebody who has both
    can tell who was erased.
    """
    from weightstream.store.backup import backup as copy

    echo(f"{out}: {copy(configured(config, data_dir), out)}")


@cli.command()
@click.argument("source", type=FILE)
@click.option("--overwrite", is_flag=True, help="Replace an existing store.")
@settings
def restore(source: Path, overwrite: bool, config: Path | None, data_dir: Path | None) -> None:
    """Replace the store by the backup SOURCE. Persons erased since then stay erased."""
    from weightstream.erasing.restoring import restore as put_back

    for line in put_back(configured(config, data_dir), source, overwrite):
        echo(line)
