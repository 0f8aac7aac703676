"""Measurements that arrive again in another spelling: the store keeps the smallest text of all
copies.

So the store depends on the set of copies, not on their order. Two spellings may differ by a
fraction of a gram, or in their local hour; then the series is judged again.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.judging.batch_result import Rows, rows_of
from weightstream.judging.decisions import KEY
from weightstream.judging.persons import Persons
from weightstream.judging.series import local_hour
from weightstream.judging.stored import SPELLINGS, Stored
from weightstream.types import Bools, Ints

TEXTS = ("raw_weight", "raw_unit", "raw_time")
NUMBERS = ("weight_kg", "local_hour")


@dataclass(frozen=True)
class Respelling:
    """R stored measurements that arrived in a smaller spelling.

    was: SPELLINGS of the new rows that are stored already, in their order. copies: the new
    measurements whose spelling stays, with local_hour as the store keeps it. person: (R,) number of
    each one's person. changed: (R,) bool, whether a number differs from the stored one.
    """

    was: pa.Table
    copies: pa.Table
    person: Ints
    changed: Bools

    def persons(self, users: int) -> Bools:
        """Return (users,) whose series has other numbers now."""
        found = np.zeros(users, bool)
        found[self.person[self.changed]] = True
        return found

    def applied_to(self, history: pa.Table) -> pa.Table:
        """Return stored.HISTORY with the numbers of the spellings that stay."""
        if not self.changed.any():
            return history
        copies = self.copies.filter(pa.array(self.changed))
        at = pc.index_in(history["measurement_id"], copies["measurement_id"])
        for name in NUMBERS:
            place = history.schema.get_field_index(name)
            column = pc.if_else(at.is_valid(), copies[name].take(at), history[name])
            history = history.set_column(place, history.schema.field(place), column)
        return history

    def rows(self, users: int, file_numbers: Ints) -> Rows:
        """Return what to write."""
        columns = {
            name: self.copies[name].cast(pa.string()).combine_chunks() for name in (*KEY, *TEXTS)
        }
        return rows_of(
            self.person,
            users,
            columns
            | {name: self.copies[name].to_numpy() for name in NUMBERS}
            | {
                "file": file_numbers[self.copies["file"].to_numpy()],
                "line": self.copies["line"].to_numpy(),
            },
        )


def find_respelling(
    stored: Stored, new: pa.Table, fresh: Bools, persons: Persons, user: Ints
) -> Respelling:
    """Compare new measurements with their stored copies.

    new: N measurements with measurement_id; fresh: (N,) whether it is not stored; user: (N,).
    """
    again = np.flatnonzero(~fresh)
    was = _stored_spellings(stored, new, again, persons, user)
    copies = new.take(again)
    copies = copies.append_column("local_hour", pa.array(local_hour(copies)))
    smaller, tied = np.zeros(len(again), bool), np.ones(len(again), bool)
    for name in TEXTS:
        text, before = copies[name].cast(pa.string()), was[name]
        smaller |= tied & pc.less(text, before).to_numpy()
        tied &= pc.equal(text, before).to_numpy()
    differs = np.zeros(len(again), bool)
    for name in NUMBERS:
        now, before = copies[name].to_numpy(), pc.fill_null(was[name], np.nan).to_numpy()
        differs |= (now != before) & ~(np.isnan(now) & np.isnan(before))
    return Respelling(was, copies.filter(pa.array(smaller)), user[again[smaller]], differs[smaller])


def _stored_spellings(
    stored: Stored, new: pa.Table, again: Ints, persons: Persons, user: Ints
) -> pa.Table:
    if not len(again):
        return SPELLINGS.empty_table()
    found = stored.spellings([persons.user_ids[u] for u in np.unique(user[again]).tolist()])
    ids = new["measurement_id"].take(pa.array(again))
    return found.take(pc.index_in(ids, found["measurement_id"]))
