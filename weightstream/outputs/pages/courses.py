"""Courses of many persons as alerts read them, and what an alert says."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from weightstream.movement import Ints

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True)
class Alert:
    """The weight changed by change_kg within `days` until the reading of `at` (effective_at).

    kind: "rapid_gain", "weight_loss" or "unusual" (rules.py, unusual.py); "unconfirmed": the newest
    reading, rejected without a known cause, would be such a change. probability: that the change
    is real; of an unconfirmed one, that the reading is valid. began: the first reading that told
    it, which does not change when later ones tell it better. status: what a person said of it: new,
    acknowledged or closed; said: by whom, and why.
    """

    at: str
    kind: str
    days: float
    change_kg: float
    probability: float
    began: str = ""
    status: str = "new"
    said: str = ""


class Courses(Protocol):
    """The readings and filtered levels of U persons, N rows.

    indptr: (U + 1,) int64, offsets of their rows. time_us: (N,) int64, microseconds since 1970,
    rising within a person. columns: of schema.EXPORT, N values each; numbers as float64
    arrays. level_*: as the causal filter knew them then.
    """

    @property
    def indptr(self) -> Ints: ...
    @property
    def time_us(self) -> Ints: ...
    @property
    def columns(self) -> Mapping[str, Any]: ...


def by_person(people: Courses, found: Mapping[int, Alert]) -> list[list[Alert]]:
    """Sort alerts by row into a list for each person, oldest first."""
    listed: list[list[Alert]] = [[] for _ in range(len(people.indptr) - 1)]
    for row in sorted(found):
        listed[int(np.searchsorted(people.indptr, row, side="right")) - 1].append(found[row])
    return listed


def each(people: Courses) -> list[tuple[int, int]]:
    """First row and the row after the last, of each person."""
    return list(pairwise(people.indptr.tolist()))
