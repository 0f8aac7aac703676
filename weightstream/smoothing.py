"""Look at whole series again, past and future at once, and revise what was decided."""

import sqlite3
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import Floats, Ints
from weightstream.decided import Decided, Rows, rows_of
from weightstream.decisions import RETRO, newest, shift_rows, told_apart
from weightstream.engine import smooth_batch
from weightstream.judging import Judging
from weightstream.schema import LEVEL_MOVED_KG, RETRO_COUNTS
from weightstream.series import stored_series, user_batch
from weightstream.store import reading

READINGS = reading.PERSON_COLUMNS.index("readings")


def smooth_persons(
    user_ids: Sequence[str], connection: sqlite3.Connection, judging: Judging, run: int
) -> Decided:
    """Judge every stored reading of some persons by all their others.

    user_ids: ascending. run: the store's number of this run, whose own rows are counted apart.
    Persons below judging.min_readings are left as they are, and dirty.
    """
    known = reading.persons(connection, user_ids)
    persons = tuple(
        user for user in user_ids if user in known and known[user][READINGS] >= judging.min_readings
    )
    users = len(persons)
    line = np.array([known[user][:5] for user in persons], np.int64).reshape(users, 5)
    revision, readings, _, first_us, last_us = line.T
    stored = reading.history(connection, persons)
    series = stored_series(stored, judging.timezone)
    batch = user_batch(series)
    smoothed = smooth_batch(batch, judging.model(batch.sources))
    user = np.repeat(np.arange(users), np.diff(batch.indptr))
    model = judging.parameters.name
    said = told_apart(connection, series, smoothed, user, users, RETRO, model)
    ours = pa.array(stored.filter(pc.equal(stored["run"], run))["measurement_id"].combine_chunks())
    own = pc.is_in(series["measurement_id"], ours).to_numpy()
    levels = reading.levels(connection, persons)
    standing = np.array([levels[person] for person in persons], np.float64)  # None becomes NaN
    level = newest(smoothed.level, user, users)
    return Decided(
        user_ids=persons,
        revisions=revision,
        recomputed=np.ones(users, bool),
        measurements=nothing(users),
        decisions=said.decisions,
        estimates=said.estimates,
        users=rows_of(
            np.arange(users),
            users,
            {
                "user_id": np.array(persons, object),
                "revision": revision + 1,
                "dirty": np.zeros(users, np.int64),
                "readings": readings,
                "rejected": np.bincount(user[~said.accepted], minlength=users),
                "first_us": first_us,
                "last_us": last_us,
                "level_kg": level,
                "trend_kg_per_week": newest(smoothed.trend, user, users),
            },
        ),
        states=nothing(users),
        shifts=shift_rows(series, smoothed, user, users),
        respelled=nothing(users),
        outcome=nothing(users),
        net_accepted=np.bincount(user[own], weights=said.net_accepted[own], minlength=users).astype(
            np.int64
        ),
        looked_at=looked_at(user, said.net_accepted, standing, level),
    )


def looked_at(user: Ints, net_accepted: Ints, standing: Floats, level: Floats) -> Ints:
    """(U, len(RETRO_COUNTS)) int64: what changed for each of U persons.

    user: (N,) person of each reading. net_accepted: (N,) 1 where it is accepted now, -1 where it no
    longer is. standing, level: (U,) level at the newest reading before and now, kg; NaN: none.
    """
    users = len(level)
    columns = {
        "persons": np.ones(users),
        "readings": np.bincount(user, minlength=users),
        "accepted_to_rejected": np.bincount(user[net_accepted < 0], minlength=users),
        "rejected_to_accepted": np.bincount(user[net_accepted > 0], minlength=users),
        "levels_moved": np.abs(level - standing) > LEVEL_MOVED_KG,
    }
    return np.column_stack([columns[name] for name in RETRO_COUNTS]).astype(np.int64)


def nothing(users: int) -> Rows:
    """No rows."""
    return Rows(np.zeros(users + 1, np.int64), {})
