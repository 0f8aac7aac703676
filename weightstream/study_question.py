"""The question of a study: index dates, times and windows, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from weightstream.engine.model import PRIOR, Process
from weightstream.errors import InputError
from weightstream.frame_kinds import Native

INDEX_COLUMNS = ("user_id", "index_date")


@dataclass(frozen=True)
class Question:
    """The times at which outcomes are wanted.

    at: days after the index date, or dates. window: calendar days (UTC) around the index date and
    the target within which there must be a reading; None: both lie between the first and the last
    reading. index: index date by person; None: each person's first accepted reading. process: how
    levels move between readings.
    """

    at: tuple[int | date, ...]
    window: int | None = None
    index: Mapping[str, date] | None = None
    process: Process = PRIOR.process


def targets_of(at: Any) -> tuple[int | date, ...]:
    """Return one or several days after the index date, or dates. Raises InputError."""
    given = [at] if isinstance(at, int | str | date) else list(at)
    if not given:
        raise InputError("no time of an outcome was named; give days such as 84, or dates")
    return tuple(target_of(one) for one in given)


def target_of(given: Any) -> int | date:
    """Return days after the index date, or a date. Raises InputError for anything else."""
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    text = str(given).strip()
    try:
        return int(text) if text.isdecimal() else date.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is neither a number of days after the index date, such as 84, nor a date, "
            "such as 2024-06-01"
        ) from None


def window_of(window: int | None) -> int | None:
    """Return the window, in days. Raises InputError if it is negative."""
    if window is not None and window < 0:
        raise InputError(f"a window of {window} days is not possible; give 0 or more")
    return window


def index_of(given: Any) -> dict[str, date] | None:
    """Return index dates by person, from a mapping or a frame with INDEX_COLUMNS. Raises
    InputError."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        rows = list(given.items())
    else:
        table = Native(given).to_arrow()
        if missing := [name for name in INDEX_COLUMNS if name not in table.column_names]:
            raise InputError(f"the index dates have no column {' and no '.join(missing)}")
        users = table["user_id"].cast(pa.string()).to_pylist()
        rows = list(zip(users, table["index_date"].to_pylist(), strict=True))
    found: dict[str, date] = {}
    for user, value in rows:
        day = target_of(value)
        if not isinstance(day, date):
            raise InputError(f"the index date {value!r} is not a date; write it as 2024-06-01")
        if found.setdefault(str(user), day) != day:
            raise InputError("a person has two index dates; remove one")
    return found
