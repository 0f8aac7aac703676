"""Birth date and sex of the persons of a batch: what is stored and what a run's sources state."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import UserBatch
from weightstream.demographics import (
    CONTRADICTORY,
    STATED,
    born_days,
    merge,
    of_persons,
    sex_codes,
)
from weightstream.judging.batch_result import Rows, rows_of
from weightstream.judging.stored import Stored
from weightstream.types import Bools, Floats

GRACE_DAYS = 1.0
"""A newborn is weighed on the day of birth, which begins elsewhere up to 14 hours before UTC's."""


def people_of(
    stored: Stored, user_ids: Sequence[str], about: pa.Table
) -> tuple[pa.Table, Bools, Bools]:
    """Return what Persons calls people, learnt and contradictory.

    about: schema.DEMOGRAPHICS that a run's sources state, also of further persons.
    """
    was = stored.demographics(user_ids)
    before, stated = of_persons(user_ids, was), of_persons(user_ids, about)
    if not len(about):
        return before, np.zeros(len(user_ids), bool), np.zeros((len(user_ids), len(STATED)), bool)
    people = of_persons(user_ids, merge(pa.concat_tables([was, about])))
    same = [pc.equal(people[name].fill_null(""), before[name].fill_null("")) for name in STATED]
    against = [
        pc.equal(people[name], CONTRADICTORY).fill_null(False).to_numpy()
        & pc.not_equal(stated[name], CONTRADICTORY).fill_null(False).to_numpy()
        for name in STATED
    ]
    return people, ~np.logical_and(*same), np.stack(against, axis=1)


def demographics_rows(people: pa.Table, learnt: Bools) -> Rows:
    """Return the rows of `demographics` that change. people, learnt: as of `people_of`."""
    numbers = np.flatnonzero(learnt)
    changed = people.take(numbers)
    columns = {name: changed[name].combine_chunks() for name in changed.column_names}
    return rows_of(numbers, len(learnt), columns)


def born_after(people: pa.Table, first_day: Floats) -> Bools:
    """Return (U,) whether a person's birth date is after the first reading.

    Either the date or the time of a reading is wrong then, and nothing tells which. first_day: (U,)
    days since 1970-01-01 UTC.
    """
    return np.asarray(first_day < born_days(people) - GRACE_DAYS, bool)


def with_people(batch: UserBatch, people: pa.Table) -> UserBatch:
    """Return a batch with the birth date and sex of its persons. people: DEMOGRAPHICS, a row each.

    The birth date of a person who was weighed before it is not used.
    """
    first = np.full(len(batch.user_ids), np.inf)
    some = np.diff(batch.indptr) > 0
    first[some] = batch.day[batch.indptr[:-1][some]]
    born = np.where(born_after(people, first), np.nan, born_days(people))
    return replace(batch, born=born, sex=sex_codes(people))
