"""Evidence from a whole file on its notation: the order of day and month, the decimal comma."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.parsing.date_order import OrderEvidence, may_need_order, order_evidence
from weightstream.parsing.decimals import CommaEvidence, comma_evidence, may_be_either
from weightstream.parsing.layouts import DateOrder
from weightstream.readers.assembling import plain
from weightstream.readers.block import NO_DIALECT, Dialect, ReadOptions

Scan = Callable[[], Iterator[tuple[Any, Any]]]
"""Reads the file once more: the times and the weights of each of its blocks."""


@dataclass
class Evidence:
    """Searches the whole file for evidence, once, and only if a block needs it.

    refuses: whether to refuse a file most of whose dates are ambiguous, instead of those rows.
    """

    where: str
    options: ReadOptions
    scan: Scan
    refuses: bool = True
    _dates: OrderEvidence | None = None
    _commas: CommaEvidence = field(default_factory=CommaEvidence)
    _lock: Any = field(default_factory=Lock)

    def dialect(self, times: Any, weights: Any) -> Dialect:
        """Return how to read the cells of a block.

        Raises InputError if most dates of the file are ambiguous, or if the file disproves --dates.
        """
        if self.options.every_row:
            return NO_DIALECT
        given = {"comma": True, "point": False}.get(self.options.decimal or "")
        comma = given
        if comma is None and any(map(may_be_either, _with_commas(weights))):
            self._ask()
            comma = self._commas.decimal_comma
        order = self.options.dates
        if order in (None, "dmy", "mdy") and may_need_order(_whole(times)):
            order = self._order()
        return Dialect(comma, order)

    def _order(self) -> DateOrder | None:
        found = self._ask()
        given = self.options.dates
        if given is not None:
            if found.order not in (None, given):
                raise InputError(
                    f"{self.where} has dates that prove the order {found.order}; leave"
                    f" --dates {given} out"
                )
            return given
        doubtful = found.order is None and found.either > found.other + found.dmy + found.mdy
        if doubtful and self.refuses and 2 * found.short > found.either:
            raise InputError(
                f"{self.where} writes dates like 24-01-31 and does not show whether the day, the"
                " month or the year comes first; give --dates dmy, --dates mdy or --dates ymd"
            )
        if doubtful and self.refuses:
            raise InputError(
                f"{self.where} writes dates like 03/04/2024 and does not show whether the day or"
                " the month comes first; give --dates dmy or --dates mdy"
            )
        return found.order

    def _ask(self) -> OrderEvidence:
        with self._lock:
            if self._dates is None:
                dates = OrderEvidence()
                for times, weights in self.scan():
                    dates += order_evidence(_whole(times))
                    self._commas += comma_evidence(pc.unique(plain(weights)))
                self._dates = dates
        return self._dates


def _whole(column: Any) -> pa.StringArray:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(pa.string())


def _with_commas(weights: Any) -> list[str]:
    """Distinct texts with a comma."""
    array = weights.combine_chunks() if isinstance(weights, pa.ChunkedArray) else weights
    texts = array.dictionary if pa.types.is_dictionary(array.type) else array.unique()
    commas = pc.match_substring(texts, ",").fill_null(False)
    return texts.filter(commas).to_pylist() if pc.any(commas).as_py() else []
