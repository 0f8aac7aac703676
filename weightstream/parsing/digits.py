"""Columns of text as bytes: grouping by layout, and converting digits without a loop."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.layouts import Layout
from weightstream.parsing.zones import DAY_US

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_NO_BREAK = "[\u00a0\u2009\u202f]"
_DIRECTIONS = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""Marks of the direction of writing, which browsers put around the parts of a date."""


def with_plain_spaces(texts: pa.StringArray) -> pa.StringArray:
    """Programs that follow Unicode's locales part 7:12 and PM by a narrow no-break space."""
    _, data = buffers(texts)
    if not np.any(data >= 0x80):
        return texts
    texts = pc.replace_substring_regex(texts, _DIRECTIONS, "")
    return pc.replace_substring_regex(texts, _NO_BREAK, " ")


def by_shape(texts: pa.StringArray) -> list[tuple[bytes, Ints]]:
    """Group rows by layout text; a null counts as an empty text."""
    offsets, data = buffers(texts)
    shapes = np.where((data >= ord("0")) & (data <= ord("9")), np.uint8(ord("0")), data)
    coded = pa.Array.from_buffers(
        pa.binary(), len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(shapes)]
    ).dictionary_encode()
    codes = coded.indices.to_numpy()
    names = coded.dictionary.to_pylist()
    if len(names) == 1:
        return [(names[0], np.arange(len(texts)))]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return list(zip(names, np.split(order, ends[:-1]), strict=True)) if names else []


def buffers(texts: pa.StringArray) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Offsets (N+1,) from 0, and the bytes; nulls have no bytes."""
    texts = texts.fill_null("") if texts.null_count else texts
    _, offset_buffer, data_buffer = texts.buffers()
    if len(texts) == 0 or data_buffer is None:
        return np.zeros(len(texts) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset :][: len(texts) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def matrix(texts: pa.StringArray, width: int) -> Bytes:
    """(N, width) bytes of N texts that are all equally long."""
    return buffers(texts)[1].reshape(len(texts), width)


def field_of(digits: Bytes, layout: Layout, name: str) -> Ints:
    """(N,) the number in a field of digits; 0 where the layout does not have it."""
    number = np.zeros(len(digits), dtype=np.int64)
    start, end = layout.spans.get(name, (-1, -1))
    for column in range(max(start, 0), end):
        number = number * 10 + (digits[:, column] - 48)
    return number


def strings(matrix: Bytes) -> pa.StringArray:
    """(N, width) ASCII bytes to N texts."""
    count, width = matrix.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(matrix)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def _digits(number: Ints, width: int) -> Bytes:
    """(N, width) ASCII digits, width 2 or 4."""
    return np.take(_number_texts(width), number).view(np.uint8).reshape(-1, width)


def second_digits(us: Ints) -> Bytes:
    """(N,) microseconds since 1970 to (N, 19) bytes of 2024-01-31T07:12:33, years 0-9999."""
    clock = us % DAY_US // 1_000_000
    out = np.empty((len(us), 19), dtype=np.uint8)
    out[:, :10] = date_digits(us // DAY_US)
    for column, number in ((11, clock // 3600), (14, clock // 60 % 60), (17, clock % 60)):
        out[:, column : column + 2] = _digits(number, 2)
    out[:, [10, 13, 16]] = np.frombuffer(b"T::", dtype=np.uint8)
    return out


def offset_digits(east_us: Ints) -> Bytes:
    """(N,) microseconds east of UTC to (N, 6) bytes of +01:00."""
    minutes = np.abs(east_us) // 60_000_000
    out = np.empty((len(east_us), 6), dtype=np.uint8)
    out[:, 0] = np.where(east_us < 0, ord("-"), ord("+"))
    out[:, 1:3], out[:, 4:6] = _digits(minutes // 60 % 100, 2), _digits(minutes % 60, 2)
    out[:, 3] = ord(":")
    return out


def date_digits(day: Ints) -> Bytes:
    """(N,) days since 1970-01-01 to (N, 10) bytes of 2024-01-31, years 0-9999."""
    date = np.clip(day, month_starts()[0], month_starts()[-1] + 30).astype("M8[D]")
    month = date.astype("M8[M]")
    index = month.astype(np.int64) + 1970 * 12
    out = np.empty((len(day), 10), dtype=np.uint8)
    out[:, 0:4] = _digits(index // 12, 4)
    out[:, 5:7] = _digits(index % 12 + 1, 2)
    out[:, 8:10] = _digits((date - month).astype(np.int64) + 1, 2)
    out[:, [4, 7]] = ord("-")
    return out


@lru_cache
def _number_texts(width: int) -> npt.NDArray[Any]:
    """All numbers of so many digits, each text as one element: faster to look up than rows."""
    texts = np.array([f"{number:0{width}}" for number in range(10**width)], dtype=f"S{width}")
    return texts.view(f"u{width}")


@lru_cache
def month_starts() -> Ints:
    """(120000,) days since 1970-01-01 of the first of each month of the years 0-9999."""
    months = np.arange(120_000) - 1970 * 12
    return months.astype("M8[M]").astype("M8[D]").astype(np.int64)


@lru_cache
def month_lengths() -> Ints:
    return np.append(np.diff(month_starts()), 31)
