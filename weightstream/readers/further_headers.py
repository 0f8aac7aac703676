"""Further headers below the first: lines that repeat it, and those that begin another table."""

import re
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.readers.assembling import Assembled
from weightstream.readers.column_names import PLAIN, parse_name, time_fit
from weightstream.readers.columns import Choice

Cells = dict[int | str, Any]
"""Columns by their index, with "line" and perhaps others."""
_NO_DIGIT = r"^[^0-9]+$"


def without_headers(cells: Cells, choice: Choice, where: str) -> Cells:
    """Without lines that repeat the header, as where files were put one behind the other.

    Raises InputError for a line that begins a table of other columns: rows below are none of ours.
    """
    names = choice.all_names
    at = [*choice.time, *choice.weight]
    if not choice.time:
        return cells
    _refuse_another_header(cells, choice, where)
    if not _equal(cells[at[0]], names[at[0]]).any():
        return cells
    equal = [_equal(cells[index], names[index]) for index in at]
    same = np.logical_and.reduce(equal)
    other = np.flatnonzero(equal[0] & ~same)
    if len(other):
        raise _second_table(where, cells, int(other[0]))
    return {name: column.filter(pa.array(~same)) for name, column in cells.items()}


def skipped_with(assembled: Assembled, repeated: int) -> tuple[int, dict[str, int]]:
    """Return how many rows were skipped, and the kinds of them, with repeated headers."""
    more = {"header, repeated": repeated} if repeated else {}
    return assembled.skipped + repeated, dict(assembled.others) | more


def _refuse_another_header(cells: Cells, choice: Choice, where: str) -> None:
    """Raise InputError for a row with the names of other columns in place of time and weight."""
    time, weight = choice.time[0], choice.weight[0]
    worded = pc.match_substring_regex(cells[time].cast(pa.string()), _NO_DIGIT).fill_null(False)
    for row in np.flatnonzero(worded.to_numpy(zero_copy_only=False)).tolist():
        name, value = (str(cells[index][row].as_py() or "") for index in (time, weight))
        is_name = time_fit(parse_name(name)) == PLAIN and name.strip() != choice.all_names[time]
        if is_name and value and re.fullmatch(_NO_DIGIT, value):
            raise _second_table(where, cells, row)


def _second_table(where: str, cells: Cells, row: int) -> InputError:
    line = cells["line"][row].as_py()
    return InputError(
        f"{where} holds a second table, which begins in line {line}; save each as a file"
    )


def _equal(column: Any, name: str) -> npt.NDArray[np.bool_]:
    """(N,) whether a cell is the name of its column."""
    equal = pc.equal(pc.utf8_trim_whitespace(column.cast(pa.string())), name)
    return cast(npt.NDArray[np.bool_], equal.fill_null(False).to_numpy(zero_copy_only=False))
