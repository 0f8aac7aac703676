"""Options of the commands that read sources, checked before anything else is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weightstream.cli import configured
from weightstream.config import Config

if TYPE_CHECKING:  # loaded when a command needs them
    from weightstream.readers import ReadOptions, Unread

Command = TypeVar("Command", bound=Callable[..., Any])
STATED = ("format", "user", "unit", "timezone", "dates", "decimal")

OPTIONS = (
    click.option("--user", help="The person, for formats that name none."),
    click.option("--unit", help="The unit, for formats that name none."),
    click.option("--timezone", help="The timezone of times without an offset (IANA name)."),
    click.option("--format", default="auto", show_default=True, help="auto, csv, ..."),
    click.option(
        "--dates",
        type=click.Choice(["dmy", "mdy", "ymd", "excel1900", "excel1904", "sas1960"]),
        help="How to read ambiguous dates, such as 03/04/2024 or 45292.",
    ),
    click.option(
        "--decimal", type=click.Choice(["comma", "point"]), help="How to read 80,500."
    ),
    click.option(
        "--column", multiple=True, metavar="ROLE=NAME",
        help="The column that holds a role: user_id, time, weight, unit, ...; repeatable.",
    ),
    click.option("--query", help="The SQL query for a SOURCE that is a database's URL."),
    click.option(
        "--ignore-unreadable", is_flag=True,
        help="Exit with 0 even if a folder or zip has files in no known format.",
    ),
)  # fmt: skip


def source_options(command: Command) -> Command:
    """Add the options for what sources do not state themselves."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Sources:
    """The files that a command reads, and how to read them.

    named: the sources as given, databases with their query. unread: files in no known format.
    """

    config: Config
    options: ReadOptions
    named: list[str]
    files: list[Path]
    unread: list[Unread]


def checked_sources(given: Mapping[str, Any]) -> Sources:
    """Check the sources of a command. Raises ConfigError, InputError if none can be used."""
    from weightstream.intake.sources import check_sources, look_up
    from weightstream.readers.databases import with_query
    from weightstream.readers.stated import read_options

    config = configured(given["config"], given["data_dir"])
    stated = {name: given[name] for name in STATED}
    options = read_options(config.data.columns, given["column"], **stated)
    named = with_query(given["sources"], given["query"])
    found = look_up(named)
    check_sources(found.files, options, config.data)
    return Sources(config, options, named, found.files, found.unread)
