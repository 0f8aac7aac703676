"""What others do: the published rules (weightstream.published_rules), and the replaced system."""

from collections.abc import Callable

import numba
import numpy as np

from weightstream.batch import UserBatch
from weightstream.published_rules import (
    PUBLISHED,
    Judgement,
    chan_raffa,
    ewma_growthcleanr,
    ewma_trend,
    judged,
    last_kept,
    median_deviation,
    range_check,
)
from weightstream.types import Bools, Floats, Ints

__all__ = [
    "RIVALS",
    "Judgement",
    "chan_raffa",
    "ewma_growthcleanr",
    "ewma_trend",
    "judged",
    "kalman_gate",
    "last_kept",
    "median_deviation",
    "range_check",
]


def kalman_gate(batch: UserBatch) -> Judgement:
    """The replaced system: weight and trend, noises per step, gate at 15 % of the prediction.

    Q = diag(0.016, 0.0001) a step, R = 3.4 kg², P0 = diag(0.361, 0.001), days clipped to 0.1-30;
    outside 30-400 kg rejected. The first value, and the first after 30 days, is taken unchecked
    (from questionnaires and the care team after 10 days).
    """
    size = len(batch.weight_kg)
    manual = np.array(["questionnaire" in s or s == "care-team-upload" for s in batch.sources])
    kept, out = np.ones(size, np.bool_), np.full((size, 3), np.nan)
    _kalman_gate(batch.indptr, batch.day, batch.weight_kg, manual[batch.source], kept, out)
    return judged(kept, out[:, 0], out[:, 1], out[:, 2])


RIVALS: dict[str, Callable[[UserBatch], Judgement]] = {
    **PUBLISHED,
    "15 % gate Kalman": kalman_gate,
}


@numba.njit(cache=True, nogil=True)
def _kalman_gate(
    indptr: Ints, day: Floats, kg: Floats, manual: Bools, kept: Bools, out: Floats
) -> None:
    for user in range(len(indptr) - 1):
        started = False
        last = weight = trend = p00 = p01 = p11 = 0.0
        for row in range(indptr[user], indptr[user + 1]):
            if kg[row] < 30.0 or kg[row] > 400.0:
                kept[row] = False
                out[row, 0] = weight if started else np.nan
                continue
            gap = day[row] - last
            if not started or gap >= (10.0 if manual[row] else 30.0):
                p00, p01, p11 = (1.0, 0.0, 0.001) if started else (0.361, 0.0, 0.001)
                weight, trend, started, last = kg[row], 0.0, True, day[row]
                out[row, 0] = weight
                continue
            step = min(max(gap, 0.1), 30.0)
            ahead = weight + step * trend
            a00 = p00 + 2 * step * p01 + step * step * p11 + 0.016
            a01, a11 = p01 + step * p11, p11 + 0.0001
            out[row, 1], out[row, 2] = ahead, np.sqrt(a00 + 3.4)
            if abs(kg[row] - ahead) > 0.15 * ahead:
                kept[row] = False
                out[row, 0] = ahead
                continue
            gain0, gain1 = a00 / (a00 + 3.4), a01 / (a00 + 3.4)
            off = kg[row] - ahead
            weight, trend, last = ahead + gain0 * off, trend + gain1 * off, day[row]
            p00, p01, p11 = (1 - gain0) * a00, (1 - gain0) * a01, a11 - gain1 * a01
            out[row, 0] = weight
