"""The commands about single decisions; they need no Prefect."""

from pathlib import Path

import click

from weightstream.cli import FILE, cli, configured, settings
from weightstream.errors import ConfigError
from weightstream.terminal import echo, json_text


@cli.command()
@click.argument("measurement", required=False)
@click.argument("action", type=click.Choice(["accept", "reject", "assign"]), required=False)
@click.argument("user", required=False)
@click.option("--by", help="Your name; required without --csv.")
@click.option("--note", help="Why.")
@click.option("--withdraw", is_flag=True, help="Withdraw the override of MEASUREMENT.")
@click.option(
    "--csv", "table", type=FILE, help="Apply many: measurement_id, action, user, by, note."
)
@settings
@click.pass_context
def override(
    ctx: click.Context,
    measurement: str | None,
    action: str | None,
    user: str | None,
    by: str | None,
    note: str | None,
    withdraw: bool,
    table: Path | None,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Decide on MEASUREMENT: accept or reject it, or assign it to USER.

    The override stays in force through every rerun until it is withdrawn. An accepted reading
    counts, a rejected one does not, and an assigned one moves to the series of USER. The persons
    concerned are judged again at once.
    """
    from weightstream.store.overriding import OverrideRequest, fault_of, parse_overrides
    from weightstream.store.overriding import override as decide

    faults: list[str] = []
    if table is not None:
        if measurement or action or withdraw or by or note:
            raise ConfigError("--csv has everything in its lines; give no other argument with it")
        requests, faults = parse_overrides(table)
    else:
        if withdraw and action:
            raise ConfigError("--withdraw restores the engine's decision; give no action with it")
        wanted = "withdraw" if withdraw else action or ""
        request = OverrideRequest(measurement or "", wanted, user, by or "", note)
        if fault := fault_of(request):
            raise ConfigError(fault.replace("(by)", "(--by NAME)"))
        requests = [request]
    loaded = configured(config, data_dir)
    done = decide(loaded, requests)
    for fault in [*faults, *done.faults]:
        echo(f"weightstream: {fault}", err=True)
    if done.verdicts or done.unchanged or not (faults or done.faults):
        echo(done.to_text())
        if done.verdicts and (loaded.data.data_dir / "dashboards" / "index.html").exists():
            echo("the pages do not show this yet; run `weightstream dashboards`", err=True)
    if faults or done.faults:
        ctx.exit(1 if done.verdicts or done.unchanged else 2)


@cli.command()
@click.argument("measurement")
@click.option("--json", "as_json", is_flag=True, help="Print the events as one line of JSON.")
@settings
def history(measurement: str, as_json: bool, config: Path | None, data_dir: Path | None) -> None:
    """Show the history of MEASUREMENT: received, judged, corrected, overridden."""
    from weightstream.outputs.history import history as events_of
    from weightstream.outputs.history import to_text

    events = events_of(configured(config, data_dir), measurement)
    if as_json:
        echo(json_text([event.as_json() for event in events]))
    else:
        echo(to_text(events))


@cli.command()
@click.option("--user", help="Only readings of this person.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print the readings as one line of JSON.")
@click.option("--html", is_flag=True, help="Write a page with pictures, dashboards/review.html.")
@settings
def review(
    user: str | None,
    limit: int,
    as_json: bool,
    html: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """List the readings whose verdict is least certain, with ids for `override`."""
    from weightstream.outputs.review import review as least_certain
    from weightstream.outputs.review import reviewed, write_review_page

    settings = configured(config, data_dir)
    rows = least_certain(settings, user, limit)
    if html:
        echo(str(write_review_page(settings, rows)))
    else:
        echo(json_text(rows) if as_json else reviewed(rows))
