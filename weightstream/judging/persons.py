"""What is stored of the persons of a batch, and from where on they are judged again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from weightstream.engine import STATE_SIZE, state_day
from weightstream.judging.described import born_after, people_of
from weightstream.judging.record_statements import Sketch, sketch
from weightstream.judging.series import MICROSECONDS_PER_DAY, by_person, with_others
from weightstream.judging.stored import HISTORY, Stored
from weightstream.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Persons:
    """The stored data of the U persons of a batch, as they were when read.

    indptr: (U+1,) int64 over the new measurements. revisions, readings, rejected: (U,) int64, 0 for
    a new person. state: (U, STATE_SIZE) float64, NaN where there is none. appendable: (U,) bool,
    the new readings can continue from the stored state: the person is new, or has a state of the
    same model and with the same demographics, and all new readings are later than the stored ones.
    records: the known record ids. unsketched: (U,) bool, the store does not have that list. people:
    schema.DEMOGRAPHICS, a row per person, of what is stored and new. learnt: (U,) bool, whether
    that is more than is stored. contradictory: (U, demographics.STATED) bool, whether what is new
    contradicts what is stored; a contradiction within what is new was counted when it was read.
    """

    user_ids: tuple[str, ...]
    indptr: Ints
    revisions: Ints
    readings: Ints
    rejected: Ints
    first_us: Ints
    last_us: Ints
    state: Floats
    appendable: Bools
    records: Sketch
    unsketched: Bools
    people: pa.Table
    learnt: Bools
    contradictory: Bools

    @property
    def state_days(self) -> Floats:
        """Return (U,) the day of the last reading in each state; NaN where there is none."""
        return state_day(self.state)

    @property
    def resumed(self) -> Bools:
        """Return (U,) whose stored readings after the state are judged again with the new ones."""
        return self.appendable & (self.state_days < self.last_us / MICROSECONDS_PER_DAY)

    @property
    def again(self) -> Bools:
        """Return (U,) of whom stored readings are judged again."""
        return ~self.appendable | self.resumed

    def since(self, among: Bools) -> dict[str, str]:
        """Return, of some persons, a day before which no stored reading is judged again; "": none.

        A date alone may stand for an instant of the day before or after.
        """
        days = np.floor(self.state_days) - 1
        first = np.where(self.appendable, days, np.nan).astype("datetime64[D]").astype(str)
        return {
            self.user_ids[u]: str(first[u]) if self.appendable[u] else ""
            for u in np.flatnonzero(among)
        }


def read_persons(
    stored: Stored, new: pa.Table, others: Sequence[str], about: pa.Table, basis: str
) -> Persons:
    """Read the stored data of the persons of a batch.

    new: measurements sorted by person and time. others: persons of whom there are links only.
    about: new schema.DEMOGRAPHICS, also of further persons. basis: Judging.fingerprint of now.
    """
    others = [*others, *about["user_id"].to_pylist()]
    user_ids, indptr = with_others(*by_person(new["user_id"]), others)
    users = len(user_ids)
    first_new_us = np.full(users, np.iinfo(np.int64).max)
    first_new_us[np.diff(indptr) > 0] = new["time_us"].to_numpy()[
        np.unique(indptr[:-1][np.diff(indptr) > 0])
    ]
    persons = _new_persons(user_ids, indptr, *people_of(stored, user_ids, about))
    known = stored.persons(user_ids)
    blobs = [b""] * users
    for u, user_id in enumerate(user_ids) if known else ():
        if user_id not in known:
            continue
        row = known[user_id]
        persons.revisions[u], persons.readings[u], persons.rejected[u] = row[:3]
        persons.first_us[u], persons.last_us[u] = row.first_us, row.last_us
        persons.unsketched[u] = row.record_hashes is None and row.readings > 0
        blobs[u] = row.record_hashes or b""
        state = row.filter_state if row.settled and row.basis == basis else None
        persons.appendable[u] = state is not None and first_new_us[u] > row.last_us
        if persons.appendable[u]:
            persons.state[u] = state
    if not known:
        return persons
    first = persons.first_us / MICROSECONDS_PER_DAY
    changed = (persons.revisions > 0) & (persons.learnt | born_after(persons.people, first))
    appendable = persons.appendable & ~changed
    persons = replace(persons, records=sketch(blobs), appendable=appendable)
    return _without_overridden(stored, persons)


def _without_overridden(stored: Stored, persons: Persons) -> Persons:
    """Return persons whose series as a whole is judged where an override may concern the newest."""
    resumed = [persons.user_ids[u] for u in np.flatnonzero(persons.resumed)]
    overridden = stored.overridden(resumed) if resumed else []
    if not overridden:
        return persons
    concerned = np.isin(np.array(persons.user_ids), overridden)
    return replace(persons, appendable=persons.appendable & ~concerned)


def _new_persons(
    user_ids: tuple[str, ...],
    indptr: Ints,
    people: pa.Table,
    learnt: Bools,
    contradictory: Bools,
) -> Persons:
    """Return persons of whom nothing is stored."""
    users, limits = len(user_ids), np.iinfo(np.int64)
    return Persons(
        user_ids,
        indptr,
        revisions=np.zeros(users, np.int64),
        readings=np.zeros(users, np.int64),
        rejected=np.zeros(users, np.int64),
        first_us=np.full(users, limits.max),
        last_us=np.full(users, limits.min),
        state=np.full((users, STATE_SIZE), np.nan),
        appendable=np.ones(users, bool),
        records=sketch([]),
        unsketched=np.zeros(users, bool),
        people=people,
        learnt=learnt,
        contradictory=contradictory,
    )


def stored_history(stored: Stored, persons: Persons) -> pa.Table:
    """Return the stored measurements that may be judged again."""
    since = persons.since(persons.again)
    return stored.history(since) if since else HISTORY.empty_table()
