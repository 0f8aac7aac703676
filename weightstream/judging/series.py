"""The series of a batch of persons: new measurements joined to stored ones, in the one order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import UserBatch
from weightstream.demographics import of_persons
from weightstream.engine import Filtered
from weightstream.judging.described import with_people
from weightstream.judging.stored import OVERRIDES, SUPERSEDED, Stored
from weightstream.parsing.times import parse_times
from weightstream.types import Bools, Codes, Floats, Ints

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


def with_others(
    user_ids: tuple[str, ...], indptr: Ints, others: Sequence[str]
) -> tuple[tuple[str, ...], Ints]:
    """Return persons with some more who own no rows, in the order of their ids, and offsets."""
    more = set(others).difference(user_ids)
    if not more:
        return user_ids, indptr
    every = tuple(sorted(more.union(user_ids)))
    rows = dict(zip(user_ids, np.diff(indptr).tolist(), strict=True))
    return every, np.cumsum([0, *(rows.get(user, 0) for user in every)])


def by_person(user_id: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Return persons in their order of appearance, and offsets, of a column sorted by person."""
    codes = user_id.cast(pa.string()).combine_chunks().dictionary_encode()
    names = tuple(codes.dictionary.to_pylist())
    return names, np.searchsorted(codes.indices.to_numpy(), np.arange(len(names) + 1))


def join(
    new: pa.Table, taken: Bools, stored: pa.Table, timezone: str, after: Floats | None = None
) -> pa.Table:
    """Join the chosen rows of the new measurements and the stored ones: SERIES, in its order.

    after: (len(stored),) days; stored readings that are not later are left out.
    """
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
    older = _unsorted(stored, timezone)
    if after is not None:
        older = older.filter(pa.array(older["time_us"].to_numpy() / MICROSECONDS_PER_DAY > after))
    return pa.concat_tables([series, older]).sort_by(SERIES_ORDER)


def stored_series(
    stored: Stored, user_ids: Sequence[str], history: pa.Table, timezone: str
) -> "AnnotatedSeries":
    """Arrange all stored measurements of some persons.

    user_ids: ascending. history: their stored.HISTORY.
    """
    annotations = load_annotations(stored, user_ids)
    assigned = annotations.apply_assignments(stored, history, user_ids)
    series = _unsorted(assigned, timezone).sort_by(SERIES_ORDER)
    return annotations.arranged(series, user_ids, stored.demographics(user_ids))


@dataclass(frozen=True)
class AnnotatedSeries:
    """All readings of U persons, N rows in the order of the series, with their annotations.

    table: SERIES; user_id is the person whose reading it counts as. indptr: (U+1,) int64. people:
    schema.DEMOGRAPHICS, a row per person.
    superseded: (N,) int8, index into schema.REASONS of readings that their source corrected or
    retracted, which are not data; 0: data. forced: as in UserBatch. received_user: (N,) string, the
    person that the reading was received for, null if it is the same. None: there are no such
    readings.
    """

    table: pa.Table
    user_ids: tuple[str, ...]
    indptr: Ints
    people: pa.Table
    superseded: Codes | None = None
    forced: Codes | None = None
    received_user: pa.Array | None = None

    @property
    def user(self) -> Ints:
        """Return (N,) the number of each reading's person."""
        return np.repeat(np.arange(len(self.user_ids)), np.diff(self.indptr))

    @property
    def data(self) -> Bools | None:
        """Return (N,) whether a reading is data; None: all are."""
        return None if self.superseded is None else self.superseded == 0

    def batch(self) -> UserBatch:
        """Return the data of all U persons as the engine takes them."""
        table, indptr, forced, data = self.table, self.indptr, self.forced, self.data
        if data is not None:
            table = table.filter(pa.array(data))
            indptr = np.append(0, np.cumsum(data))[indptr]
            forced = None if forced is None else forced[data]
        batch = replace(user_batch(table, (self.user_ids, indptr)), forced=forced)
        return with_people(batch, self.people)

    def judged(self, filtered: Filtered) -> Filtered:
        """Spread the engine's result for the data over all readings."""
        data = self.data
        if data is None or self.superseded is None:
            return filtered
        changed = {
            name: _spread(getattr(filtered, name), data, np.nan)
            for name in (
                "p_reason",
                "p_second",
                "p_valid",
                "expected",
                "expected_lo",
                "expected_hi",
                "level",
                "level_lo",
                "level_hi",
                "trend",
                "change_28d",
                "change_28d_lo",
                "change_28d_hi",
                "suggested",
            )
        }
        return replace(
            filtered,
            **changed,
            accepted=_spread(filtered.accepted, data, False),
            second_reason=_spread(filtered.second_reason, data, -1),
            reason=np.where(data, _spread(filtered.reason, data, 0), self.superseded),
            shift_row=np.flatnonzero(data)[filtered.shift_row],
        )


def _spread(values: npt.NDArray[Any], data: Bools, default: Any) -> npt.NDArray[Any]:
    out = np.full(len(data), default, values.dtype)
    out[data] = values
    return out


@dataclass(frozen=True)
class Annotations:
    """What sources and reviewers stated about readings: corrections, retractions, overrides.

    superseded: measurement_id and reason of those that are not data. overrides: stored.OVERRIDES.
    """

    superseded: pa.Table
    overrides: pa.Table

    @property
    def _moved(self) -> pa.Table:
        """Return the overrides that put a reading into another person's series."""
        return self.overrides.filter(pc.not_equal(pc.field("assigned_to"), pc.field("user_id")))

    def apply_assignments(
        self, stored: Stored, history: pa.Table, user_ids: Sequence[str]
    ) -> pa.Table:
        """Return HISTORY without measurements assigned to others, and with those assigned to
        user_ids."""
        moved = self._moved
        if not len(moved):
            return history
        away = pc.is_in(history["measurement_id"], moved["measurement_id"])
        here = moved.filter(pc.is_in(moved["assigned_to"], pa.array(user_ids, pa.string())))
        incoming = stored.assigned(here.select(["user_id", "effective_at", "measurement_id"]))
        at = pc.index_in(incoming["measurement_id"], here["measurement_id"])
        incoming = incoming.set_column(0, "user_id", here["assigned_to"].take(at))
        return pa.concat_tables([history.filter(pc.invert(away)), incoming])

    def arranged(
        self, series: pa.Table, user_ids: Sequence[str], known: pa.Table
    ) -> AnnotatedSeries:
        """Annotate a series.

        series: SERIES of some of user_ids, which are ascending. known: schema.DEMOGRAPHICS of any
        persons, a row each.
        """
        indptr = with_others(*by_person(series["user_id"]), user_ids)[1]
        readings = AnnotatedSeries(series, tuple(user_ids), indptr, of_persons(user_ids, known))
        ids = series["measurement_id"]
        if len(self.superseded):
            reason = _looked_up(
                ids, self.superseded, pc.index_in(self.superseded["reason"], REASONS)
            )
            if (reason > 0).any():
                readings = replace(readings, superseded=reason)
        if len(self.overrides):
            forced = _looked_up(ids, self.overrides, pc.index_in(self.overrides["action"], ACTIONS))
            moved = self._moved
            at = pc.index_in(ids, moved["measurement_id"])
            readings = replace(
                readings,
                forced=np.array([0, 1, -1], np.int8)[forced],
                received_user=moved["user_id"].take(at).combine_chunks() if len(moved) else None,
            )
        return readings


REASONS = pa.array(schema.REASONS)
ACTIONS = pa.array(["assign", "accept", "reject"])


def _looked_up(ids: pa.ChunkedArray, table: pa.Table, codes: pa.ChunkedArray) -> Codes:
    """Return (N,) the code of each id's row of a table; 0 where it has none."""
    at = pc.index_in(ids, table["measurement_id"])
    return pc.fill_null(codes.take(at), 0).to_numpy().astype(np.int8)


NO_ANNOTATIONS = Annotations(SUPERSEDED.empty_table(), OVERRIDES.empty_table())


def load_annotations(stored: Stored, user_ids: Sequence[str]) -> Annotations:
    """Return the stored measurements of some persons: their own, and those assigned to them."""
    overrides = stored.overrides(user_ids)
    elsewhere = overrides["user_id"].unique().to_pylist() if len(overrides) else []
    return Annotations(stored.superseded([*{*user_ids, *elsewhere}]), overrides)


def _unsorted(stored: pa.Table, timezone: str) -> pa.Table:
    instants = parse_times(stored["effective_at"].combine_chunks(), timezone, None).us
    series = stored.append_column("time_us", pa.array(instants, pa.int64()))
    series = series.append_column("new_row", pa.array(np.full(len(stored), -1, np.int64)))
    return series.select(SERIES.names).cast(SERIES)


def local_hour(measurements: pa.Table) -> Floats:
    """Return (N,) local hours rounded as in the store, so that new and stored ones are equal."""
    return np.round(measurements["hour"].to_numpy().astype(np.float64), 4)


def user_batch(series: pa.Table, persons: tuple[tuple[str, ...], Ints] | None = None) -> UserBatch:
    """Return a series as the engine takes it. persons: by_person's result, if known already."""
    user_ids, indptr = persons or by_person(series["user_id"])
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
