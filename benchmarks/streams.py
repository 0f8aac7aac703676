"""Labelled streams in the shape that every method under test takes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from weightstream.batch import UserBatch
from weightstream.simulator.streams import simulate
from weightstream.types import Floats, Ints

Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Stream:
    """N measured rows (no duplicates, nothing for quarantine) and what is true of each.

    error: ok, a code of schema.REASONS, or a label of error_menu.EXTRA_LABELS. true_kg: what the
    source should have said; level_kg: the slow weight; both (N,). step: a real fast change in
    progress, else empty. after_step: right readings of that change so far, this one left out.
    """

    batch: UserBatch
    error: Texts
    true_kg: Floats
    level_kg: Floats
    step: Texts
    after_step: Ints

    @property
    def right(self) -> Bools:
        return self.error == "ok"


def labelled_stream(scenario: str, seed: int, persons: int, rows: int | None = None) -> Stream:
    """Simulate a scenario and sort it as the store would hand it over."""
    frame = simulate(persons, rows, seed, scenario)
    frame = frame[frame["verdict"].isin(["accepted", "rejected"])]
    frame = frame.assign(source_type=frame["source_type"].replace("", "unknown"))
    order = ["user_id", "day", "source_type", "weight_kg", "id"]
    return stream_of(frame.sort_values(order, kind="stable"))


def stream_of(frame: pd.DataFrame) -> Stream:
    """frame: rows sorted by person and time, with the columns of `simulate`."""
    source, names = pd.factorize(frame["source_type"], sort=True)
    user, ids = pd.factorize(frame["user_id"])
    step = frame["step"].to_numpy(dtype=object)
    right = (frame["error"] == "ok").to_numpy()
    batch = UserBatch(
        user_ids=tuple(ids),
        indptr=np.concatenate([[0], np.cumsum(np.bincount(user))]).astype(np.int64),
        day=frame["day"].to_numpy(np.float64, copy=True),
        hour=frame["hour"].to_numpy(np.float64, copy=True),
        weight_kg=frame["weight_kg"].to_numpy(np.float64, copy=True),
        source=source.astype(np.int64),
        sources=tuple(names),
    )
    return Stream(
        batch=batch,
        error=frame["error"].to_numpy(dtype=object),
        true_kg=frame["true_kg"].to_numpy(np.float64, copy=True),
        level_kg=frame["level_kg"].to_numpy(np.float64, copy=True),
        step=step,
        after_step=_rank_in_step(user, step, right),
    )


def _rank_in_step(user: Ints, step: Texts, right: Bools) -> Ints:
    during = (step != "") & right
    so_far = np.cumsum(during)
    first = np.searchsorted(user, user, side="left")
    before_person = np.concatenate([[0], so_far])[first]
    return np.where(step != "", so_far - during - before_person, 0)


def gap_days(batch: UserBatch) -> Floats:
    """(N,) days since the person's reading before; NaN for the first."""
    gap = np.full(len(batch.day), np.nan)
    gap[1:] = np.diff(batch.day)
    gap[batch.indptr[:-1]] = np.nan
    return gap
