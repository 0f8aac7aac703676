"""Names of runs: the action and the store. Sources are only counted, as they may name persons."""

from pathlib import Path

from prefect.runtime import flow_run

from flows.served import served_here
from weightstream.terminal import counted


def store_run_name(what: str) -> str:
    """Return what is done, and to which store: its name on the server, or its folder if given."""
    data_dir = flow_run.get_parameters().get("data_dir")
    store = Path(data_dir).name if data_dir else served_here().name
    return f"{what}, {store}" if store else what


def ingest_run_name() -> str:
    sources = flow_run.get_parameters().get("sources", [])
    return store_run_name(f"ingest {counted(len(sources), 'source')}")


def inbox_run_name() -> str:
    """Return the name of a run until it is known what is in the inbox."""
    return store_run_name("inbox")


def retro_run_name() -> str:
    return store_run_name("retro")


def inline_retro_run_name() -> str:
    """Return the name of a retro inside an ingest, whose own name says which store."""
    return "retro of the ingest"


def dashboards_run_name() -> str:
    return store_run_name("dashboards")
