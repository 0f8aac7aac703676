"""Readings of many persons as flat arrays, and how they are split into batches of like size."""

from dataclasses import dataclass, field

import numpy as np

from weightstream.types import Codes, Floats, Ints

SEXES = (None, "m", "f")
"""The sexes that growth references tell apart; None: not known."""


@dataclass(frozen=True)
class UserBatch:
    """Readings of U persons, N in all, sorted by person, then time, source, kg, id.

    user_ids: (U,). indptr: (U+1,) int64; person u owns rows indptr[u]:indptr[u+1]. day: (N,)
    float64, days since 1970-01-01 UTC. hour: (N,) float64, local hour of the day 0-24, NaN where
    only the date is known. weight_kg: (N,) float64. source: (N,) int64, index into sources.
    sources: names, each once. forced: (N,) int8, overrides: 1 accepted, -1 rejected, 0 none; None:
    no reading has one. born: (U,) float64, birth date at 00:00 in days since 1970-01-01, NaN where
    it is not known. sex: (U,) int8, index into SEXES. Left out, nothing is known of anybody.
    """

    user_ids: tuple[str, ...]
    indptr: Ints
    day: Floats
    hour: Floats
    weight_kg: Floats
    source: Ints
    sources: tuple[str, ...]
    forced: Codes | None = None
    born: Floats = field(default_factory=lambda: np.zeros(0))
    sex: Codes = field(default_factory=lambda: np.zeros(0, np.int8))

    def __post_init__(self) -> None:
        users = len(self.user_ids)
        if not len(self.born):
            object.__setattr__(self, "born", np.full(users, np.nan))
        if not len(self.sex):
            object.__setattr__(self, "sex", np.zeros(users, np.int8))
        if not len(self.born) == len(self.sex) == users:
            raise ValueError(f"{users} persons, but {len(self.born)} birth dates")


def split_by_rows(rows_per_user: Ints, batches: int) -> list[slice]:
    """Split users, in their order, into at most `batches` runs of about equally many rows.

    rows_per_user: (U,) int64. Returns slices over the users; none is empty.
    """
    users = len(rows_per_user)
    if users == 0:
        return []
    ends = np.cumsum(rows_per_user)
    targets = ends[-1] * np.arange(1, min(batches, users) + 1) / min(batches, users)
    cuts = np.unique(np.minimum(np.searchsorted(ends, targets - 1e-9) + 1, users))
    cuts[-1] = users  # also those at the end who have no rows
    starts = np.concatenate([[0], cuts[:-1]])
    return [slice(int(a), int(b)) for a, b in zip(starts, cuts, strict=True)]
