"""Judge whole series again, past and future at once, and revise earlier decisions."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.engine import Filtered, smooth_batch
from weightstream.judging.batch_result import BatchResult, Rows, nothing, rows_of
from weightstream.judging.causal import Judging
from weightstream.judging.decisions import RETRO, diff_decisions, newest, shift_rows
from weightstream.judging.series import AnnotatedSeries, stored_series
from weightstream.judging.stored import Stored, StoredPerson, pack_state
from weightstream.schema import LEVEL_MOVED_KG, RETRO_COUNTS
from weightstream.types import Floats, Ints

Known = Mapping[str, StoredPerson]


def smooth_persons(
    user_ids: Sequence[str], stored: Stored, judging: Judging, run: int
) -> BatchResult:
    """Judge every stored reading of some persons by all their others.

    user_ids: ascending. run: the store's number of this run, whose own rows are counted apart.
    Persons below judging.min_readings stay as they are, and due, unless there is an override on a
    reading of theirs.
    """
    known = stored.persons(user_ids)
    concerned = set(stored.overridden(user_ids))
    persons = tuple(
        user
        for user in user_ids
        if user in known and (known[user].readings >= judging.min_readings or user in concerned)
    )
    users = len(persons)
    revision = np.array([known[user].revision for user in persons], np.int64)
    history = stored.history(persons)
    all_of = stored_series(stored, persons, history, judging.timezone)
    batch = all_of.batch()
    smoothed = all_of.judged(smooth_batch(batch, judging.model(batch.sources)))
    user, whole = all_of.user, np.ones(users, bool)
    statements = diff_decisions(stored, all_of, smoothed, whole, RETRO, judging.parameters.name)
    ours = pa.array(
        history.filter(pc.equal(history["run"], run))["measurement_id"].combine_chunks()
    )
    own = pc.is_in(all_of.table["measurement_id"], ours).to_numpy()
    levels = stored.levels(persons)
    current = np.array([levels[person] for person in persons], np.float64)  # None becomes NaN
    level = newest(smoothed.level, all_of)
    first_us, last_us = ends(all_of, known)
    return BatchResult(
        user_ids=persons,
        revisions=revision,
        recomputed=whole,
        linked=np.zeros(users, bool),
        measurements=nothing(users),
        decisions=statements.decisions,
        estimates=statements.estimates,
        users=rows_of(
            np.arange(users),
            users,
            {
                "user_id": np.array(persons, object),
                "revision": revision + 1,
                "dirty": np.zeros(users, np.int64),
                "readings": np.diff(all_of.indptr),
                "rejected": np.bincount(user[~statements.accepted], minlength=users),
                "first_us": first_us,
                "last_us": last_us,
                "level_kg": level,
                "trend_kg_per_week": newest(smoothed.trend, all_of),
            },
        ),
        states=stale_states(smoothed, all_of, known, judging),
        shifts=shift_rows(all_of, smoothed),
        respelled=nothing(users),
        links=nothing(users),
        superseded=nothing(users),
        outcome=nothing(users),
        net_accepted=np.bincount(
            user[own], weights=statements.net_accepted[own], minlength=users
        ).astype(np.int64),
        retro_counts_of=retro_counts_of(user, statements.net_accepted, current, level),
    )


def ends(readings: AnnotatedSeries, known: Known) -> tuple[Ints, Ints]:
    """Return (U,) times of the first and last reading of each series; unchanged if it is empty."""
    first = np.array([known[user].first_us for user in readings.user_ids], np.int64)
    last = np.array([known[user].last_us for user in readings.user_ids], np.int64)
    time_us = readings.table["time_us"].to_numpy()
    some = np.diff(readings.indptr) > 0
    first[some] = time_us[readings.indptr[:-1][some]]
    last[some] = time_us[readings.indptr[1:][some] - 1]
    return first, last


def stale_states(
    smoothed: Filtered, readings: AnnotatedSeries, known: Known, judging: Judging
) -> Rows:
    """Return the filter's state after each series where the stored one is of no use.

    That is so after an override, which changes the series, and under another fingerprint.
    """
    basis, users = judging.fingerprint, len(readings.user_ids)
    rows = []
    enough = smoothed.settled & (np.diff(readings.indptr) >= judging.min_readings)
    for number, user in enumerate(readings.user_ids):
        was, settled = known[user], int(enough[number])
        state = pack_state(smoothed.state[number])
        good = was.settled and was.basis == basis and was.filter_state is not None
        if not good and (was.settled, was.basis, was.state) != (settled, basis, state):
            rows.append((number, user, settled, state, was.record_hashes))
    if not rows:
        return nothing(users)
    numbers, user_ids, settleds, states, records = zip(*rows, strict=True)
    return rows_of(
        np.array(numbers),
        users,
        {
            "user_id": pa.array(user_ids, pa.string()),
            "basis": basis,
            "settled": np.array(settleds, np.int64),
            "state": pa.array(states, pa.binary()),
            "records": pa.array(records, pa.binary()),
        },
    )


def retro_counts_of(user: Ints, net_accepted: Ints, current: Floats, level: Floats) -> Ints:
    """Count what changed for each of U persons: (U, len(RETRO_COUNTS)) int64.

    user: (N,) person of each reading. net_accepted: (N,) 1 where it is accepted now, -1 where it no
    longer is. current, level: (U,) level at the newest reading before and now, kg; NaN: none.
    """
    users = len(level)
    columns = {
        "persons": np.ones(users),
        "readings": np.bincount(user, minlength=users),
        "accepted_to_rejected": np.bincount(user[net_accepted < 0], minlength=users),
        "rejected_to_accepted": np.bincount(user[net_accepted > 0], minlength=users),
        "levels_moved": np.abs(level - current) > LEVEL_MOVED_KG,
    }
    return np.column_stack([columns[name] for name in RETRO_COUNTS]).astype(np.int64)
