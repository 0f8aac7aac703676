"""Types of arrays that every layer uses."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
"""Indexes into a short list, such as schema.REASONS."""
Indices = npt.NDArray[np.int32]
"""Indexes into the distinct values of a column; -1 is null."""
Hashes = npt.NDArray[np.uint64]
