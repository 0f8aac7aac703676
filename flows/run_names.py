"""Names of runs: what is done to which store. Sources are counted; their names may be persons'."""

from pathlib import Path

from prefect.runtime import flow_run


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def store_run_name(what: str) -> str:
    """The store goes by the name of its folder, if the run says which."""
    data_dir = flow_run.get_parameters().get("data_dir")
    return f"{what}, {Path(data_dir).name}" if data_dir else what


def ingest_run_name() -> str:
    sources = flow_run.get_parameters().get("sources", [])
    return store_run_name(f"ingest {counted(len(sources), 'source')}")


def inbox_run_name() -> str:
    """Until it is known what has been dropped."""
    return store_run_name("inbox")


def retro_run_name() -> str:
    return store_run_name("retro")


def dashboards_run_name() -> str:
    return store_run_name("dashboards")
