"""The identity and order of measurements, and keeping one of each.

Identity is person, source, instant and mass, not spelling: an offset, `Z` and the file's zone name
one instant; 80, 80.0, 80000 g and 88849.999998 g name one mass.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.types import Bools, Floats, Ints

LARGEST_WHOLE = 2.0**53
"""Above this int64 could overflow, so Python writes the text instead, with the same result."""


@dataclass(frozen=True)
class Deduplicated:
    """measurements: schema.MEASUREMENT, sorted by user (bytes of the id), time_us, source,
    weight_kg, id; each id once. ids: (N,) string, their ids. dropped: user_id and file of the
    other rows. copies: like measurements, with measurement_id: rows with a record id whose
    measurement came several times.
    """

    measurements: pa.Table
    ids: pa.StringArray
    dropped: pa.Table
    copies: pa.Table | None = None


def measurement_ids(measurements: pa.Table) -> pa.StringArray:
    """Return (N,) ids: 16 hex digits of BLAKE2b over instant, mass, user and source.

    measurements: user_id, source, effective_at (UTC, or the day alone), weight_kg.
    Mass counts in whole grams. Instant and mass hold no space, and the user's length goes before
    it: no two different measurements give the same text.
    """
    user = _plain(measurements["user_id"])
    parts = pc.binary_join_element_wise(
        _plain(measurements["effective_at"]),
        grams_text(measurements["weight_kg"].to_numpy()),
        pc.utf8_length(user).cast(pa.string()),
        user,
        _plain(measurements["source"]),
        " ",
    )
    texts = parts.cast(pa.binary()).to_pylist()
    return pa.array([blake2b(text, digest_size=8).hexdigest() for text in texts], pa.string())


def grams_text(weight_kg: Floats) -> pa.StringArray:
    """Return (N,) texts of masses in whole grams; weight_kg: positive, finite.

    A decimal of kg or g and its exact equal in the other unit are the same float64, so they round
    alike; no decimal of lb, oz or st that a person writes lies half-way between two grams.
    """
    grams = np.rint(weight_kg * 1000.0)
    if len(grams) and grams.max() >= LARGEST_WHOLE:
        return pa.array([f"{gram:.0f}" for gram in grams.tolist()], pa.string())
    return pa.array(grams.astype(np.int64)).cast(pa.string())


def deduplicate(measurements: pa.Table, ids: pa.StringArray) -> Deduplicated:
    """Sort measurements, and keep one of those that share an id, whatever their order.

    It keeps the one with the smallest raw_weight, raw_unit, raw_time, file, line. Its record_id is
    the smallest that a copy has, with that record's latest `updated`.
    """
    order = _sorted_rows(measurements, ids)
    ids = ids.take(pa.array(order))
    repeated = np.zeros(len(ids), dtype=bool)
    if len(ids) > 1:
        repeated[1:] = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    rows = measurements.take(pa.array(order)) if len(order) else measurements
    if not repeated.any():
        return Deduplicated(rows, ids, rows.slice(0, 0).select(["user_id", "file"]))
    group = np.cumsum(~repeated) - 1
    shared = np.flatnonzero(repeated | np.append(repeated[1:], False))
    copies = None
    if rows["record_id"].null_count < len(rows):
        several = pa.array(shared)
        copies = rows.take(several).append_column("measurement_id", ids.take(several))
    keep, rows = _choose(rows, group, shared, ~repeated)
    mask = pa.array(keep)
    dropped = rows.select(["user_id", "file"]).filter(pc.invert(mask))
    return Deduplicated(rows.filter(mask), ids.filter(mask), dropped, copies)


def _sorted_rows(measurements: pa.Table, ids: pa.StringArray) -> Ints:
    """Return (N,) the order of rows: user, time, then, if these are equal, source, kg, id."""
    user = _ranks(measurements["user_id"])
    time = _plain_numbers(measurements["time_us"])
    order = np.lexsort((time, user))
    same = (np.diff(user[order]) == 0) & (np.diff(time[order]) == 0)
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        rows = pa.array(order[tied])
        table = pa.table(
            {
                "user": user[order[tied]],
                "time": time[order[tied]],
                "source": _ranks(measurements["source"])[order[tied]],
                "kg": measurements["weight_kg"].take(rows),
                "id": ids.take(rows),
            }
        )
        keys = [(name, "ascending") for name in table.column_names]
        order[tied] = order[tied][pc.sort_indices(table, sort_keys=keys).to_numpy()]
    return order


def _choose(rows: pa.Table, group: Ints, shared: Ints, keep: Bools) -> tuple[Bools, pa.Table]:
    """Return for each group of the rows `shared` the row that stays, and rows with record ids."""
    copies = rows.take(pa.array(shared)).select(
        ["raw_weight", "raw_unit", "raw_time", "file", "line", "record_id", "updated"]
    )
    copies = copies.set_column(1, "raw_unit", _plain(copies["raw_unit"]))
    copies = copies.append_column("group", pa.array(group[shared]))
    keys = ["group", "raw_weight", "raw_unit", "raw_time", "file", "line"]
    first = _first_of_group(copies, [(name, "ascending") for name in keys])
    keep[shared] = False
    keep[shared[first]] = True
    if copies["record_id"].null_count == len(copies):
        return keep, rows
    # Nulls sort last in both directions: a copy that has an id, or a time, comes first.
    linked = _first_of_group(
        copies, [("group", "ascending"), ("record_id", "ascending"), ("updated", "descending")]
    )
    for name in ("record_id", "updated"):
        mask = np.zeros(rows.num_rows, dtype=bool)
        mask[shared[first]] = True
        column = pc.replace_with_mask(
            rows[name].combine_chunks(), pa.array(mask), _plain(copies[name].take(pa.array(linked)))
        )
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return keep, rows


def _first_of_group(copies: pa.Table, keys: list[tuple[str, str]]) -> Ints:
    """Return the row of each group, in the order of the groups, that is first by the keys."""
    order = pc.sort_indices(copies, sort_keys=keys).to_numpy()
    group = _plain_numbers(copies["group"])[order]
    return order[np.flatnonzero(np.append(True, np.diff(group) != 0))]


def _ranks(column: pa.ChunkedArray) -> Ints:
    """Return (N,) ranks of texts by their bytes, the order of SQLite's BINARY collation."""
    coded = column.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([], coded.type)
    names = coded.dictionary
    rank = np.empty(len(names), dtype=np.int64)
    rank[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
    return rank[coded.indices.to_numpy()]


def _plain(column: Any) -> pa.StringArray:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(pa.string())


def _plain_numbers(column: pa.ChunkedArray) -> Ints:
    return column.to_numpy()
