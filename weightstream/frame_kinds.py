"""Frames of several libraries: converted to pandas or Arrow, and back to their own kind."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pyarrow as pa

from weightstream.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class Native:
    """A frame of the caller: pandas, polars, PyArrow, or another library that narwhals supports.

    What else exports rows by Arrow's C interface, such as a relation of DuckDB or a RecordBatch,
    is read as a Table of PyArrow.
    """

    def __init__(self, frame: Any) -> None:
        self._frame = _eager(frame)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the same cells; of other libraries without copying texts.

        Named levels of an index are columns too, unless a column has their name.
        """
        import pandas as pd

        native = self._frame.to_native()
        if isinstance(native, pd.DataFrame):
            levels = [n for n in native.index.names if n is not None and n not in native.columns]
            return native.reset_index(levels) if levels else native
        return self._frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype)

    def to_arrow(self) -> pa.Table:
        return self._frame.to_arrow()

    def give_back(self, table: pa.Table, keep: str | Sequence[str] = ()) -> Any:
        """Return a table of equally many rows as this kind of frame, with its index if it has one.

        keep: columns of this frame to add. Raises InputError if it has no such column,
        or the table has one of that name.
        """
        keep = [keep] if isinstance(keep, str) else keep
        for name in keep:
            if name not in self._frame.columns:
                raise InputError(f"the frame has no column {name!r} to keep")
            if name in table.column_names:
                raise InputError(f"{name!r} is a column of the result; rename it to keep it")
        result = nw.from_arrow(table, backend=self._frame.implementation)
        result = result.with_columns(*(self._frame[name] for name in keep))
        index = nw.maybe_get_index(self._frame)
        native = result.to_native()
        return native if index is None else native.set_axis(index, axis="index")


def _eager(frame: Any) -> nw.DataFrame[Any]:
    """Return the frame for narwhals. Raises InputError for anything else."""
    try:
        try:
            return nw.from_native(frame, eager_only=True)
        except TypeError:
            return nw.from_native(_by_arrow(frame), eager_only=True)
    except nw.exceptions.DuplicateError as error:
        said = " ".join(str(error).replace("\n", " ").split())
        raise InputError(
            f"the frame has several columns of one name ({said}); rename one"
        ) from None


def _by_arrow(frame: Any) -> pa.Table:
    """Return the rows that an object exports by Arrow's C interface. Raises InputError."""
    exports = hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__")
    with suppress(pa.ArrowException, TypeError):  # a column alone, such as a Series
        if exports and not hasattr(frame, "collect"):
            return pa.table(frame)
    kind = type(frame).__name__
    hint = {"dict": "pandas.DataFrame(it)", "list": "pandas.DataFrame(it)"}.get(kind)
    hint = hint or ("collect() it first" if hasattr(frame, "collect") else "convert it")
    raise InputError(
        f"a {kind} is not a frame; give a DataFrame of pandas or polars, or a Table of PyArrow "
        f"({hint})"
    )


def same_kind(frame: Any, table: pa.Table) -> Any:
    """Return a table, with any number of rows, as the kind of a frame."""
    try:
        kind = nw.from_native(frame, eager_only=True).implementation
    except TypeError:
        return table
    return nw.from_arrow(table, backend=kind).to_native()
