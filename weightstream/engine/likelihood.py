"""How likely accepted readings are under a set of parameters. Compiled, for `learning`."""

import numpy as np

from weightstream.batch import Floats, Ints
from weightstream.engine.compiled import kernel
from weightstream.engine.densities import believed_noise, valid_density
from weightstream.engine.kernel import Bools
from weightstream.engine.model import BIAS, NOISE_VAR, SHIFT_VAR
from weightstream.engine.track import (
    DAY,
    LL,
    TRACK_SIZE,
    L,
    W,
    begin,
    conditions,
    predict,
    spread,
    update,
)


@kernel(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], boolean[::1],"
    " float64[::1], float64[:, ::1], float64[::1])",
)
def likelihood_kernel(
    indptr: Ints, day: Floats, hour: Floats, weight: Floats, source: Ints, jump: Bools,
    process: Floats, table: Floats, out: Floats,
) -> None:  # fmt: skip
    """out: (U,) log density of each person's readings given the first one; all count as right.

    jump: (N,) where a new level starts.
    """
    x = np.zeros(TRACK_SIZE)
    for u in range(len(indptr) - 1):
        out[u] = 0.0
        for i in range(indptr[u], indptr[u + 1]):
            s = table[source[i]]
            factor, offset, extra = conditions(day[i], hour[i], process)
            noise = s[NOISE_VAR] + extra
            y = weight[i] - offset - s[BIAS]
            if i == indptr[u]:
                begin(x, day[i], y, factor, noise, process)
                continue
            gap = day[i] - x[DAY]
            predict(x, day[i], process)
            if jump[i]:
                x[LL] += process[SHIFT_VAR]
            residual = y - factor * x[L] - x[W]
            state = spread(x, factor)
            density, usual = valid_density(residual, state + noise, gap, process)
            out[u] += np.log(max(density, 1e-300))
            update(x, residual, state + believed_noise(noise, usual, process), factor)
