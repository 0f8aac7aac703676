"""What a reading may be: valid, one of the named errors, or unexplained. Compiled.

Every named error is a transform of the right value that can be undone: its density at a reading
is the right value's density at the undone value, times the Jacobian of undoing, times how often
the source errs so (docs/judging.md, eq. 4-6).
"""

import math
from typing import Any

import numpy as np

from weightstream.engine.compiled import jit
from weightstream.engine.growth_curve import GROWN_DAYS, log_median
from weightstream.engine.process import scatter
from weightstream.engine.records import Records
from weightstream.parsing.units import POUND_KG
from weightstream.schema import REASONS

OK = REASONS.index("ok")
UNIT_LB_AS_KG = REASONS.index("unit_lb_as_kg")
UNIT_KG_AS_LB = REASONS.index("unit_kg_as_lb")
DECIMAL_SHIFT = REASONS.index("decimal_shift")
HUNDREDS_OFF = REASONS.index("hundreds_off")
DIGIT_SWAP = REASONS.index("digit_swap")
HEIGHT = REASONS.index("height_as_weight")
BMI_TYPED = REASONS.index("bmi_as_weight")
OTHER_PERSON = REASONS.index("other_person")
WRONG_DATE = REASONS.index("wrong_date")
REPEAT = REASONS.index("repeat")
IMPLAUSIBLE = REASONS.index("implausible")
OUTLIER = REASONS.index("outlier")
OVERRIDE = REASONS.index("override")
REASON_COUNT = len(REASONS)

LOWEST, HIGHEST = 1.0, 700.0
"""Limits of possible body weights, kg."""
ADULT_MEAN_KG = 85.0
FIRST_SPREAD = 0.26
"""SD of first weights as a share of their mean."""
ADULTS, ADULT_KG, ADULT_SPREAD = 0.88, 82.0, 0.26
"""Share of adults among first valid readings, their median, the SD of the logarithm;"""
CHILDREN, CHILD_KG = 0.11, (1.5, 60.0)
"""share of children, log-uniform between these;"""
HEAVY, HEAVY_KG, HEAVY_POWER = 0.01, 150.0, 4.0
"""share of heavy bodies, whose tail is a power law from HEAVY_KG on."""
CHILD_SPREADS, CHILD_TAIL = (0.12, 0.2), (0.1, 0.45)
"""SD of the logarithm of children's weights of one age, of newborns and from SPREAD_DAYS on (from
the centiles of WHO 2006 and CDC 2000); share of children beyond that, and their SD."""
SPREAD_DAYS = 3650.0
AGE_TRUST = 0.99
"""Probability that a birth date is the person's."""
UNKNOWN = math.inf
"""Variance of a right value before a person's first valid reading."""
OTHERS_KG = (82.0, 20.0)
"""Of another person who stands on the scale."""
HEIGHT_M = (1.70, 0.095)
LB = float(POUND_KG)
ROOT_2PI = math.sqrt(2.0 * math.pi)
FAR = 80.0  # squared SDs from which a density counts as 0
NEAR, NEAR_VAR = 9.0, 9.0  # so near, and so surely, no error that can be undone has a say

# Hundreds added or left out, and how often each: in the unit that the number was typed in.
HUNDREDS = np.array(
    [(sign * 100.0 * n, share) for n, share in ((1, 0.43), (2, 0.07)) for sign in (-1, 1)]
)
HUNDREDS_LB = np.array(
    [
        (sign * 100.0 * n * LB, share)
        for n, share in ((1, 0.36), (2, 0.07), (3, 0.07))
        for sign in (-1, 1)
    ]
)
IN_BOTH, IN_POUNDS = 0.41, 9.3
"""How much likelier a number typed in pounds shows tenths in both units, and in pounds alone (a
system may have made kg of it, with two decimals) than one typed in kg."""
LEAST_LB = 0.05
"""The least probability that a number was typed in pounds: a system may have made tenths of a kg
of it."""
STATED, CONVERTED = 1e-6, 0.12  # how near a tenth is one: as stated, and after such a rounding
POWERS = np.array([1.0, 10.0, 100.0])  # neighbouring digits that swap, in tenths
SWAP_SHARES = np.array([0.1, 0.6, 0.3])
DECADES = 2.0 * math.log(10.0)  # from 700 kg up, over which nonsense lies
LOCAL_SHARE = 0.9  # of unexplained readings: off by some LOCAL_REACH of the right value at most
LOCAL_REACH = 0.4
LOCAL_AREA = 1.8128  # integral of exp(-x^4)
COPY_DAYS = 120.0 / 86400.0  # one weighing through several apps comes within two minutes
COPY_KG = 0.011  # and differs by no more than rounding
COPY_RATE = 0.9  # such a pair from two sources is one weighing, that often
LATTICE_KG = 0.1  # what scales show
INCHES_FOR_LB, INCHES_FOR_KG = 0.8, 0.15  # of heights typed for a weight; the others are cm
WHOLE_SHARE = 0.85  # of heights are typed as whole numbers
LEADING = 10.0  # a number without its hundreds is at least this: none begins with 0


@jit
def normal(residual: float, variance: float) -> float:
    q = residual * residual / variance
    if q > FAR:
        return 0.0
    return math.exp(-0.5 * q) / (ROOT_2PI * math.sqrt(variance))


@jit
def of_age(kg: float, p: Any) -> float:
    """Density of the weight of a child of the person's age."""
    off = math.log(kg) - log_median(p.age, p)
    low, high = CHILD_SPREADS
    sd = low + (high - low) * min(max(p.age, 0.0) / SPREAD_DAYS, 1.0)
    share, wide = CHILD_TAIL
    return ((1.0 - share) * normal(off, sd * sd) + share * normal(off, wide * wide)) / kg


@jit
def birth_density(kg: float, p: Any) -> float:
    """Density of a person's first valid reading: of adults, children and heavy bodies; of those of
    an age where it is known."""
    if not LOWEST <= kg <= HIGHEST:
        return 0.0
    grown = ADULTS * normal(math.log(kg / ADULT_KG), ADULT_SPREAD**2) / kg
    if kg >= HEAVY_KG:
        grown += HEAVY * HEAVY_POWER / kg * (HEAVY_KG / kg) ** HEAVY_POWER
    low, high = CHILD_KG
    child = CHILDREN / (math.log(high / low) * kg) if low <= kg <= high else 0.0
    if math.isnan(p.age):
        return grown + child
    own = of_age(kg, p) if p.age < GROWN_DAYS else grown / (ADULTS + HEAVY)
    return AGE_TRUST * own + (1.0 - AGE_TRUST) * (grown + child)


@jit
def first_mean(p: Any) -> float:
    """Usual weight of a person of whom nothing but perhaps the age is known."""
    if math.isnan(p.age) or p.age >= GROWN_DAYS:
        return ADULT_MEAN_KG
    return math.exp(log_median(p.age, p))


@jit
def right(kg: float, mean: float, variance: float, p: Any) -> float:
    """Density of a right value, by the usual scatter and the tail (eq. 3), or of a first one."""
    if variance == UNKNOWN:
        return birth_density(kg, p)
    core = (1.0 - p.tail_share) * normal(kg - mean, variance)
    tail = p.tail_var * scatter(mean) ** 2
    return core + p.tail_share * normal(kg - mean, variance + tail)


@jit
def whole(value: float, tolerance: float, usual: float) -> float:
    """How much likelier a height shows this number, where `usual` of other values are whole."""
    if abs(value - round(value)) < tolerance:
        return WHOLE_SHARE / usual
    return (1.0 - WHOLE_SHARE) / (1.0 - usual)


@jit
def swapped(tenths: float, power: float) -> float:
    """A number in tenths with the digits at power and 10 * power changed over.

    Itself if they are equal, or if it would begin with 0: nobody has such a number to mistype.
    """
    low = math.floor(tenths / power) % 10.0
    if low == 0.0 and tenths < 100.0 * power:
        return tenths
    high = math.floor(tenths / (10.0 * power)) % 10.0
    return tenths + (low - high) * 9.0 * power


@jit
def shows(steps: float, tolerance: float) -> bool:
    return abs(steps - round(steps)) < tolerance


@jit
def pounds_ratio(w: float) -> float:
    """How much likelier w kg shows these decimals if typed in pounds than if typed in kg."""
    in_pounds = shows(10.0 * w / LB, CONVERTED)
    if shows(10.0 * w, STATED):
        return IN_BOTH if in_pounds else 0.0
    decimals = shows(100.0 * w, STATED) or shows(100.0 * w / LB, STATED)
    return IN_POUNDS if decimals and in_pounds else 1.0


@jit
def typed_in_pounds(w: float, usual: float) -> float:
    """Probability that the number behind w kg was typed in pounds, as `usual` of them are."""
    odds = pounds_ratio(w) * usual
    return max(odds / (odds + 1.0 - usual), LEAST_LB)


@jit
def explain_swap(
    w: float, mean: float, variance: float, pounds: float, p: Any, errors: Records
) -> float:
    """Density of two neighbouring digits swapped, in kg or in pounds, shown to a tenth."""
    total = 0.0
    best = 0.0
    for unit, share in ((1.0, 1.0 - pounds), (LB, pounds)):
        tenths = round(10.0 * w / unit)
        if abs(tenths * unit - 10.0 * w) > 0.051 or tenths > 9999.0:
            continue
        for k in range(3):
            x = swapped(tenths, POWERS[k])
            if x == tenths:
                continue
            x *= 0.1 * unit
            density = share * SWAP_SHARES[k] * right(x, mean, variance, p)
            total += density
            if density > best:
                best = density
                errors[DIGIT_SWAP].undone = x
    return total


@jit
def explain_hundreds(
    w: float, mean: float, variance: float, pounds: float, p: Any, errors: Records
) -> float:
    """Density of hundreds too many or left out; only those that are there can be left out."""
    total = 0.0
    best = 0.0
    for table, unit, typed in ((HUNDREDS, 1.0, 1.0 - pounds), (HUNDREDS_LB, LB, pounds)):
        possible, own = 0.0, 0.0
        for k in range(table.shape[0]):
            missing = table[k, 0]
            if missing > 0.0 and variance < UNKNOWN and mean - missing < LEADING * unit:
                continue
            possible += table[k, 1]
            if missing > 0.0 and w < LEADING * unit:
                continue
            density = typed * table[k, 1] * right(w + missing, mean, variance, p)
            own += density
            if density > best:
                best = density
                errors[HUNDREDS_OFF].undone = w + missing
        total += own / possible
    return total


@jit
def explain_height(w: float, pounds: float, p: Any) -> float:
    """Height typed where weight belongs, in cm or inches, in the place of kg or of pounds."""
    cm, sd = 100.0 * HEIGHT_M[0], 100.0 * HEIGHT_M[1]
    total = 0.0
    for unit, typed, inches, tolerance in (
        (1.0, 1.0 - pounds, INCHES_FOR_KG, 1e-6),
        (LB, pounds, INCHES_FOR_LB, 0.012),
    ):
        number = w / unit
        density = inches * normal(number - cm / 2.54, (sd / 2.54) ** 2)
        density += (1.0 - inches) * normal(number - cm, sd * sd)
        total += typed * density / unit * whole(number, tolerance, p.wholes)
    return total


@jit
def explain_bmi(w: float, mean: float, variance: float, pounds: float) -> float:
    """BMI typed where weight belongs: right value over height², taken for kg or for pounds."""
    if variance == UNKNOWN:
        variance = (FIRST_SPREAD * mean) ** 2
    square = HEIGHT_M[0] ** 2
    blur = 2.0 * HEIGHT_M[1] / HEIGHT_M[0] * mean
    spread = blur * blur + variance
    in_kg = square * normal(w * square - mean, spread)
    in_pounds = square / LB * normal(w / LB * square - mean, spread)
    return (1.0 - pounds) * in_kg + pounds * in_pounds


@jit
def explain_named(w: float, mean: float, variance: float, p: Any, errors: Records) -> None:
    """Densities of the errors that can be undone, and of height and BMI."""
    pounds = typed_in_pounds(w, p.pounds)
    errors[UNIT_LB_AS_KG].density = LB * right(w * LB, mean, variance, p)
    errors[UNIT_LB_AS_KG].undone = w * LB
    errors[UNIT_KG_AS_LB].density = right(w / LB, mean, variance, p) / LB
    errors[UNIT_KG_AS_LB].undone = w / LB
    tenth = 0.6 * 0.1 * right(0.1 * w, mean, variance, p)
    tenfold = 0.4 * 10.0 * right(10.0 * w, mean, variance, p)
    errors[DECIMAL_SHIFT].density = tenth + tenfold
    errors[DECIMAL_SHIFT].undone = 0.1 * w if tenth > tenfold else 10.0 * w
    errors[HUNDREDS_OFF].density = explain_hundreds(w, mean, variance, pounds, p, errors)
    errors[DIGIT_SWAP].density = explain_swap(w, mean, variance, pounds, p, errors)
    errors[HEIGHT].density = explain_height(w, pounds, p)
    errors[BMI_TYPED].density = explain_bmi(w, mean, variance, pounds)


@jit
def slope_of(kind: int) -> float:
    """What a reading in the other unit shows, over its right value; 1 for other kinds."""
    if kind == UNIT_LB_AS_KG:
        return 1.0 / LB
    return LB if kind == UNIT_KG_AS_LB else 1.0


@jit
def nonsense(w: float) -> float:
    """Density of an implausible value: evenly below LOWEST, in its logarithm above HIGHEST."""
    return 0.5 / (LOWEST if w < LOWEST else DECADES * w)


@jit
def of_stranger(w: float) -> float:
    """Density of another person's weight."""
    return normal(w - OTHERS_KG[0], OTHERS_KG[1] ** 2)


@jit
def unexplained(w: float, mean: float) -> float:
    """Density of an error without a name."""
    off = (w - mean) / (LOCAL_REACH * mean)
    local = math.exp(-(off**4)) / (LOCAL_AREA * LOCAL_REACH * mean)
    return LOCAL_SHARE * local + (1.0 - LOCAL_SHARE) / (HIGHEST - LOWEST)


@jit
def explain(w: float, mean: float, variance: float, s: Any, p: Any, errors: Records) -> float:
    """Prior times density of each error at reading w, where valid ones are N(mean, variance).

    variance: UNKNOWN before a person's first right reading; then mean is first_mean.

    errors: (REASON_COUNT,) of ERROR; density and undone are written. Returns the sum of densities.
    """
    for k in range(REASON_COUNT):
        errors[k].density = 0.0
        errors[k].undone = math.nan
    residual = w - mean
    if residual * residual > NEAR * variance or variance > NEAR_VAR:
        explain_named(w, mean, variance, p, errors)
    if LOWEST <= w <= HIGHEST:
        errors[OTHER_PERSON].density = of_stranger(w)
        errors[OUTLIER].density = unexplained(w, mean)
    else:
        errors[IMPLAUSIBLE].density = nonsense(w)
    total = 0.0
    for k in range(1, REASON_COUNT):
        errors[k].density *= s.rate[k]
        total += errors[k].density
    return total


@jit
def likeliest(errors: Records) -> int:
    best = OUTLIER
    for k in range(1, REASON_COUNT):
        if errors[k].density > errors[best].density:
            best = k
    return best


@jit
def most_undone(errors: Records) -> int:
    """Return the likeliest of the errors from whose value a course can start."""
    best = 1
    for reason in range(2, HUNDREDS_OFF + 1):
        if errors[reason].density > errors[best].density:
            best = reason
    return best
