"""How far methods agree on growthcleanr's synthetic adults, where no one knows the truth."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.rivals import Judgement
from benchmarks.streams import Bools
from weightstream.batch import UserBatch

SYNGROWTH = Path(__file__).parents[2] / "shared" / "data" / "syngrowth_adult_weights.csv"


def syngrowth(path: Path = SYNGROWTH) -> UserBatch | None:
    """27,104 readings of one source, dates alone, in kg; None where the file is not there."""
    if not path.exists():
        return None
    frame = (
        pd.read_csv(path).drop_duplicates().sort_values(["user_id", "effectiveDateTime", "weight"])
    )
    user, ids = pd.factorize(frame["user_id"])
    since = pd.to_datetime(frame["effectiveDateTime"]) - pd.Timestamp(0)
    return UserBatch(
        user_ids=tuple(ids),
        indptr=np.concatenate([[0], np.cumsum(np.bincount(user))]).astype(np.int64),
        day=np.array(since / pd.Timedelta(days=1), np.float64) + 0.5,
        hour=np.full(len(frame), np.nan),
        weight_kg=frame["weight"].to_numpy(np.float64, copy=True),
        source=np.zeros(len(frame), np.int64),
        sources=("ehr",),
    )


def agreement(
    batch: UserBatch, methods: Mapping[str, Callable[[UserBatch], Judgement]], ours: str
) -> dict[str, Any]:
    """Share rejected by each method, and Cohen's kappa with the one named."""
    rejected = {name: ~method(batch).accepted for name, method in methods.items()}
    return {
        "readings": len(batch.day),
        "persons": len(batch.user_ids),
        "methods": {
            name: {
                "rejected": float(own.mean()),
                "kappa": kappa(own, rejected[ours]),
                "only_it": int((own & ~rejected[ours]).sum()),
                "only_ours": int((rejected[ours] & ~own).sum()),
            }
            for name, own in rejected.items()
        },
    }


def kappa(one: Bools, other: Bools) -> float | None:
    """Cohen's kappa; None where chance alone would agree on everything."""
    chance = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
    return None if chance == 1 else float(((one == other).mean() - chance) / (1 - chance))
