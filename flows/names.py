"""Names of runs: what is done to which store. Sources are counted; their names may be persons'."""

from pathlib import Path

from prefect.runtime import flow_run


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def of_store(what: str) -> str:
    """The store goes by the name of its folder, if the run says which."""
    data_dir = flow_run.get_parameters().get("data_dir")
    return f"{what}, {Path(data_dir).name}" if data_dir else what


def of_ingest() -> str:
    sources = flow_run.get_parameters().get("sources", [])
    return of_store(f"ingest {counted(len(sources), 'source')}")


def of_inbox() -> str:
    """Until it is known what has been dropped."""
    return of_store("inbox")


def of_retro() -> str:
    return of_store("retro")


def of_dashboards() -> str:
    return of_store("dashboards")
