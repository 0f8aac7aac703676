"""The commands about alerts; they need no Prefect."""

from pathlib import Path

import click

from weightstream.cli import cli, configured, settings
from weightstream.terminal import echo, json_text

STATUSES = {"acknowledge": "acknowledged", "close": "closed", "reopen": "new"}


@cli.command()
@click.option("--user", help="All alerts of this person, closed ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print the alerts as one line of JSON.")
@settings
def alerts(user: str | None, as_json: bool, config: Path | None, data_dir: Path | None) -> None:
    """List the alerts of the last 30 days that are not closed, with the arguments of `alert`."""
    from weightstream.outputs.alert_list import alert_list, listed

    rows = alert_list(configured(config, data_dir), user)
    echo(json_text(rows) if as_json else listed(rows))


@cli.command()
@click.argument("user")
@click.argument("kind")
@click.argument("began")
@click.argument("action", type=click.Choice([*STATUSES]))
@click.option("--by", required=True, help="Your name.")
@click.option("--note", help="Why.")
@settings
def alert(
    user: str,
    kind: str,
    began: str,
    action: str,
    by: str,
    note: str | None,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Set the status of an alert. USER, KIND and BEGAN are as `alerts` lists them."""
    from weightstream.outputs.alert_list import alert_list
    from weightstream.store.alert_statuses import say

    loaded = configured(config, data_dir)
    known = {(row["kind"], row["began"]) for row in alert_list(loaded, user)}
    if (kind, began) not in known:
        raise click.UsageError(f"{user} has no alert {kind} that began {began}; see `alerts`")
    say(loaded, (user, kind, began), STATUSES[action], by, note)
    echo(f"{kind} of {user}, {began}: {STATUSES[action]}")
