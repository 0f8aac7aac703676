"""The compiled retro engine: a robust leave-one-out smoother over each person's whole series.

Every pass is a Kalman filter forwards and a disturbance smoother backwards (Durbin and Koopman,
Time Series Analysis by State Space Methods, ch. 4 and 7), which gives for each reading what all
others say of it. Readings are weighed by the mixture and the pass repeated. The result is a
function of the sorted series alone. Formulas: docs/judging.md, eq. 7-9.
"""

import math

import numpy as np

from weightstream.batch import Codes, Floats, Ints
from weightstream.engine.both_ways import backwards, forwards
from weightstream.engine.compiled import jit, kernel
from weightstream.engine.densities import interval_sd, valid_density
from weightstream.engine.kernel import (
    LEVEL,
    LEVEL_SD,
    MEAN,
    SD,
    SHIFT_FROM,
    SHIFT_TO,
    SUGGESTED,
    TREND,
    Bools,
    P,
)
from weightstream.engine.levels import take_back_bursts
from weightstream.engine.merging import mark_copies
from weightstream.engine.mixture import (
    COPY_RATE,
    LATTICE_KG,
    OK,
    OVERRIDE,
    REASON_COUNT,
    REPEAT,
    explain,
    likeliest,
)
from weightstream.engine.model import (
    ACCEPT,
    BIAS,
    HIGHEST,
    LEVEL_NOISE,
    LOWEST,
    NOISE_VAR,
    RATE,
    SHIFT_LEAST,
    TAIL_VAR,
    TREND_VAR,
    WATER_VAR,
)
from weightstream.engine.naming import (
    name_rejected,
)
from weightstream.engine.retro import (
    COPY_OF,
    FACTOR,
    JUMP,
    LOO,
    LOO_VAR,
    MISSING,
    NOISE,
    OFFSET,
    VALID,
    WEIGHED,
    WORK_SIZE,
    WRONG,
    Series,
)
from weightstream.engine.track import (
    TRACK_SIZE,
    conditions,
    copy,
)

PASSES = 6
PASSES_BEFORE_STEPS = 2
STILL = 1e-3  # change of p_valid below which another pass is not worth it
MUCH_REJECTED = 0.3  # share above which the rejected ones may be the right ones
AROUND = 0.1  # of a weight: where others on its course would lie
CENTRES = 100
SCATTER_READINGS = 12.0  # a person's own scatter is known from so many
SCATTER_CUT = 12.0
SCATTER_USUAL = 1.1  # mean of the cut z² of most persons: tails are in it


@jit
def rescale(k: Series, first: int, last: int) -> None:
    """Learn how much this person scatters, against others, and scale all variances by it.

    The mean of z² over readings accepted so far, cut at SCATTER_CUT, shrunk towards 1 (eq. 9).
    """
    total, count = SCATTER_USUAL * SCATTER_READINGS, SCATTER_READINGS
    for i in range(first, last):
        w = k.work[i - first]
        if w[WEIGHED] != MISSING:
            residual = k.weight[i] - w[LOO]
            total += min(residual * residual / (w[LOO_VAR] + w[NOISE]), SCATTER_CUT)
            count += 1.0
    scale = total / (count * SCATTER_USUAL)
    for position in (LEVEL_NOISE, TREND_VAR, WATER_VAR):
        k.p[position] *= scale
    for i in range(first, last):
        w = k.work[i - first]
        w[NOISE] *= scale
        w[LOO_VAR] *= scale


@jit
def outermost(k: Series, first: int, last: int) -> tuple[int, int, int, int]:
    """The first two and the last two rows that count; -1 where there are not so many."""
    a, b, y, z = -1, -1, -1, -1
    for i in range(first, last):
        if k.work[i - first, WEIGHED] != MISSING:
            if a < 0:
                a = i
            elif b < 0:
                b = i
            y, z = z, i
    return a, b, y, z


@jit
def open_gap(days: Floats, i: int, ends: tuple[int, int, int, int]) -> float:
    """Days from reading i to the nearest that counts if none counts on its other side, else 0."""
    a, b, y, z = ends
    before = z if z < i else y
    after = a if a > i else b
    if a >= i and after > i:
        return days[after] - days[i]
    if z <= i and 0 <= before < i:
        return days[i] - days[before]
    return 0.0


@jit
def weigh(k: Series, first: int, last: int) -> float:
    """Judge each reading by what all others say of it; returns the largest change of p_valid."""
    change = 0.0
    p = k.p
    ends = outermost(k, first, last)
    for i in range(first, last):
        w, s, kg = k.work[i - first], k.table[k.source[i]], k.weight[i]
        variance = w[LOO_VAR] + w[NOISE]
        valid, usual = valid_density(kg - w[LOO], variance, open_gap(k.day, i, ends), p)
        valid *= s[RATE + OK]
        if kg < p[LOWEST] or kg > p[HIGHEST]:
            valid = 0.0
        wrong = explain(kg, w[LOO], variance, s, p, k.density, k.undone)
        if w[COPY_OF] >= 0.0:  # a second weighing would hardly show the same number
            valid = (1.0 - COPY_RATE) * min(valid, 1.0 / LATTICE_KG)
            k.density[REPEAT] = COPY_RATE / LATTICE_KG
            wrong += k.density[REPEAT]
        w[VALID], w[WRONG] = valid, wrong
        probability = valid / (valid + wrong) if k.forced[i] == 0 else 0.5 + 0.5 * k.forced[i]
        change = max(change, abs(probability - k.out[i, P]))
        k.out[i, P] = probability
        w[WEIGHED] = MISSING
        if probability >= p[ACCEPT] and w[COPY_OF] < 0.0:
            precision = usual / w[NOISE] + (1.0 - usual) / (w[NOISE] + p[TAIL_VAR])
            w[WEIGHED] = 1.0 / (probability * precision)
        k.reason[i] = likeliest(k.density)
        k.out[i, SUGGESTED] = k.undone[k.reason[i]]
    return change


@jit
def conclude(k: Series, first: int, last: int) -> None:
    counted = 0
    for i in range(first, last):
        w, row = k.work[i - first], k.out[i]
        k.accepted[i] = w[WEIGHED] != MISSING
        counted += k.accepted[i]
        row[MEAN], row[SD] = w[LOO], interval_sd(w[LOO_VAR] + w[NOISE], k.p)
        row[SHIFT_FROM] = row[SHIFT_TO] = np.nan
        if w[JUMP] == 1.0:
            row[SHIFT_FROM], row[SHIFT_TO] = k.out[i - 1, LEVEL], row[LEVEL]
    for i in range(first, last):
        row = k.out[i]
        if counted == 0 or (counted == 1 and k.accepted[i]):
            row[MEAN] = row[SD] = np.nan
        if counted == 0:
            row[LEVEL] = row[LEVEL_SD] = row[TREND] = np.nan
        if k.accepted[i]:
            k.reason[i] = OK
            row[SUGGESTED] = np.nan
        if k.forced[i] != 0:
            k.reason[i] = OVERRIDE
            row[SUGGESTED] = np.nan
    name_rejected(k, first, last)


@jit
def prepare(k: Series, first: int, last: int) -> None:
    """Start from the causal verdicts and levels, which `conclude` has not yet replaced."""
    copy(k.p, k.usual, len(k.p))
    for i in range(first, last):
        w, s = k.work[i - first], k.table[k.source[i]]
        factor, offset, extra = conditions(k.day[i], k.hour[i], k.p)
        w[FACTOR], w[OFFSET], w[NOISE] = factor, offset + s[BIAS], s[NOISE_VAR] + extra
        w[JUMP] = 0.0 if math.isnan(k.out[i, SHIFT_TO]) else 1.0
        w[WEIGHED] = w[NOISE] if k.accepted[i] and w[COPY_OF] < 0.0 else MISSING


@jit
def run_passes(k: Series, first: int, last: int) -> float:
    """Returns the log likelihood of the readings, each given all others, less that of steps."""
    for turn in range(PASSES):
        forwards(k, first, last)
        backwards(k, first, last)
        if turn == 0:
            rescale(k, first, last)
        change = weigh(k, first, last)
        if turn == PASSES_BEFORE_STEPS and take_back_bursts(k, first, last):
            change = 1.0
        if turn > PASSES_BEFORE_STEPS and change < STILL:
            break
    evidence = 0.0
    for i in range(first, last):
        w = k.work[i - first]
        evidence += math.log(w[VALID] + w[WRONG])
        if w[JUMP] == 1.0:
            evidence += math.log(k.p[SHIFT_LEAST])
    return evidence


@jit
def judged_out(k: Series, i: int, first: int) -> bool:
    """Whether reading i is rejected for its weight: by no person, and not as a copy."""
    w = k.work[i - first]
    return w[WEIGHED] == MISSING and w[COPY_OF] < 0.0 and k.forced[i] == 0


@jit
def crowded(k: Series, first: int, last: int) -> float:
    """The rejected weight that most other rejected ones are near; looks at some CENTRES of them."""
    best, most = 0.0, -1
    for i in range(first, last, max((last - first) // CENTRES, 1)):
        centre = k.weight[i]
        plausible = k.p[LOWEST] <= centre <= k.p[HIGHEST]
        if not plausible or not judged_out(k, i, first):
            continue
        near = 0
        for n in range(first, last):
            near += judged_out(k, n, first) and abs(k.weight[n] - centre) < AROUND * centre
        if near > most:
            best, most = centre, near
    return best


@jit
def start_from_rejected(k: Series, first: int, last: int) -> bool:
    """Start instead from what was rejected, where that is much; says whether it is.

    A start confused by errors can make them the person's course, and reject the right readings.
    """
    rejected, copies = 0, 0
    for i in range(first, last):
        rejected += judged_out(k, i, first)
        copies += k.work[i - first, COPY_OF] >= 0.0
    if rejected < 3 or rejected < MUCH_REJECTED * (last - first - copies):
        return False
    middle = crowded(k, first, last)
    prepare(k, first, last)
    for i in range(first, last):
        w = k.work[i - first]
        w[JUMP] = 0.0
        near = abs(k.weight[i] - middle) < AROUND * middle
        counts = (near and w[COPY_OF] < 0.0) if k.forced[i] == 0 else k.forced[i] > 0
        w[WEIGHED] = w[NOISE] if counts else MISSING
    return True


@jit
def smooth(k: Series, first: int, last: int) -> None:
    """All passes over one person's rows first:last; out, accepted hold the causal results."""
    mark_copies(k, first, last)
    prepare(k, first, last)
    evidence = run_passes(k, first, last)
    if start_from_rejected(k, first, last) and run_passes(k, first, last) <= evidence:
        prepare(k, first, last)
        run_passes(k, first, last)
    forwards(k, first, last)
    backwards(k, first, last)
    conclude(k, first, last)


@kernel(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int8[::1],"
    " float64[::1], float64[:, ::1], float64[:, ::1], boolean[::1], int8[::1], float64[:, ::1])",
)
def smooth_kernel(
    indptr: Ints, day: Floats, hour: Floats, weight: Floats, source: Ints, forced: Codes,
    process: Floats, table: Floats, out: Floats, accepted: Bools, reason: Codes, tally: Floats,
) -> None:  # fmt: skip
    """All persons of a batch; out, accepted and reason hold the causal results and are revised.

    tally: (S, REASON_COUNT), to which the expected number of errors by source and reason is added.
    """
    longest = 0
    for u in range(len(indptr) - 1):
        longest = max(longest, indptr[u + 1] - indptr[u])
    work = np.zeros((longest, WORK_SIZE))
    x = np.zeros(TRACK_SIZE)
    scratch = np.zeros((2, REASON_COUNT))
    k = Series(
        day, hour, weight, source, forced, process, process.copy(), table, out, accepted, reason,
        work, x, tally, scratch[0], scratch[1],
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        if indptr[u + 1] > indptr[u]:
            smooth(k, indptr[u], indptr[u + 1])
