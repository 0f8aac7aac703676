"""What a batch's records say that the store did not know, and which readings fall by it."""

import sqlite3
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import Ints
from weightstream.judging.record_statements import (
    LINK,
    RECORD_STATEMENTS,
    Keys,
    Sketch,
    links,
    new_statements,
    record_keys,
    superseded_rows,
)
from weightstream.judging.series import Persons
from weightstream.store import queries

Bools = npt.NDArray[np.bool_]
NONE_SUPERSEDED = pa.table(
    {name: pa.array([], pa.string()) for name in ("measurement_id", "reason")}
)

NO_STATEMENTS = pa.table({name: pa.array([], pa.string()) for name in RECORD_STATEMENTS})


@dataclass(frozen=True)
class IncomingRecords:
    """Records of N new measurements of U persons.

    rows: (R,) int64, the measurements that came as records. keys: (R,) of those. known: (R,) bool,
    the record may have come before. again: (U,) bool, one of the person's did.
    """

    user_ids: tuple[str, ...]
    rows: Ints
    keys: Keys
    known: Bools
    again: Bools

    def annotations(self, of: pa.Table) -> Bools:
        """(U,) of whom some links are."""
        found = np.zeros(len(self.user_ids), bool)
        if len(of):
            found[pc.index_in(of["user_id"].unique(), pa.array(self.user_ids)).to_numpy()] = True
        return found


@dataclass(frozen=True)
class RecordLinks:
    """links: LINK, what records said that the store did not know. linked: (U,) bool, of whom.

    said: SAID of all linked persons. aside: measurement_id and reason of what does not stand of
    it. records: those that are known now.
    """

    links: pa.Table
    linked: Bools
    statements: pa.Table
    superseded: pa.Table
    records: Sketch


def statements_of(copies: pa.Table | None, retractions: pa.Table) -> pa.Table:
    """LINK of copies within a batch and of records that are taken back (schema.RETRACTION)."""
    tables = [LINK.empty_table()]
    if copies is not None:
        tables.append(_placed(links(copies), copies))
    if len(retractions):
        named = retractions.filter(
            pc.field("record_id").is_valid() & pc.field("user_id").is_valid()
        )
        back = named.append_column("measurement_id", pa.array([""] * len(named), pa.string()))
        tables.append(back.select(LINK.names).cast(LINK))
    return pa.concat_tables(tables)


def _placed(statements: pa.Table, rows: pa.Table) -> pa.Table:
    """LINK of SAID and the rows that it is of."""
    for name in ("file", "line"):
        statements = statements.append_column(name, rows[name].cast(pa.int64()))
    return statements.cast(LINK)


def incoming_records(persons: Persons, new: pa.Table, user: Ints) -> IncomingRecords:
    """new: N measurements; user: (N,) the number of each one's person."""
    users = len(persons.user_ids)
    has_id = new["record_id"].is_valid().to_numpy()
    rows = np.flatnonzero(has_id)
    if not len(rows):
        return IncomingRecords(
            persons.user_ids, rows, np.zeros(0, np.uint64), has_id[:0], np.zeros(users, bool)
        )
    of_records = new if len(rows) == len(new) else new.take(rows)
    keys = record_keys(user[rows], of_records["source"], of_records["record_id"])
    known = persons.records.holds(keys) | persons.unsketched[user[rows]]
    order = np.argsort(keys)
    repeated = np.diff(keys[order]) == 0
    known[order[1:][repeated]] = known[order[:-1][repeated]] = True
    again = np.zeros(users, bool)
    again[user[rows[known]]] = True
    return IncomingRecords(persons.user_ids, rows, keys, known, again)


def resolve_links(
    connection: sqlite3.Connection | None,
    persons: Persons,
    incoming: IncomingRecords,
    new: pa.Table,
    fresh: Bools,
    was: pa.Table,
    annotations: pa.Table,
) -> RecordLinks:
    """new: N measurements with measurement_id; fresh: (N,) whether the store does not have it.

    was: reading.SPELLINGS of those that it has. told: LINK of copies within the batch and of
    records that are taken back. A person is linked where what a record says may change what
    stands: it is known to have said something before, or takes back, or says what was stored.
    """
    annotations = resolve_new_statements(connection, new, fresh, was, annotations)
    number = {name: u for u, name in enumerate(persons.user_ids)} if len(annotations) else {}
    fresh_records = fresh[incoming.rows]
    keys = incoming.keys[fresh_records]
    again = keys[incoming.known[fresh_records]]
    linked = np.zeros(len(persons.user_ids), bool)
    if len(annotations):
        ids = new["measurement_id"].filter(pa.array(fresh))
        of_fresh = pc.is_in(annotations["measurement_id"], ids).to_numpy()
        linked[_numbers(annotations.filter(~of_fresh), number)] = True
        own = _keys_of(annotations, number)
        again = np.concatenate([again, own[persons.records.holds(own)]])
        keys = np.concatenate([keys, own])
        several = np.sort(keys)
        again = np.concatenate([again, several[1:][several[1:] == several[:-1]]])
    linked[(again >> np.uint64(32)).astype(np.int64)] = True
    statements, superseded = NO_STATEMENTS, NONE_SUPERSEDED
    if linked.any():
        who = [persons.user_ids[u] for u in np.flatnonzero(linked)]
        of_linked = annotations.filter(pc.is_in(annotations["user_id"], pa.array(who))).select(
            RECORD_STATEMENTS
        )
        statements = pa.concat_tables([_known(connection, who, new, fresh), of_linked])
        superseded = superseded_rows(statements)
        if persons.unsketched.any():
            keys = np.concatenate(
                [keys, _keys_of(statements, {name: u for u, name in enumerate(persons.user_ids)})]
            )
    return RecordLinks(annotations, linked, statements, superseded, persons.records.with_keys(keys))


def resolve_new_statements(
    connection: sqlite3.Connection | None,
    new: pa.Table,
    fresh: Bools,
    was: pa.Table,
    annotations: pa.Table,
) -> pa.Table:
    """LINK of what nobody knew: of `told`, and of measurements that the store has otherwise."""
    back = pc.equal(annotations["measurement_id"], "")
    copies = annotations.filter(pc.invert(back))
    kept = new.select(["measurement_id", "record_id", "updated"])
    kept = kept.take(pc.index_in(copies["measurement_id"], kept["measurement_id"]))
    rows = new.filter(pa.array(~fresh))
    annotations = pa.concat_tables(
        [
            annotations.filter(back),
            copies.filter(_otherwise(copies, kept)),
            _of_others(rows, was) if len(rows) else LINK.empty_table(),
        ]
    )
    if not len(annotations):
        return annotations
    return new_statements(
        annotations, _known(connection, annotations["user_id"].unique().to_pylist(), new, fresh)
    )


def _of_others(copies: pa.Table, was: pa.Table) -> pa.Table:
    """LINK of measurements that the store has, but not from this record or not updated then."""
    same = copies["record_id"].cast(pa.string()).equals(was["record_id"])
    if same and copies["updated"].cast(pa.string()).equals(was["updated"]):
        return LINK.empty_table()
    statements = links(copies)
    different = _otherwise(statements, was)
    return _placed(statements.filter(different), copies.filter(different))


def _otherwise(statements: pa.Table, was: pa.Table) -> pa.ChunkedArray:
    """Where N rows of SAID are of another record than the measurement's own, or updated later."""
    before = pc.fill_null(was["record_id"].cast(pa.string()), "")
    other = pc.not_equal(statements["record_id"], before)
    later = pc.greater(
        pc.fill_null(statements["updated"], ""), pc.fill_null(was["updated"].cast(pa.string()), "")
    )
    return pc.or_(other, pc.and_(pc.not_equal(statements["record_id"], ""), later))


def _known(
    connection: sqlite3.Connection | None, user_ids: list[str], new: pa.Table, fresh: Bools
) -> pa.Table:
    """SAID of all that the records of some persons are known to have said, and now say first."""
    new = new.select(RECORD_STATEMENTS)
    own = pc.is_in(new["user_id"].cast(pa.string()), pa.array(user_ids)).to_numpy()
    tables = [links(new.filter(pa.array(own & fresh)))]
    if connection is not None:
        tables.append(links(queries.records(connection, user_ids)))
    return pa.concat_tables(tables)


def _numbers(statements: pa.Table, number: dict[str, int]) -> Ints:
    return np.array([number[name] for name in statements["user_id"].to_pylist()], np.int64)


def _keys_of(statements: pa.Table, number: dict[str, int]) -> Keys:
    """Keys of the records in SAID."""
    named = statements.filter(pc.not_equal(statements["record_id"], ""))
    return record_keys(_numbers(named, number), named["source"], named["record_id"])
