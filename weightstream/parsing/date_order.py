"""Dates like 03/04/2024: finding from other dates whether the day or the month comes first."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from weightstream.parsing.digits import buffers, by_shape, field_of, matrix, with_plain_spaces
from weightstream.parsing.layouts import DateOrder, layout_of
from weightstream.parsing.times import is_doubtful

_HANDFUL = 0.1
"""The largest share of dates in the other order that count as mistakes."""


@dataclass(frozen=True)
class OrderEvidence:
    """The number of dates like 03/04/2024, by what they prove.

    dmy, mdy: dates with only this order. either: dates that are possible in both orders, with two
    different days; short: those of them that may begin with the year too, like 24-01-31. other:
    times of an unambiguous layout.
    """

    dmy: int = 0
    mdy: int = 0
    either: int = 0
    other: int = 0
    short: int = 0

    def __add__(self, more: "OrderEvidence") -> "OrderEvidence":
        return OrderEvidence(
            self.dmy + more.dmy,
            self.mdy + more.mdy,
            self.either + more.either,
            self.other + more.other,
            self.short + more.short,
        )

    @property
    def order(self) -> DateOrder | None:
        """Return the order that all but a few dates prove, or None."""
        least, most = sorted((self.dmy, self.mdy))
        if most == 0 or least > _HANDFUL * most:
            return None
        return "dmy" if self.dmy == most else "mdy"


def order_evidence(texts: pa.StringArray) -> OrderEvidence:
    """Count what N texts prove about dates like 03/04/2024."""
    total = OrderEvidence()
    texts = with_plain_spaces(texts)
    for shape, members in by_shape(texts):
        layout = layout_of(shape)
        if layout is None:
            continue
        if not layout.has("a"):
            total += OrderEvidence(other=len(members))
            continue
        digits = matrix(texts.take(pa.array(members)), len(shape))
        first, second = field_of(digits, layout, "a"), field_of(digits, layout, "b")
        either = is_doubtful(first, second, layout)
        dmy = ~either & (first > 12) & (first <= 31) & (second <= 12)
        mdy = ~either & (second > 12) & (second <= 31) & (first <= 12)
        open_ones = int(np.count_nonzero(either))
        total += OrderEvidence(
            int(np.count_nonzero(dmy)),
            int(np.count_nonzero(mdy)),
            open_ones,
            short=open_ones if layout.digits("y") == 2 and layout.has_dashes else 0,
        )
    return total


def may_need_order(texts: pa.StringArray) -> bool:
    """Return whether some text could be a date like 03/04/2024; cheap, with false positives."""
    offsets, data = buffers(texts)
    if len(data) == 0:
        return False
    if np.any(data == ord("/")):
        return True
    start, length = offsets[:-1], np.diff(offsets)
    near = np.minimum(start[length > 2], len(data) - 3)
    return bool(np.any(data[near + 1] == ord("-")) or np.any(data[near + 2] == ord("-")))
