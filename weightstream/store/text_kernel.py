"""The compiled part of hashing.py: texts of many lengths."""

import numpy as np
import numpy.typing as npt

from weightstream.engine.compiled import kernel
from weightstream.types import Bools, Hashes

FACTOR, NULL = 0x9E3779B97F4A7C15, 0x8E9D5A1B7C3F2461


@kernel(
    "void(uint64[::1], Array(int32, 1, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), "
    "Array(boolean, 1, 'C', readonly=True))"
)
def mix_bytes(
    state: Hashes, ends: npt.NDArray[np.int32], data: npt.NDArray[np.uint8], null: Bools
) -> None:
    """Mix the words of texts into the states of their rows, as hashing.words_of gives them."""
    factor, shift = np.uint64(FACTOR), np.uint64(29)
    for row in range(len(state)):
        value = state[row]
        if null[row]:
            value = (value ^ np.uint64(NULL)) * factor
            state[row] = value ^ (value >> shift)
            continue
        word, place = np.uint64(0), np.uint64(0)
        for at in range(ends[row], ends[row + 1]):
            word |= np.uint64(data[at]) << place
            place += np.uint64(8)
            if place == np.uint64(64):
                value = (value ^ word) * factor
                value ^= value >> shift
                word, place = np.uint64(0), np.uint64(0)
        if place > np.uint64(0):
            value = (value ^ word) * factor
            value ^= value >> shift
        value = (value ^ np.uint64(ends[row + 1] - ends[row])) * factor
        state[row] = value ^ (value >> shift)
