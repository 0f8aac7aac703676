"""The question of a study: index dates, times and windows, checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
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
    reading. index: index date by person, None where it is missing; no index: each person's first
    accepted reading. process: how levels move between readings.
    """

    at: tuple[int | date, ...]
    window: int | None = None
    index: Mapping[str, date | None] | None = None
    process: Process = PRIOR.process


def targets_of(at: Any) -> tuple[int | date, ...]:
    """Return one or several days after the index date, or dates, each once. Raises InputError."""
    alone = isinstance(at, str | date) or not isinstance(at, Iterable)
    given = [at] if alone else list(at)
    if not given:
        raise InputError("no time of an outcome was named; give days such as 84, or dates")
    return tuple(dict.fromkeys(target_of(one) for one in given))


def target_of(given: Any) -> int | date:
    """Return days after the index date, or a date. Raises InputError for anything else."""
    text = str(given).strip()
    if isinstance(given, timedelta | np.timedelta64):
        days = np.timedelta64(given) / np.timedelta64(1, "D")
        text = f"{days:g}"
    elif isinstance(given, float | np.floating):
        text = f"{given:g}"
    found = int(text) if text.isdecimal() and text.isascii() else _day_of(given)
    if found is None:
        raise InputError(
            f"{text!r} is neither a number of days after the index date, such as 84, nor a date, "
            "such as 2024-06-01"
        )
    return found


def _day_of(given: Any) -> date | None:
    """Return the day of a date, a timestamp or an ISO text; None for anything else."""
    if isinstance(given, np.datetime64):
        given = given.astype("datetime64[us]").item()
    if isinstance(given, datetime):
        return None if _is_missing(given) else given.date()
    if isinstance(given, date):
        return given
    try:
        return datetime.fromisoformat(str(given).strip()).date()
    except ValueError:
        return None


def _is_missing(given: Any) -> bool:
    """Return whether a cell is empty."""
    return pd.isna(given) is True or not str(given).strip()


def window_of(window: Any) -> int | None:
    """Return the window, in days. Raises InputError unless it is a whole number from 0 on."""
    if window is None:
        return None
    try:
        whole = int(window)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole < 0 or whole != window:
        raise InputError(
            f"a window of {window!r} is not possible; give days, a whole number from 0"
        )
    return whole


def index_of(given: Any) -> dict[str, date | None] | None:
    """Return index dates by person; None for a person whose date is missing.

    given: a mapping, a Series of pandas by user_id, or a frame with INDEX_COLUMNS. Raises
    InputError.
    """
    if given is None:
        return None
    found: dict[str, date | None] = {}
    for user, value in _index_rows(given):
        if found.setdefault(str(user), day := index_day(value)) != day:
            raise InputError("a person has two index dates; remove one")
    return found


def index_day(value: Any) -> date | None:
    """Return an index date, or None for an empty cell. Raises InputError."""
    if _is_missing(value):
        return None
    day = _day_of(value)
    if day is None:
        raise InputError(f"the index date {value!r} is not a date; write it as 2024-06-01")
    return day


def _index_rows(given: Any) -> Iterable[tuple[Any, Any]]:
    """Return (user_id, index_date) of each person. Raises InputError."""
    if isinstance(given, Mapping | pd.Series):
        return given.items()
    table = Native(given).to_arrow()
    if missing := [name for name in INDEX_COLUMNS if name not in table.column_names]:
        raise InputError(f"the index dates have no column {' and no '.join(missing)}")
    users = table["user_id"].cast(pa.string()).to_pylist()
    return zip(users, table["index_date"].to_pylist(), strict=True)
