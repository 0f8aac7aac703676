"""Leaving out rows of erased persons, who are known by keyed digests of their ids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.intake.cleaning import Cleaned
from weightstream.parsing.coded import encode
from weightstream.types import Bools

OTHER_CELLS = ("time", "source", "weight", "unit")
"""The cells that may contain an id, in a quarantined row that names nobody."""
SHORT_ID = 4
"""An id of fewer characters counts only as a word of its own."""


@dataclass(frozen=True)
class Tombstones:
    """Digests of erased persons, and the ids looked up so far; each is digested once per run."""

    key: bytes = b""
    tokens: frozenset[str] = frozenset()
    _erased: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, user_id: str) -> bool:
        """user_id: normalised."""
        if user_id not in self._erased:
            self._erased[user_id] = token(self.key, user_id) in self.tokens
        return self._erased[user_id]

    def without_erased(self, cleaned: Cleaned) -> Cleaned:
        """Return a block without the rows of the erased, and without anything else about them."""
        if not self.tokens:
            return cleaned
        return replace(
            cleaned,
            measurements=self._others(cleaned.measurements),
            quarantine=self._others(cleaned.quarantine, OTHER_CELLS),
            retractions=self._others(cleaned.retractions),
            demographics=self._others(cleaned.demographics),
        )

    def _others(self, rows: pa.Table, cells: Sequence[str] = ()) -> pa.Table:
        erased = rows_naming(rows, cells, lambda texts: np.array([u in self for u in texts], bool))
        return rows.filter(pa.array(~erased)) if erased.any() else rows


NOBODY = Tombstones()


def rows_naming(
    rows: pa.Table, cells: Sequence[str], wanted: Callable[[list[str]], Bools]
) -> Bools:
    """Return (N,) whether a row belongs to a wanted person.

    wanted: (V,) whether each id is wanted. cells: the columns that may contain an id in rows that
    name nobody; ids of fewer than SHORT_ID characters are not searched there.
    """
    users = encode(rows["user_id"])
    theirs = users.spread(wanted(users.texts.to_pylist()), False)
    nobody = np.flatnonzero(users.is_blank())
    for cell in cells if len(nobody) else ():
        other = encode(rows[cell].take(pa.array(nobody)))
        long = pc.greater_equal(pc.utf8_length(other.texts), SHORT_ID).to_numpy(
            zero_copy_only=False
        )
        theirs[nobody] |= other.spread(wanted(other.texts.to_pylist()) & long, False)
    return theirs


def token(key: bytes, user_id: str) -> str:
    """Return 32 hex digits of BLAKE2b under a key; user_id: normalised."""
    return blake2b(user_id.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
