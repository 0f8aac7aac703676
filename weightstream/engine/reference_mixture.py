"""The mixture again in plain Python: the oracle of the compiled one. It shares only constants."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, floor, isclose, nan, pi, sqrt

from weightstream.batch import Floats
from weightstream.engine import mixture as x
from weightstream.engine import model as m
from weightstream.schema import REASONS


@dataclass
class Explanation:
    """Prior times density of an error at a reading, and the right value where it can be had."""

    density: float = 0.0
    undone: float = nan
    best: float = -1.0  # the largest density that was added


Explanations = dict[str, Explanation]


def normal(residual: float, variance: float) -> float:
    q = residual * residual / variance  # ** would overflow with an error instead of to infinity
    return 0.0 if q > x.FAR else exp(-q / 2) / sqrt(2 * pi * variance)


def valid_density(residual: float, variance: float, gap: float, p: Floats) -> tuple[float, float]:
    """Density of a right reading, and the share of it that is not the wide tail.

    gap: days over which the level may have leapt; NaN at the first reading.
    """
    tail = p[m.TAIL_SHARE]
    leap = min(gap * p[m.LEAP_PER_DAY], p[m.LEAP_SHARE]) if gap > 0 else 0.0
    core = (1 - tail - leap) * normal(residual, variance)
    core += leap * normal(residual, variance + p[m.LEAP_VAR])
    both = core + tail * normal(residual, variance + p[m.TAIL_VAR])
    return both, core / both if both > 0 else 0.0


def explain(w: float, mean: float, variance: float, s: Floats, p: Floats) -> Explanations:
    """Every error by name; readings that are surely near need no named one."""
    found = {reason: Explanation() for reason in REASONS}
    residual = w - mean
    if residual * residual > x.NEAR * variance or variance > x.NEAR_VAR:
        for reason, share, undone, jacobian in _undoable(w, mean, p):
            density = share * jacobian * right(undone - mean, variance, p)
            _add(found[reason], density, undone)
        for unit, typed in _units(w, p):
            found["height_as_weight"].density += typed * _height(w, unit, p)
            found["bmi_as_weight"].density += typed * _bmi(w, unit, mean, variance)
    if p[m.LOWEST] <= w <= p[m.HIGHEST]:
        found["other_person"].density = normal(w - m.OTHERS_KG[0], m.OTHERS_KG[1] ** 2)
        reach = x.LOCAL_REACH * mean
        near = exp(-(((w - mean) / reach) ** 4)) / (x.LOCAL_AREA * reach)
        anywhere = 1 / (p[m.HIGHEST] - p[m.LOWEST])
        found["outlier"].density = x.LOCAL_SHARE * near + (1 - x.LOCAL_SHARE) * anywhere
    else:
        low = p[m.LOWEST]
        found["implausible"].density = 0.5 / (low if w < low else x.DECADES * w)
    for number, reason in enumerate(REASONS):
        found[reason].density *= s[m.RATE + number]
    return found


def total(found: Explanations) -> float:
    return sum(explanation.density for explanation in found.values())


def likeliest(found: Explanations) -> str:
    best = max(found, key=lambda reason: found[reason].density)
    return best if found[best].density > found["outlier"].density else "outlier"


def _add(explanation: Explanation, density: float, undone: float) -> None:
    """Several ways lead to one error; the likeliest gives the value."""
    if density > explanation.best:
        explanation.undone = undone
        explanation.best = density
    explanation.density += density


def right(residual: float, variance: float, p: Floats) -> float:
    """Density of a right value, without leaps."""
    return valid_density(residual, variance, 0.0, p)[0]


def _undoable(w: float, mean: float, p: Floats) -> Iterator[tuple[str, float, float, float]]:
    """Reason, share among the ways of this error, the value undone, and its derivative by w."""
    yield "unit_lb_as_kg", 1.0, w * x.LB, x.LB
    yield "unit_kg_as_lb", 1.0, w / x.LB, 1 / x.LB
    yield "decimal_shift", 0.4, 10 * w, 10.0
    yield "decimal_shift", 0.6, w / 10, 0.1
    for (unit, typed), ways in zip(_units(w, p), (x.HUNDREDS, x.HUNDREDS_LB), strict=True):
        least = x.LEADING * unit
        possible = [way for way in ways if way[0] < 0 or mean - way[0] >= least]
        for amount, share in possible:
            if amount < 0 or w >= least:
                part = share / sum(other for _, other in possible)
                yield "hundreds_off", typed * part, w + amount, 1.0
    for unit, typed in _units(w, p):
        tenths = round(10 * w / unit)
        if tenths > 9999 or abs(tenths * unit - 10 * w) > 0.051:
            continue
        for power, share in zip((1, 10, 100), x.SWAP_SHARES, strict=True):
            low, high = tenths // power % 10, tenths // (10 * power) % 10
            begins_with_0 = low == 0 and tenths < 100 * power
            if low != high and not begins_with_0:
                changed = tenths + 9 * power * (low - high)
                yield "digit_swap", typed * share, changed * unit / 10, 1.0


def _units(w: float, p: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """kg and pounds in kg, each with the probability that the number was typed in it."""
    in_pounds = _shows(10 * w / x.LB, x.CONVERTED)
    ratio = 1.0
    if _shows(10 * w, x.STATED):
        ratio = x.IN_BOTH if in_pounds else 0.0
    elif in_pounds and (_shows(100 * w, x.STATED) or _shows(100 * w / x.LB, x.STATED)):
        ratio = x.IN_POUNDS
    odds = ratio * p[m.POUNDS] / (1 - p[m.POUNDS])
    pounds = max(odds / (1 + odds), x.LEAST_LB)
    return (1.0, 1 - pounds), (x.LB, pounds)


def _shows(steps: float, tolerance: float) -> bool:
    return abs(steps - floor(steps + 0.5)) < tolerance


def _height(w: float, unit: float, p: Floats) -> float:
    cm, sd = 100 * m.HEIGHT_M[0], 100 * m.HEIGHT_M[1]
    share, tolerance = (x.INCHES_FOR_KG, 1e-6) if unit == 1 else (x.INCHES_FOR_LB, 0.012)
    number = w / unit
    inches = share * normal(number - cm / 2.54, (sd / 2.54) ** 2)
    either = inches + (1 - share) * normal(number - cm, sd**2)
    return either / unit * _whole(number, tolerance, p[m.WHOLES])


def _bmi(w: float, unit: float, mean: float, variance: float) -> float:
    square = m.HEIGHT_M[0] ** 2
    blur = 2 * m.HEIGHT_M[1] / m.HEIGHT_M[0] * mean
    return square / unit * normal(w / unit * square - mean, blur**2 + variance)


def _whole(value: float, tolerance: float, usual: float) -> float:
    is_whole = isclose(value, floor(value + 0.5), rel_tol=0, abs_tol=tolerance)
    return x.WHOLE_SHARE / usual if is_whole else (1 - x.WHOLE_SHARE) / (1 - usual)
