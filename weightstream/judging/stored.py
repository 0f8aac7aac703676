"""The interface through which judging reads stored persons, and the tables that it returns."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from weightstream.engine import STATE_LAYOUT, STATE_SIZE
from weightstream.schema import DEMOGRAPHICS
from weightstream.types import Floats

HISTORY = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("source", pa.string()),
        ("weight_kg", pa.float64()),
        ("local_hour", pa.float64()),
        ("run", pa.int64()),
    ]
)
"""Stored measurements."""

RECORDS = pa.schema(
    [
        ("user_id", pa.string()),
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("measurement_id", pa.string()),
        ("updated", pa.string()),
    ]
)
"""The measurement that a record stated (empty: it was retracted), and its time of update."""

SPELLINGS = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("record_id", pa.string()),
        ("updated", pa.string()),
        ("raw_weight", pa.string()),
        ("raw_unit", pa.string()),
        ("raw_time", pa.string()),
        ("weight_kg", pa.float64()),
        ("local_hour", pa.float64()),
    ]
)
"""The spelling of stored measurements, and the numbers that depend on it."""

SUPERSEDED = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Measurements that their source corrected or retracted; user_id: whom they were received for."""

OVERRIDES = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("action", pa.string()),
        ("assigned_to", pa.string()),
    ]
)
"""Overrides in force; user_id: the person that the measurement was received for."""

ESTIMATES = (
    "p_reason",
    "p_second",
    "p_valid",
    "expected_kg",
    "expected_margin_kg",
    "level_kg",
    "level_margin_kg",
    "trend_kg_per_week",
    "change_28d_kg",
    "change_28d_margin_kg",
)
"""Numbers of a decision that are updated in place, without a new version."""

UPDATED = ("second_reason", *ESTIMATES)
"""All its columns that are."""

CURRENT = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("second_reason", pa.string()),
        *((name, pa.float64()) for name in ESTIMATES),
        ("suggested_kg", pa.float64()),
        ("stage", pa.string()),
        ("model", pa.string()),
        ("run", pa.int64()),
    ]
)
"""The newest decision on each measurement."""

PLACED = pa.schema(
    [
        *CURRENT,
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("received_user", pa.string()),
    ]
)
"""CURRENT with the person whose series the measurement is in."""


LAYOUT_HEAD = STATE_LAYOUT.to_bytes(8, "little")


class StoredPerson(NamedTuple):
    """A person's line in the store.

    first_us, last_us: oldest and newest measurement, microseconds since 1970 UTC. settled: a filter
    can continue from `state`, which was computed under the fingerprint `basis`. record_hashes: of
    the known records (record_statements.Sketch); None: not known.
    """

    revision: int
    readings: int
    rejected: int
    first_us: int
    last_us: int
    settled: int | None
    basis: str | None
    state: bytes | None
    record_hashes: bytes | None

    @property
    def filter_state(self) -> Floats | None:
        """Return (STATE_SIZE,) float64; None where there is none, or it is of another layout."""
        return unpack_state(self.state or b"")


def pack_state(state: Floats) -> bytes:
    """Return a filter's state as stored: the version of its layout, then its float64s."""
    return LAYOUT_HEAD + state.astype("<f8").tobytes()


def unpack_state(blob: bytes) -> Floats | None:
    """Return the state, (STATE_SIZE,) float64; None if the blob is of another layout."""
    if len(blob) != len(LAYOUT_HEAD) + 8 * STATE_SIZE or not blob.startswith(LAYOUT_HEAD):
        return None
    return np.frombuffer(blob, "<f8", offset=len(LAYOUT_HEAD)).astype(np.float64)


class Stored(Protocol):
    """Reads stored persons. Tables have no particular order; user_ids may be unknown."""

    def persons(self, user_ids: Sequence[str]) -> Mapping[str, StoredPerson]:
        """Return those of user_ids that are known."""

    def demographics(self, user_ids: Sequence[str]) -> pa.Table:
        """Return DEMOGRAPHICS of those of user_ids of whom anything is known, a row each."""

    def levels(self, user_ids: Sequence[str]) -> Mapping[str, float | None]:
        """Return the level (kg) after the newest measurement, of those that are known."""

    def history(self, since: Mapping[str, str]) -> pa.Table:
        """Return HISTORY of the measurements of persons from an effective_at on ("": all)."""

    def superseded(self, user_ids: Sequence[str]) -> pa.Table:
        """Return SUPERSEDED of measurements that were received for user_ids."""

    def overrides(self, user_ids: Sequence[str]) -> pa.Table:
        """Return OVERRIDES of what was received for user_ids or is assigned to them."""

    def assigned(self, keys: pa.Table) -> pa.Table:
        """Return HISTORY of measurements by user_id, effective_at, measurement_id."""

    def records(self, user_ids: Sequence[str]) -> pa.Table:
        """Return RECORDS of user_ids; record_id is null or empty where there is none."""

    def spellings(self, user_ids: Sequence[str]) -> pa.Table:
        """Return SPELLINGS of every measurement that was received for user_ids."""

    def current(
        self, since: Mapping[str, str], stage: str, columns: pa.Schema = CURRENT
    ) -> pa.Table:
        """Return CURRENT or PLACED, as history does; ESTIMATES of another stage are null.

        Verdict "moved": the measurement was in this person's series, and is in another's now.
        """

    def overridden(self, user_ids: Sequence[str]) -> list[str]:
        """Return those of user_ids whom an override concerns, or ever did."""

    def has_assignments(self, user_ids: Sequence[str]) -> bool:
        """Return whether a measurement is, or ever was, assigned from or to one of user_ids."""


class NothingStored:
    """A Stored without a store: no person is known."""

    def persons(self, user_ids: Sequence[str]) -> Mapping[str, StoredPerson]:
        return {}

    def demographics(self, user_ids: Sequence[str]) -> pa.Table:
        return DEMOGRAPHICS.empty_table()

    def levels(self, user_ids: Sequence[str]) -> Mapping[str, float | None]:
        return {}

    def history(self, since: Mapping[str, str]) -> pa.Table:
        return HISTORY.empty_table()

    def superseded(self, user_ids: Sequence[str]) -> pa.Table:
        return SUPERSEDED.empty_table()

    def overrides(self, user_ids: Sequence[str]) -> pa.Table:
        return OVERRIDES.empty_table()

    def assigned(self, keys: pa.Table) -> pa.Table:
        return HISTORY.empty_table()

    def records(self, user_ids: Sequence[str]) -> pa.Table:
        return RECORDS.empty_table()

    def spellings(self, user_ids: Sequence[str]) -> pa.Table:
        return SPELLINGS.empty_table()

    def current(
        self, since: Mapping[str, str], stage: str, columns: pa.Schema = CURRENT
    ) -> pa.Table:
        return columns.empty_table()

    def overridden(self, user_ids: Sequence[str]) -> list[str]:
        return []

    def has_assignments(self, user_ids: Sequence[str]) -> bool:
        return False


NOTHING_STORED = NothingStored()
