"""Columns of text as codes into their distinct texts, so that each text is parsed only once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.types import Bools, Indices


@dataclass(frozen=True)
class Coded:
    """N cells as codes (N,) int32 into V distinct texts without spaces around them; -1 is null."""

    codes: Indices
    texts: pa.StringArray

    def spread(self, values: npt.NDArray[Any], default: Any) -> npt.NDArray[Any]:
        """Return (N,) of (V,) values; `default` if the cell is null."""
        return np.append(values, np.array([default], dtype=values.dtype))[self.codes]

    def is_blank(self) -> Bools:
        """Return (N,) whether there is no text, or the word NULL."""
        return self.spread(blank(self.texts), True)


def encode(cells: pa.ChunkedArray) -> Coded:
    """Encode a column of texts, plain or as a dictionary."""
    array = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy().astype(np.int32, copy=False)
    texts = pc.utf8_trim_whitespace(coded.dictionary.cast(pa.string()))
    if texts.equals(coded.dictionary):
        return Coded(codes, texts)
    merged = texts.dictionary_encode()
    merged_codes = merged.indices.fill_null(-1).to_numpy()
    return Coded(Coded(codes, texts).spread(merged_codes, -1), merged.dictionary)


def trimmed(text: str) -> str:
    """Return a text as `encode` reads it from a cell, for example a user id from an option."""
    return str(pc.utf8_trim_whitespace(pa.scalar(text)))


def dictionary(codes: Indices, texts: pa.StringArray) -> pa.DictionaryArray:
    """Return schema.CODE of codes that are all in the texts."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), texts)


def blank(texts: pa.StringArray) -> Bools:
    """Return (N,) whether there is no text, or NULL in any case, with surrounding spaces."""
    short = pc.less_equal(pc.binary_length(texts), 4)
    padded = pc.or_(pc.starts_with(texts, " "), pc.starts_with(texts, "\t"))
    if not pc.any(pc.or_(short, padded).fill_null(True)).as_py():
        return np.zeros(len(texts), dtype=bool)
    word = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    return pc.is_in(word, pa.array(["", "null", None])).to_numpy(zero_copy_only=False)


def plain(texts: pa.ChunkedArray) -> pa.StringArray:
    """Return one array of plain strings."""
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return array.cast(pa.string())
