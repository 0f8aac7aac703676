"""Explaining a rejected reading in one sentence, with the same words everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeGuard

DOUBT = ("p_reason", "second_reason", "p_second")
"""Columns of the export, in the order of the arguments of `second_clause`."""

EXPLAINED_BY = (
    "reason",
    "weight_kg",
    "expected_lo_kg",
    "expected_hi_kg",
    "suggested_kg",
    "p_valid",
    *DOUBT,
)
"""Columns of the export, in the order of the arguments of `explain`."""

LOOKS_LIKE = {
    "unit_lb_as_kg": "looks like pounds read as kg",
    "unit_kg_as_lb": "looks like kg read as pounds",
    "decimal_shift": "looks like a decimal point out of place",
    "hundreds_off": "looks like a hundred too many or too few",
    "digit_swap": "looks like two digits swapped",
    "height_as_weight": "looks like a height",
    "bmi_as_weight": "looks like a body-mass index",
    "other_person": "looks like another person",
    "wrong_date": "looks like a reading of another day",
    "repeat": "repeats the weighing before it",
    "implausible": "is not a possible body weight",
    "outlier": "fits no explanation",
}
"""Words by reason, for the reasons against a reading."""

LIKELY = 0.6
"""If the reason's share among all possible errors is smaller, a second reason is almost as likely.
"""

HUMAN_REASON_TEXTS = {
    "override": "a reviewer decided so",
    "superseded": "the source corrected this record",
    "retracted": "the source retracted this record",
}
"""Words by reason, for reasons that do not come from the engine."""


def explain(
    reason: str,
    weight_kg: float,
    expected_lo_kg: float | None,
    expected_hi_kg: float | None,
    suggested_kg: float | None,
    p_valid: float | None,
    p_reason: float | None = None,
    second_reason: str | None = None,
    p_second: float | None = None,
) -> str:
    """Explain a rejected reading in one sentence; empty for an accepted one.

    The arguments have the names of the export's columns. kg; None or NaN if there is none. The
    probability in the sentence is that the reading is wrong.
    p_reason, p_second: probability of the reason, and of the next likeliest one, among all errors
    that it may be. If p_reason is below LIKELY the sentence says "possibly" and gives both.
    "expected 82.1-84.3 kg; 183.0 looks like pounds read as kg: 83.0 kg; probability 0.998"
    """
    if reason in HUMAN_REASON_TEXTS:
        return HUMAN_REASON_TEXTS[reason]
    if reason not in LOOKS_LIKE:
        return ""
    parts = []
    if _is_number(expected_lo_kg) and _is_number(expected_hi_kg):
        parts.append(f"expected {_kg(expected_lo_kg)}-{_kg(expected_hi_kg)} kg")
    possibly = "possibly " if is_doubtful(p_reason) else ""
    annotations = f"{_kg(weight_kg)} {possibly}{LOOKS_LIKE[reason]}"
    if _is_number(suggested_kg):
        annotations += f": {_kg(suggested_kg)} kg"
    annotations += second_clause(p_reason, second_reason, p_second)
    parts.append(annotations)
    if _is_number(p_valid):
        parts.append(f"probability {below_one(1.0 - p_valid)}")
    return "; ".join(parts)


def explain_rows(columns: Mapping[str, Sequence[Any]], rows: Iterable[int]) -> list[str]:
    """Explain the given rows of columns of the export, which are lists or arrays of N values."""
    own = [columns[name] for name in EXPLAINED_BY]
    return [explain(*(column[row] for column in own)) for row in rows]


def is_doubtful(p_reason: float | None) -> bool:
    """Return whether another reason is almost as likely."""
    return _is_number(p_reason) and p_reason < LIKELY


def second_clause(p_reason: float | None, second_reason: str | None, p_second: float | None) -> str:
    """Return ", or looks like another person (0.41)" if that is almost as likely as the reason."""
    if not is_doubtful(p_reason) or second_reason not in LOOKS_LIKE or not _is_number(p_second):
        return ""
    return f", or {LOOKS_LIKE[second_reason]} ({p_second:.2f})"


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and isfinite(value)


def _kg(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 1e6 else f"{value:.3g}"


def below_one(probability: float) -> str:
    """Return a probability with three places, never rounded up to certainty."""
    return "above 0.999" if probability > 0.999 else f"{probability:.3f}"
