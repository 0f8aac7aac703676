"""Rows of erased persons, told by keyed digests of their ids and left out as they come."""

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
"""Where an id may stand in a quarantined row that names nobody."""
SHORT_ID = 4
"""An id of fewer characters counts only where it stands as a word of its own."""


@dataclass(frozen=True)
class Tombstones:
    """Digests of the erased, and what was found of ids so far: each is looked up once a run."""

    key: bytes = b""
    tokens: frozenset[str] = frozenset()
    _erased: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, user_id: str) -> bool:
        """user_id: normalised."""
        if user_id not in self._erased:
            self._erased[user_id] = token(self.key, user_id) in self.tokens
        return self._erased[user_id]

    def of_others(self, cleaned: Cleaned) -> Cleaned:
        """Without the rows of the erased, faulty ones and retractions among them."""
        if not self.tokens:
            return cleaned
        return replace(
            cleaned,
            measurements=self._others(cleaned.measurements),
            quarantine=self._others(cleaned.quarantine, OTHER_CELLS),
            retractions=self._others(cleaned.retractions),
        )

    def _others(self, rows: pa.Table, cells: Sequence[str] = ()) -> pa.Table:
        erased = whose(rows, cells, lambda texts: np.array([u in self for u in texts], bool))
        return rows.filter(pa.array(~erased)) if erased.any() else rows


NOBODY = Tombstones()


def whose(rows: pa.Table, cells: Sequence[str], wanted: Callable[[list[str]], Bools]) -> Bools:
    """(N,) whether a row is of a wanted person.

    wanted: of (V,) ids, whether they are. cells: columns in which an id may have ended up in rows
    that name nobody; one of fewer than SHORT_ID characters may be anything there.
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
    """32 hex digits of BLAKE2b under a key; user_id: normalised."""
    return blake2b(user_id.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
