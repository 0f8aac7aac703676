"""`weightstream clean --dask`: the same decisions, by the workers of a Dask cluster."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from distributed import Client, LocalCluster

from weightstream.cli_sources import Sources
from weightstream.clocks import RunClock
from weightstream.dataset import NOT_SHARED, clean_dataset
from weightstream.errors import ConfigError, InputError
from weightstream.intake.import_report import left_out
from weightstream.memory import peak_rss_mb
from weightstream.outputs.exports.landing import STANDARD_OUTPUT, shown_place
from weightstream.outputs.exports.table_files import WRITERS
from weightstream.outputs.summary import Summary
from weightstream.readers.remote import STANDARD_INPUT
from weightstream.schema import OUTCOMES

ELSEWHERE = ("quarantine", "pages", "json_report", "overwrite")
"""Options of `clean` that a cluster does not support."""


def clean_on_dask(given: Mapping[str, Any], sources: Sources, as_json: bool) -> int:
    """Judge the sources on a cluster and print the summary; returns the exit status."""
    if wrong := [name for name in ELSEWHERE if given.get(name)]:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in wrong)
        raise ConfigError(f"--dask does not support {names}; leave it out")
    if given["out"] == STANDARD_OUTPUT or Path(str(given["out"])).suffix in WRITERS:
        raise ConfigError("--dask writes a folder; name OUT without an ending")
    if STANDARD_INPUT in sources.named:
        raise InputError(NOT_SHARED)
    clock = RunClock()
    with cluster(given["dask"], given["workers"]) as client:
        clock.started()
        made = clean_dataset(
            sources.named,
            str(given["out"]),
            parameters=given["parameters"],
            overrides=given["overrides"],
            client=client,
            config=sources.config,
            options=sources.options,
            stage=given["stage"],
        )
    counts, unread = made["counts"], []
    if not given["ignore_unreadable"]:
        unread = [one.sentence for one in left_out(sources.unread)] + made["unread"]
    summary = Summary(
        run_id=made["id"],
        rows_in=counts["rows_in"],
        counts={name: counts[name] for name in OUTCOMES},
        users=counts["users"],
        seconds={"startup": clock.startup, "total": clock.total},
        peak_rss_mb=peak_rss_mb(),
        problems=made["problems"] + unread,
        sources=len(made["inputs"]),
    )
    click.echo(summary.to_text(), err=as_json)
    click.echo(f"judged: {shown_place(given['out'])}", err=as_json)
    if as_json:
        click.echo(summary.to_json())
    return summary.exit_status


@contextmanager
def cluster(address: str, workers: int | None) -> Iterator[Client]:
    """Yield a client of the scheduler at an address, or of local processes. Raises ConfigError."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    if address == "local":
        count = workers or os.cpu_count()
        with (
            LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with "
            "`dask scheduler`, or use --dask local"
        ) from None
    with client:
        yield client
