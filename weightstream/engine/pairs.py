"""Two Gaussians of one reversible process, from before and from after a reading, joined. Compiled.

A course that comes from the past and one that comes from the future are independent given the
state between them; their product, less the prior that both contain, is what all other readings
say (docs/judging.md, eq. 8-9).
"""

import math
from typing import Any

from weightstream.batch import Floats
from weightstream.engine.compiled import shared
from weightstream.engine.process import scatter, size
from weightstream.engine.retro import (
    LOGDET,
    MEANS,
    PRECISIONS,
    SIDE_LEVEL,
    SIDE_VAR,
    SIDE_VV,
    SIDE_WW,
    SIDE_XX,
)

LOG_2PI = math.log(2.0 * math.pi)


@shared
def invert(a: Floats, at: int, out: Floats, to: int) -> float:
    """Inverse of a symmetric 4x4 matrix by Cholesky; log of its determinant, NaN if not positive.

    Both as the ten numbers of the upper triangle, row by row.
    """
    if not a[at] > 0.0:
        return math.nan
    l11 = math.sqrt(a[at])
    l21, l31, l41 = a[at + 1] / l11, a[at + 2] / l11, a[at + 3] / l11
    d = a[at + 4] - l21 * l21
    if not d > 0.0:
        return math.nan
    l22 = math.sqrt(d)
    l32, l42 = (a[at + 5] - l31 * l21) / l22, (a[at + 6] - l41 * l21) / l22
    d = a[at + 7] - l31 * l31 - l32 * l32
    if not d > 0.0:
        return math.nan
    l33 = math.sqrt(d)
    l43 = (a[at + 8] - l41 * l31 - l42 * l32) / l33
    d = a[at + 9] - l41 * l41 - l42 * l42 - l43 * l43
    if not d > 0.0:
        return math.nan
    l44 = math.sqrt(d)
    m11, m22, m33, m44 = 1.0 / l11, 1.0 / l22, 1.0 / l33, 1.0 / l44
    m21 = -m22 * l21 * m11
    m32 = -m33 * l32 * m22
    m31 = -m33 * (l31 * m11 + l32 * m21)
    m43 = -m44 * l43 * m33
    m42 = -m44 * (l42 * m22 + l43 * m32)
    m41 = -m44 * (l41 * m11 + l42 * m21 + l43 * m31)
    out[to] = m11 * m11 + m21 * m21 + m31 * m31 + m41 * m41
    out[to + 1] = m21 * m22 + m31 * m32 + m41 * m42
    out[to + 2] = m31 * m33 + m41 * m43
    out[to + 3] = m41 * m44
    out[to + 4] = m22 * m22 + m32 * m32 + m42 * m42
    out[to + 5] = m32 * m33 + m42 * m43
    out[to + 6] = m42 * m44
    out[to + 7] = m33 * m33 + m43 * m43
    out[to + 8] = m43 * m44
    out[to + 9] = m44 * m44
    return 2.0 * math.log(l11 * l22 * l33 * l44)


@shared
def times(a: Floats, at: int, x0: float, x1: float, x2: float, x3: float) -> tuple[
    float, float, float, float
]:  # fmt: skip
    """Product of a symmetric matrix (ten numbers from `at` on) and a vector."""
    return (
        a[at] * x0 + a[at + 1] * x1 + a[at + 2] * x2 + a[at + 3] * x3,
        a[at + 1] * x0 + a[at + 4] * x1 + a[at + 5] * x2 + a[at + 6] * x3,
        a[at + 2] * x0 + a[at + 5] * x1 + a[at + 7] * x2 + a[at + 8] * x3,
        a[at + 3] * x0 + a[at + 6] * x1 + a[at + 8] * x2 + a[at + 9] * x3,
    )


@shared
def put_course(side: Floats, c: Any, sign: float, origin: float, scratch: Floats) -> None:
    """Mean (r from `origin` on), precision and log determinant of a course into a side.

    sign: -1 for a course that runs backwards, whose rate is that of a reversed clock.
    """
    side[MEANS], side[MEANS + 1] = c.r - origin, c.x
    side[MEANS + 2], side[MEANS + 3] = sign * c.v, c.w
    scratch[0], scratch[1], scratch[2], scratch[3] = c.rr, c.rx, sign * c.rv, c.rw
    scratch[4], scratch[5], scratch[6] = c.xx, sign * c.xv, c.xw
    scratch[7], scratch[8], scratch[9] = c.vv, sign * c.vw, c.ww
    side[LOGDET] = invert(scratch, 0, side, PRECISIONS)
    side[SIDE_LEVEL], side[SIDE_XX], side[SIDE_VV], side[SIDE_WW] = c.r + c.x, c.xx, c.vv, c.ww
    side[SIDE_VAR] = c.rr + 2.0 * c.rx + c.xx


@shared
def widen(side: Floats, source: Floats, extra: float) -> None:
    """The same side with a variance added to r: Sherman and Morrison's formula."""
    for at in range(len(source)):
        side[at] = source[at]
    a = PRECISIONS
    grown = 1.0 + extra * source[a]
    g = extra / grown
    p0, p1, p2, p3 = source[a], source[a + 1], source[a + 2], source[a + 3]
    side[a] -= g * p0 * p0
    side[a + 1] -= g * p0 * p1
    side[a + 2] -= g * p0 * p2
    side[a + 3] -= g * p0 * p3
    side[a + 4] -= g * p1 * p1
    side[a + 5] -= g * p1 * p2
    side[a + 6] -= g * p1 * p3
    side[a + 7] -= g * p2 * p2
    side[a + 8] -= g * p2 * p3
    side[a + 9] -= g * p3 * p3
    side[LOGDET] += math.log(grown)
    side[SIDE_VAR] += extra


@shared
def join(f: Floats, b: Floats, p: Any, joint: Floats, precision: Floats) -> float:
    """Mean and covariance given both sides, into joint (MEANS, COVARIANCES).

    The prior that both contain is that of the larger body, so that no more is taken away than
    there is. Returns the log density with which the sides meet, over a flat prior of r.
    """
    level = max(f[SIDE_LEVEL], b[SIDE_LEVEL])
    vv = p.trend_var * size(level) * p.scale
    xx = max(vv / p.trend_rate**2, f[SIDE_XX], b[SIDE_XX])
    vv = max(vv, f[SIDE_VV], b[SIDE_VV])
    ww = max(p.water_var * p.scale * scatter(level) ** 2, f[SIDE_WW], b[SIDE_WW])
    a = PRECISIONS
    for at in range(10):
        precision[at] = f[a + at] + b[a + at]
    precision[4] -= 1.0 / xx
    precision[7] -= 1.0 / vv
    precision[9] -= 1.0 / ww
    logdet = invert(precision, 0, joint, PRECISIONS)
    if math.isnan(logdet):  # rounding, or a body that changed its size between the sides
        for at in range(10):
            precision[at] = f[a + at] + b[a + at]
        logdet = invert(precision, 0, joint, PRECISIONS)
    f0, f1, f2, f3 = times(f, a, f[0], f[1], f[2], f[3])
    b0, b1, b2, b3 = times(b, a, b[0], b[1], b[2], b[3])
    e0, e1, e2, e3 = f0 + b0, f1 + b1, f2 + b2, f3 + b3
    m0, m1, m2, m3 = times(joint, a, e0, e1, e2, e3)
    joint[0], joint[1], joint[2], joint[3] = m0, m1, m2, m3
    square = f[0] * f0 + f[1] * f1 + f[2] * f2 + f[3] * f3
    square += b[0] * b0 + b[1] * b1 + b[2] * b2 + b[3] * b3
    square -= m0 * e0 + m1 * e1 + m2 * e2 + m3 * e3
    # logdet is that of the joint precision, LOGDET those of the sides' covariances.
    half = -f[LOGDET] - b[LOGDET] + math.log(xx * vv * ww) - logdet - LOG_2PI - square
    return 0.5 * half
