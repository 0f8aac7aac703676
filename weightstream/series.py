"""The series of a batch of persons: what is new joined to what is stored, in the one order."""

import sqlite3
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import Floats, Ints, UserBatch
from weightstream.engine import STATE_SIZE
from weightstream.store import reading
from weightstream.times import parse_times

MICROSECONDS_PER_DAY = 86_400_000_000

SERIES = pa.schema(
    [
        ("user_id", pa.string()),
        ("time_us", pa.int64()),
        ("source", pa.string()),
        ("weight_kg", pa.float64()),
        ("measurement_id", pa.string()),
        ("effective_at", pa.string()),
        ("local_hour", pa.float64()),
        ("new_row", pa.int64()),  # index into the new measurements, -1 where the row is stored
    ]
)
SERIES_ORDER = [(name, "ascending") for name in SERIES.names[:5]]


@dataclass(frozen=True)
class Persons:
    """What the store knew of the U persons of a batch when it was read.

    indptr: (U+1,) int64 over the new measurements. revisions, readings, rejected: (U,) int64, 0 for
    a new person. state: (U, STATE_SIZE) float64, NaN where there is none. appendable: (U,) bool,
    the new readings can follow the stored state: the person is new, or settled, under the same
    model, and all that is new is later than all that is stored.
    """

    user_ids: tuple[str, ...]
    indptr: Ints
    revisions: Ints
    readings: Ints
    rejected: Ints
    first_us: Ints
    last_us: Ints
    state: Floats
    appendable: npt.NDArray[np.bool_]


def read_persons(connection: sqlite3.Connection | None, new: pa.Table, basis: str) -> Persons:
    """new: measurements sorted by person and time. basis: Judging.fingerprint of now."""
    user_ids, indptr = by_person(new["user_id"])
    users = len(user_ids)
    first_new_us = new["time_us"].to_numpy()[indptr[:-1]]
    limits = np.iinfo(np.int64)
    persons = Persons(
        user_ids,
        indptr,
        revisions=np.zeros(users, np.int64),
        readings=np.zeros(users, np.int64),
        rejected=np.zeros(users, np.int64),
        first_us=np.full(users, limits.max),
        last_us=np.full(users, limits.min),
        state=np.full((users, STATE_SIZE), np.nan),
        appendable=np.ones(users, bool),
    )
    known = reading.persons(connection, user_ids) if connection else {}
    for u, user_id in enumerate(user_ids) if known else ():
        if user_id not in known:
            continue
        row = known[user_id]
        persons.revisions[u], persons.readings[u], persons.rejected[u] = row[:3]
        persons.first_us[u], persons.last_us[u], settled, its_basis, state = row[3:]
        persons.appendable[u] = (
            settled and its_basis == basis and first_new_us[u] > persons.last_us[u]
        )
        if persons.appendable[u]:
            persons.state[u] = np.frombuffer(state)
    return persons


def by_person(user_id: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Persons in their order of appearance, and offsets, of a column sorted by person."""
    codes = user_id.cast(pa.string()).combine_chunks().dictionary_encode()
    names = tuple(codes.dictionary.to_pylist())
    return names, np.searchsorted(codes.indices.to_numpy(), np.arange(len(names) + 1))


def join(new: pa.Table, taken: npt.NDArray[np.bool_], stored: pa.Table, timezone: str) -> pa.Table:
    """The taken rows of the new measurements and the stored ones as one SERIES, in its order."""
    rows = np.flatnonzero(taken)
    fresh = new if len(rows) == len(new) else new.take(rows)
    series = pa.table(
        [
            fresh["user_id"].cast(pa.string()),
            fresh["time_us"],
            fresh["source"].cast(pa.string()),
            fresh["weight_kg"],
            fresh["measurement_id"],
            fresh["effective_at"],
            pa.array(local_hour(fresh)),
            pa.array(rows),
        ],
        schema=SERIES,
    )
    if not len(stored):
        return series
    both = pa.concat_tables([series, _unsorted(stored, timezone)])
    return both.sort_by(SERIES_ORDER)


def stored_series(stored: pa.Table, timezone: str) -> pa.Table:
    """Measurements of the store (reading.HISTORY) as SERIES, in its order."""
    return _unsorted(stored, timezone).sort_by(SERIES_ORDER)


def _unsorted(stored: pa.Table, timezone: str) -> pa.Table:
    instants = parse_times(stored["effective_at"].combine_chunks(), timezone, None).us
    series = stored.append_column("time_us", pa.array(instants, pa.int64()))
    series = series.append_column("new_row", pa.array(np.full(len(stored), -1, np.int64)))
    return series.select(SERIES.names).cast(SERIES)


def local_hour(measurements: pa.Table) -> Floats:
    """As the store keeps it: the same number whether a reading is new or comes from the store."""
    return np.round(measurements["hour"].to_numpy().astype(np.float64), 4)


def user_batch(series: pa.Table) -> UserBatch:
    user_ids, indptr = by_person(series["user_id"])
    source = series["source"].combine_chunks().dictionary_encode()
    return UserBatch(
        user_ids=user_ids,
        indptr=indptr,
        day=series["time_us"].to_numpy() / MICROSECONDS_PER_DAY,
        hour=pc.fill_null(series["local_hour"], np.nan).to_numpy().copy(),  # kernels want writable
        weight_kg=series["weight_kg"].to_numpy().copy(),
        source=source.indices.to_numpy().astype(np.int64),
        sources=tuple(source.dictionary.to_pylist()),
    )
