"""One retro pass: a Kalman filter forwards, a disturbance smoother backwards. Compiled.

J. Durbin, S. J. Koopman, Time Series Analysis by State Space Methods (2012), ch. 4 and 7;
docs/judging.md, eq. 7.
"""

import math

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.engine.kernel import (
    LEVEL,
    LEVEL_SD,
    TREND,
)
from weightstream.engine.model import (
    SHIFT_VAR,
    START_MEAN,
    START_VAR,
    TREND_VAR,
    WATER_VAR,
)
from weightstream.engine.retro import (
    AHEAD,
    FACTOR,
    JUMP,
    LOO,
    LOO_VAR,
    MISSING,
    OFFSET,
    RESIDUAL,
    VARIANCE,
    WEIGHED,
    Series,
)
from weightstream.engine.track import (
    DAY,
    LL,
    LW,
    VV,
    WW,
    L,
    W,
    copy,
    fill,
    predict,
    transition,
    update,
)


@jit
def forwards(k: Series, first: int, last: int) -> None:
    """Kalman filter over rows first:last; rows that do not count are passed over."""
    x, p = k.x, k.p
    fill(x, 0.0)
    x[DAY] = k.day[first]
    x[L], x[LL] = p[START_MEAN], p[START_VAR]
    x[VV], x[WW] = p[TREND_VAR], p[WATER_VAR]
    for i in range(first, last):
        w = k.work[i - first]
        predict(x, k.day[i], p)
        if w[JUMP] == 1.0:
            x[LL] += p[SHIFT_VAR]
        copy(w[AHEAD:], x[L:], 9)
        if w[WEIGHED] == MISSING:
            continue
        f = w[FACTOR]
        w[RESIDUAL] = k.weight[i] - w[OFFSET] - f * x[L] - x[W]
        w[VARIANCE] = f * (f * x[LL] + 2.0 * x[LW]) + x[WW] + w[WEIGHED]
        update(x, w[RESIDUAL], w[VARIANCE], f)


@jit
def times(c: Floats, x0: float, x1: float, x2: float) -> tuple[float, float, float]:
    """Product of a symmetric matrix (LL, LV, LW, VV, VW, WW) and a vector."""
    return (
        c[0] * x0 + c[1] * x1 + c[2] * x2,
        c[1] * x0 + c[3] * x1 + c[4] * x2,
        c[2] * x0 + c[4] * x1 + c[5] * x2,
    )


@jit
def pull_back(r: Floats, n: Floats, gap: float, p: Floats) -> None:
    """r = F'r, N = F'NF over a gap."""
    if gap <= 0.0:
        return
    a, kept, wet, _, _, _, _ = transition(gap, p)
    r[1] = a * r[0] + kept * r[1]
    r[2] *= wet
    n[3] = a * a * n[0] + 2.0 * a * kept * n[1] + kept * kept * n[3]
    n[4] = wet * (a * n[2] + kept * n[4])
    n[1] = a * n[0] + kept * n[1]
    n[2] *= wet
    n[5] *= wet * wet


@jit
def backwards(k: Series, first: int, last: int) -> None:
    """Disturbance smoother: what all others say of each reading, and the smoothed level."""
    r = k.x[:3]
    n = k.x[3:9]
    fill(r, 0.0)
    fill(n, 0.0)
    for i in range(last - 1, first - 1, -1):
        w = k.work[i - first]
        f = w[FACTOR]
        mean, c = w[AHEAD : AHEAD + 3], w[AHEAD + 3 : AHEAD + 9]
        m0, m1, m2 = times(c, f, 0.0, 1.0)
        if w[WEIGHED] == MISSING:
            smooth = m0 * r[0] + m1 * r[1] + m2 * r[2]
            n0, n1, n2 = times(n, m0, m1, m2)
            w[LOO] = w[OFFSET] + f * mean[0] + mean[2] + smooth
            w[LOO_VAR] = f * m0 + m2 - (m0 * n0 + m1 * n1 + m2 * n2)
        else:
            v = w[VARIANCE]
            n0, n1, n2 = times(n, m0, m1, m2)
            u = (w[RESIDUAL] - m0 * r[0] - m1 * r[1] - m2 * r[2]) / v
            d = 1.0 / v + (m0 * n0 + m1 * n1 + m2 * n2) / (v * v)
            w[LOO] = k.weight[i] - u / d
            w[LOO_VAR] = 1.0 / d - w[WEIGHED]
            r[0] += f * u
            r[2] += u
            n[0] += f * f * d - 2.0 * f * n0 / v
            n[1] -= f * n1 / v
            n[2] += f * d - (f * n2 + n0) / v
            n[4] -= n1 / v
            n[5] += d - 2.0 * n2 / v
        w[LOO_VAR] = max(w[LOO_VAR], 0.0)
        row = k.out[i]
        row[LEVEL] = mean[0] + c[0] * r[0] + c[1] * r[1] + c[2] * r[2]
        row[TREND] = mean[1] + c[1] * r[0] + c[3] * r[1] + c[4] * r[2]
        n0, n1, n2 = times(n, c[0], c[1], c[2])
        row[LEVEL_SD] = math.sqrt(max(c[0] - (c[0] * n0 + c[1] * n1 + c[2] * n2), 0.0))
        if i > first:
            pull_back(r, n, k.day[i] - k.day[i - 1], k.p)
