"""Statements of sources on their own records: corrections and retractions.

A source's id of a record is unique within the source and the person. Each time that a record
arrives, it states one thing: a measurement, or that it is retracted. The statement in force is the
latest by the source's own time of update, not by arrival. A measurement is current while a record
states it, or while it arrived without an id.
"""

from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.engine.compiled import kernel
from weightstream.types import Bools, Hashes, Ints

LINK = pa.schema(
    [
        ("user_id", pa.string()),
        ("source", pa.string()),
        ("record_id", pa.string()),  # empty: the measurement arrived without an id
        ("measurement_id", pa.string()),  # empty: the record is retracted
        ("updated", pa.string()),  # by the source, UTC; null if not given
        ("file", pa.int64()),
        ("line", pa.int64()),
    ]
)
"""A statement, and where it was read."""

RECORD_STATEMENTS = ("user_id", "source", "record_id", "measurement_id", "updated")
"""Columns of a statement: LINK without file and line."""
RECORD = ("user_id", "source", "record_id")
"""Columns that name a record."""
SUPERSEDED, RETRACTED = "superseded", "retracted"
SEVERAL_TIMES = 3
"""A correction keeps or corrects the time of a reading, so an id with this many times is shared by
several records."""


def own_statements(measurements: pa.Table) -> pa.Table:
    """Return the statements of some measurements' own records: RECORD_STATEMENTS.

    measurements: user_id, source, record_id (or null), measurement_id, updated.
    """
    columns = {name: measurements[name].cast(pa.string()) for name in RECORD_STATEMENTS}
    columns["record_id"] = pc.fill_null(columns["record_id"], "")
    return pa.table(columns)


def rank(statements: pa.Table) -> pa.Array:
    """Return (N,) texts that sort as the times of update of N statements do.

    A statement without a time sorts first, and a retraction without one last: it cannot be undone.
    """
    back = pc.equal(statements["measurement_id"], "")
    return pc.fill_null(statements["updated"], pc.if_else(back, "~", "").combine_chunks())


def superseded_rows(statements: pa.Table) -> pa.Table:
    """Return measurement_id and reason (superseded, retracted) of those that are not current.

    statements: RECORD_STATEMENTS, all that there are on some persons' records, in any order and
    number. Of statements with one time a retraction sorts last, and of measurements the larger id:
    so the result depends on the set alone.
    """
    again = _stated_again(statements)
    if not again.any():  # nothing replaces anything
        return pa.table(
            {"measurement_id": pa.array([], pa.string()), "reason": pa.array([], pa.string())}
        )
    fallen = _fallen(statements.filter(pa.array(again)))
    once = statements["measurement_id"].filter(pa.array(~again))
    current = once.filter(pc.is_in(once, fallen["measurement_id"].combine_chunks()))
    return fallen.filter(pc.invert(pc.is_in(fallen["measurement_id"], current.combine_chunks())))


def _stated_again(statements: pa.Table) -> Bools:
    """Return (N,) whether a record may have other statements too; nearly all have one alone.

    By hashes: two that are equal by chance are told apart later.
    """
    records = statements["record_id"].cast(pa.string())
    users = statements["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    key = record_keys(users, statements["source"], records)
    ordered = np.sort(key)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    found: Bools = np.isin(key, repeated) & pc.not_equal(records, "").to_numpy()
    return found


def _fallen(statements: pa.Table) -> pa.Table:
    """Return superseded_rows of the records of some statements, all that there are on them."""
    ranked = statements.select([*RECORD, "measurement_id"])
    ranked = ranked.append_column("rank", rank(statements))
    ranked = ranked.append_column(
        "back", pc.equal(statements["measurement_id"], "").cast(pa.int8())
    )
    keys = (*RECORD, "rank", "back", "measurement_id")
    ranked = ranked.sort_by([(name, "ascending") for name in keys])
    record = pc.binary_join_element_wise(*(ranked[name] for name in RECORD), "\0").combine_chunks()
    last = np.append(pc.not_equal(record[1:], record[:-1]).to_numpy(zero_copy_only=False), True)
    newest = last | pc.equal(ranked["record_id"], "").to_numpy()
    group = np.cumsum(np.append(False, last[:-1]))
    is_retraction = pc.equal(ranked["measurement_id"], "").to_numpy()
    current = ranked["measurement_id"].filter(pa.array(newest)).unique()
    fallen = ~pc.is_in(ranked["measurement_id"], current).to_numpy() & ~is_retraction
    record_retracted = (last & is_retraction)[np.flatnonzero(last)[group]]
    retracted = ranked["measurement_id"].filter(pa.array(fallen & record_retracted)).unique()
    ids = ranked["measurement_id"].filter(pa.array(fallen)).unique()
    reason = pc.if_else(pc.is_in(ids, retracted), RETRACTED, SUPERSEDED)
    return pa.table({"measurement_id": ids, "reason": reason})


def shared(statements: pa.Table, times: pa.Table) -> pa.Array:
    """Return ids of measurements whose record states readings at SEVERAL_TIMES or more.

    Corrections rarely do; such an id is shared by several records.
    statements: RECORD_STATEMENTS. times: measurement_id, effective_at of all that they name.
    """
    named = statements.filter(
        pc.and_(
            pc.not_equal(statements["record_id"], ""),
            pc.not_equal(statements["measurement_id"], ""),
        )
    )
    at = times["effective_at"].take(pc.index_in(named["measurement_id"], times["measurement_id"]))
    record = pc.binary_join_element_wise(*(named[name] for name in RECORD), "\0")
    counts = pa.table({"record": record, "at": at}).group_by("record")
    counts = counts.aggregate([("at", "count_distinct")])
    many = counts.filter(pc.greater_equal(counts["at_count_distinct"], SEVERAL_TIMES))["record"]
    return named["measurement_id"].filter(pc.is_in(record, many)).unique()


def new_statements(statements: pa.Table, known: pa.Table) -> pa.Table:
    """Return rows of LINK that `known` (RECORD_STATEMENTS) does not have.

    Of repeated statements only the latest.
    """
    ranked = statements.append_column("rank", rank(statements))
    keys = (*RECORD, "measurement_id", "rank", "file", "line")
    ranked = ranked.sort_by([(name, "ascending") for name in keys])
    what = _texts(ranked)
    last = np.ones(len(what), bool)
    last[:-1] = pc.not_equal(what[1:], what[:-1]).to_numpy(zero_copy_only=False)
    before = _newest_rank(known)
    was = pc.fill_null(before["rank"].take(pc.index_in(what, before["what"])), "\0")
    new = last & pc.greater(_above(ranked["rank"]), was).to_numpy()
    return ranked.filter(pa.array(new)).select(LINK.names)


def _newest_rank(known: pa.Table) -> pa.Table:
    table = pa.table({"what": _texts(known), "rank": _above(rank(known))})
    best = table.group_by("what").aggregate([("rank", "max")])
    return best.rename_columns(["what", "rank"])


def _above(ranks: pa.Array) -> pa.Array:
    """Return ranks as texts that sort after "", which means "not known"."""
    return pc.binary_join_element_wise("=", ranks, "")


def _texts(statements: pa.Table) -> pa.Array:
    """Return (N,) record and measurement as one text; no id holds the separator."""
    parts = (pc.fill_null(statements[name], "") for name in (*RECORD, "measurement_id"))
    concat = pc.binary_join_element_wise(*parts, "\0")
    return concat.combine_chunks() if isinstance(concat, pa.ChunkedArray) else concat


@dataclass(frozen=True)
class Sketch:
    """Hashes of the records that are known of U persons: enough to see that one may arrive again.

    keys: ascending uint64, the person's number in the upper half, a hash in the lower.
    """

    keys: Hashes

    def holds(self, keys: Hashes) -> Bools:
        """Return whether each of the keys may be known."""
        if not len(self.keys):
            return np.zeros(len(keys), bool)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.keys[at] == keys

    def with_keys(self, keys: Hashes) -> "Sketch":
        both = np.concatenate([self.keys, np.sort(keys)])
        both.sort(kind="stable")  # two ascending runs: merged, not sorted
        return Sketch(both[np.append(True, both[1:] != both[:-1])] if len(both) else both)

    def blobs(self, users: int) -> list[bytes]:
        """Return the hashes by person, for the store."""
        hashes = self.keys.astype(np.uint32)
        bounds = np.arange(users + 1, dtype=np.uint64) << np.uint64(32)
        ends = np.searchsorted(self.keys, bounds).tolist()
        return [hashes[a:b].tobytes() for a, b in pairwise(ends)]


def sketch(blobs: list[bytes]) -> Sketch:
    """Build a sketch from what `blobs` returned."""
    hashes = np.frombuffer(b"".join(blobs), np.uint32)
    person = np.repeat(np.arange(len(blobs)), [len(blob) // 4 for blob in blobs])
    return Sketch(_keys(person, hashes))


def record_keys(user: Ints, source: pa.ChunkedArray, record_id: pa.ChunkedArray) -> Hashes:
    """Return (N,) keys of records. user: (N,) the person's number. record_id: without nulls."""
    coded = source.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    salt = np.array([crc32(name.encode()) for name in coded.dictionary.to_pylist()], np.uint32)
    hashes = hashed(record_id) ^ salt[coded.indices.to_numpy()]
    return _keys(user, hashes)


def _keys(user: Ints, hashes: npt.NDArray[np.uint32]) -> Hashes:
    return (user.astype(np.uint64) << np.uint64(32)) | hashes


def hashed(texts: pa.ChunkedArray) -> npt.NDArray[np.uint32]:
    """Return (N,) hashes of texts without nulls."""
    array = texts.combine_chunks()
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    out = np.zeros(len(array), np.uint32)
    if data is not None and len(array):
        hash_kernel(ends, np.frombuffer(data, np.uint8), out)
    return out


@kernel(
    "void(Array(int32, 1, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), uint32[::1])"
)
def hash_kernel(
    ends: npt.NDArray[np.int32], data: npt.NDArray[np.uint8], out: npt.NDArray[np.uint32]
) -> None:
    """Hash by FNV-1a, 64 bits folded to 32."""
    for i in range(len(out)):
        value = np.uint64(14695981039346656037)
        for at in range(ends[i], ends[i + 1]):
            value = (value ^ np.uint64(data[at])) * np.uint64(1099511628211)
        out[i] = np.uint32((value >> np.uint64(32)) ^ (value & np.uint64(0xFFFFFFFF)))
