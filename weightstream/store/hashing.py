"""A 64-bit hash over the cells of rows, whole columns at a time, and its twin for one row.

A state is mixed with one 64-bit word after the other. Each step is a bijection of the state, so two
rows that differ in one word never have the same. It does not protect against deliberate changes.
"""

import struct
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from weightstream.judging.batch_result import Column
from weightstream.types import Hashes, Ints

Cell: TypeAlias = str | bytes | float | int | None

FACTOR = 0x9E3779B97F4A7C15
NULL = 0x8E9D5A1B7C3F2461
LOW_64 = (1 << 64) - 1
WORD = 8


def hash_columns(columns: Sequence[tuple[Column | None, str]], rows: int) -> Ints:
    """Return (rows,) int64, 32 bits each: of every row as `hash_row` gives it.

    columns: values and declared type (text, integer, real, blob) of each; a value that is no array
    holds in every row, None is null. Raises pa.ArrowException, TypeError, ValueError for values of
    another type than declared.
    """
    state = np.full(rows, len(columns), np.uint64)
    for values, kind in columns:
        if values is None or isinstance(values, str | int):
            for word in words_of(values):
                mix(state, np.uint64(word))
        elif kind == "real":
            mix(state, real_words(np.asarray(values, np.float64)))
        elif kind == "integer":
            mix(state, integer_words(pa.array(values, pa.int64())))
        else:
            mix_texts(state, pa.array(values, pa.string() if kind == "text" else pa.binary()))
    state ^= state >> np.uint64(32)
    state *= np.uint64(FACTOR)
    return (state >> np.uint64(32)).astype(np.int64) - (1 << 31)


def mix(state: Hashes, words: Hashes | np.uint64) -> None:
    """Mix one word into each row's state."""
    state ^= words
    state *= np.uint64(FACTOR)
    state ^= state >> np.uint64(29)


def real_words(numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Hashes:
    """Return the bits of numbers; NaN is null, and SQLite keeps no -0.0."""
    words = (numbers + 0.0).view(np.uint64)
    words[np.isnan(numbers)] = NULL
    return words


def integer_words(numbers: pa.Int64Array) -> Hashes:
    words = np.array(numbers.fill_null(0)).view(np.uint64)
    words[np.asarray(numbers.is_null())] = NULL
    return words


def mix_texts(state: Hashes, texts: pa.StringArray | pa.BinaryArray) -> None:
    from weightstream.store.text_kernel import mix_bytes  # numba: only where there are columns

    _, offsets, content = texts.buffers()
    at = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.zeros(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    mix_bytes(state, at, data, np.asarray(texts.is_null()))


def hash_row(*cells: Cell) -> int:
    """Return the hash of one row, -2**31 to 2**31 - 1, which SQLite keeps in four bytes."""
    state = len(cells)
    for cell in cells:
        for word in words_of(cell):
            state = (state ^ word) * FACTOR & LOW_64
            state ^= state >> 29
    state ^= state >> 32
    return ((state * FACTOR & LOW_64) >> 32) - (1 << 31)


def words_of(cell: Cell) -> list[int]:
    """Return a cell as words: of a text its bytes, eight a word, and their number."""
    if cell is None:
        return [NULL]
    if isinstance(cell, int):
        return [cell & LOW_64]
    if isinstance(cell, float):
        return [int.from_bytes(struct.pack("<d", cell + 0.0), "little")]
    content = cell if isinstance(cell, bytes) else cell.encode("utf-8", "surrogateescape")
    places = range(0, len(content), WORD)
    return [*(int.from_bytes(content[at : at + WORD], "little") for at in places), len(content)]
