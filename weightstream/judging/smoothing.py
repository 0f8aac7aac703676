"""Judge whole series again, past and future at once, and revise earlier decisions."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.engine import Filtered, smooth_batch, state_day
from weightstream.judging.batch_result import BatchResult, Rows, nothing, rows_of
from weightstream.judging.causal import Judging
from weightstream.judging.decisions import RETRO, diff_decisions, newest, shift_rows
from weightstream.judging.series import AnnotatedSeries, stored_series
from weightstream.judging.stored import Stored, StoredPerson, pack_state
from weightstream.schema import LEVEL_MOVED_KG, RETRO_COUNTS
from weightstream.types import Bools, Floats, Ints

Known = Mapping[str, StoredPerson]


def smooth_persons(
    user_ids: Sequence[str], stored: Stored, judging: Judging, run: int
) -> BatchResult:
    """Judge every stored reading of some persons by all their others.

    user_ids: ascending. run: the store's number of this run, whose own rows are counted apart.
    Persons below judging.min_readings are not judged and stay due, unless one of their readings has
    an override.
    """
    known = stored.persons(user_ids)
    persons = _enough(user_ids, known, stored, judging)
    since = dict.fromkeys(persons, "")
    history = stored.history(since)
    series = stored_series(stored, persons, history, judging.timezone)
    batch = series.batch()
    smoothed = series.judged(smooth_batch(batch, judging.model(batch.sources)))
    users, whole = len(persons), np.ones(len(persons), bool)
    diff = diff_decisions(stored, series, smoothed, since, RETRO, judging.parameters.name)
    levels = stored.levels(persons)
    before = np.array([levels[person] for person in persons], np.float64)  # None becomes NaN
    level = newest(smoothed.level, series)
    own = history.filter(pc.equal(history["run"], run))["measurement_id"]
    return BatchResult(
        user_ids=persons,
        revisions=np.array([known[user].revision for user in persons], np.int64),
        recomputed=whole,
        linked=np.zeros(users, bool),
        measurements=nothing(users),
        decisions=diff.decisions,
        estimates=diff.estimates,
        users=user_rows(series, smoothed, diff.accepted, known),
        states=stale_states(smoothed, series, known, judging),
        shifts=shift_rows(series, smoothed),
        judged_again=nothing(users),
        respelled=nothing(users),
        links=nothing(users),
        superseded=nothing(users),
        demographics=nothing(users),
        outcome=nothing(users),
        net_accepted=net_accepted_of(series, own, diff.net_accepted),
        retro_counts_of=retro_counts_of(series.user, diff.net_accepted, before, level),
    )


def _enough(
    user_ids: Sequence[str], known: Known, stored: Stored, judging: Judging
) -> tuple[str, ...]:
    """Return the known persons with enough readings, or with an override."""
    overridden = set(stored.overridden(user_ids))
    return tuple(
        user
        for user in user_ids
        if user in known and (known[user].readings >= judging.min_readings or user in overridden)
    )


def user_rows(series: AnnotatedSeries, smoothed: Filtered, accepted: Bools, known: Known) -> Rows:
    """Return the rows of `users`; accepted: (N,)."""
    users = len(series.user_ids)
    first_us, last_us = ends(series, known)
    columns = {
        "user_id": np.array(series.user_ids, object),
        "revision": np.array([known[user].revision + 1 for user in series.user_ids], np.int64),
        "dirty": np.zeros(users, np.int64),
        "readings": np.diff(series.indptr),
        "rejected": np.bincount(series.user[~accepted], minlength=users),
        "first_us": first_us,
        "last_us": last_us,
        "level_kg": newest(smoothed.level, series),
        "trend_kg_per_week": newest(smoothed.trend, series),
    }
    return rows_of(np.arange(users), users, columns)


def net_accepted_of(series: AnnotatedSeries, ids: pa.ChunkedArray, net_accepted: Ints) -> Ints:
    """Return (U,) accepted now less accepted before, of the measurements ids.

    net_accepted: (N,) of all readings of the series.
    """
    own = pc.is_in(series.table["measurement_id"], ids.combine_chunks()).to_numpy()
    counts = np.bincount(series.user[own], net_accepted[own], len(series.user_ids))
    return counts.astype(np.int64)


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
    """Return the filter's state after each series if the stored one cannot be used.

    It cannot after an override, which changes the series, or under another fingerprint.
    """
    basis, users = judging.fingerprint, len(readings.user_ids)
    rows = []
    enough = ~np.isnan(state_day(smoothed.state)) & (
        np.diff(readings.indptr) >= judging.min_readings
    )
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
