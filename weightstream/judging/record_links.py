"""New statements of a batch's records, and the measurements that are not current any more."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.judging.persons import Persons
from weightstream.judging.record_statements import (
    LINK,
    RECORD_STATEMENTS,
    Sketch,
    new_statements,
    own_statements,
    record_keys,
    superseded_rows,
)
from weightstream.judging.stored import Stored
from weightstream.types import Bools, Hashes, Ints

NONE_SUPERSEDED = pa.table(
    {name: pa.array([], pa.string()) for name in ("measurement_id", "reason")}
)

NO_STATEMENTS = pa.table({name: pa.array([], pa.string()) for name in RECORD_STATEMENTS})


@dataclass(frozen=True)
class IncomingRecords:
    """Records of N new measurements of U persons.

    rows: (R,) int64, the measurements that have a record id. keys: (R,) of those records. known:
    (R,) bool, whether the record may have arrived before. again: (U,) bool, whether any of the
    person's may have.
    """

    user_ids: tuple[str, ...]
    rows: Ints
    keys: Hashes
    known: Bools
    again: Bools

    def linked(self, of: pa.Table) -> Bools:
        """Return (U,) whether any of the links (LINK) are the person's."""
        found = np.zeros(len(self.user_ids), bool)
        if len(of):
            found[pc.index_in(of["user_id"].unique(), pa.array(self.user_ids)).to_numpy()] = True
        return found


@dataclass(frozen=True)
class RecordLinks:
    """New statements, and their consequences.

    links: LINK, statements that the store did not have. linked: (U,) bool, whose series they may
    change. statements: RECORD_STATEMENTS of all linked persons. superseded: measurement_id and
    reason of the measurements of these that are not current. records: those that are known now.
    """

    links: pa.Table
    linked: Bools
    statements: pa.Table
    superseded: pa.Table
    records: Sketch


def statements_of(copies: pa.Table | None, retractions: pa.Table) -> pa.Table:
    """Return LINK of copies within a batch and of retractions (schema.RETRACTION)."""
    tables = [LINK.empty_table()]
    if copies is not None:
        tables.append(_placed(own_statements(copies), copies))
    if len(retractions):
        named = retractions.filter(
            pc.field("record_id").is_valid() & pc.field("user_id").is_valid()
        )
        back = named.append_column("measurement_id", pa.array([""] * len(named), pa.string()))
        tables.append(back.select(LINK.names).cast(LINK))
    return pa.concat_tables(tables)


def _placed(statements: pa.Table, rows: pa.Table) -> pa.Table:
    """Return LINK of statements and the rows that state them."""
    for name in ("file", "line"):
        statements = statements.append_column(name, rows[name].cast(pa.int64()))
    return statements.cast(LINK)


def incoming_records(persons: Persons, new: pa.Table, user: Ints) -> IncomingRecords:
    """Find the records among N new measurements; user: (N,) the number of each one's person."""
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
    stored: Stored,
    persons: Persons,
    incoming: IncomingRecords,
    new: pa.Table,
    fresh: Bools,
    was: pa.Table,
    links: pa.Table,
) -> RecordLinks:
    """Find out what a batch's records state anew.

    new: N measurements with measurement_id; fresh: (N,) whether the store does not have it. was:
    stored.SPELLINGS of those that it has. links: LINK of copies within the batch and of
    retractions. A person is linked if a statement may change which measurements are current: its
    record arrived before, or is retracted, or states a stored measurement.
    """
    links = resolve_new_statements(stored, new, fresh, was, links)
    number = {name: u for u, name in enumerate(persons.user_ids)} if len(links) else {}
    fresh_records = fresh[incoming.rows]
    keys = incoming.keys[fresh_records]
    again = keys[incoming.known[fresh_records]]
    linked = np.zeros(len(persons.user_ids), bool)
    if len(links):
        ids = new["measurement_id"].filter(pa.array(fresh))
        of_fresh = pc.is_in(links["measurement_id"], ids).to_numpy()
        linked[_numbers(links.filter(~of_fresh), number)] = True
        own = _keys_of(links, number)
        again = np.concatenate([again, own[persons.records.holds(own)]])
        keys = np.concatenate([keys, own])
        several = np.sort(keys)
        again = np.concatenate([again, several[1:][several[1:] == several[:-1]]])
    linked[(again >> np.uint64(32)).astype(np.int64)] = True
    statements, superseded = NO_STATEMENTS, NONE_SUPERSEDED
    if linked.any():
        who = [persons.user_ids[u] for u in np.flatnonzero(linked)]
        of_linked = links.filter(pc.is_in(links["user_id"], pa.array(who))).select(
            RECORD_STATEMENTS
        )
        statements = pa.concat_tables([_known(stored, who, new, fresh), of_linked])
        superseded = superseded_rows(statements)
        if persons.unsketched.any():
            keys = np.concatenate(
                [keys, _keys_of(statements, {name: u for u, name in enumerate(persons.user_ids)})]
            )
    return RecordLinks(links, linked, statements, superseded, persons.records.with_keys(keys))


def resolve_new_statements(
    stored: Stored,
    new: pa.Table,
    fresh: Bools,
    was: pa.Table,
    links: pa.Table,
) -> pa.Table:
    """Return LINK of statements that are new: of `links`, and of measurements stored otherwise."""
    back = pc.equal(links["measurement_id"], "")
    copies = links.filter(pc.invert(back))
    kept = new.select(["measurement_id", "record_id", "updated"])
    kept = kept.take(pc.index_in(copies["measurement_id"], kept["measurement_id"]))
    rows = new.filter(pa.array(~fresh))
    links = pa.concat_tables(
        [
            links.filter(back),
            copies.filter(_otherwise(copies, kept)),
            _of_others(rows, was) if len(rows) else LINK.empty_table(),
        ]
    )
    if not len(links):
        return links
    return new_statements(links, _known(stored, links["user_id"].unique().to_pylist(), new, fresh))


def _of_others(copies: pa.Table, was: pa.Table) -> pa.Table:
    """Return LINK of stored measurements that come from another record, or updated later."""
    same = copies["record_id"].cast(pa.string()).equals(was["record_id"])
    if same and copies["updated"].cast(pa.string()).equals(was["updated"]):
        return LINK.empty_table()
    statements = own_statements(copies)
    different = _otherwise(statements, was)
    return _placed(statements.filter(different), copies.filter(different))


def _otherwise(statements: pa.Table, was: pa.Table) -> pa.ChunkedArray:
    """Return where N statements are of another record than the measurement's, or updated later."""
    before = pc.fill_null(was["record_id"].cast(pa.string()), "")
    other = pc.not_equal(statements["record_id"], before)
    later = pc.greater(
        pc.fill_null(statements["updated"], ""), pc.fill_null(was["updated"].cast(pa.string()), "")
    )
    return pc.or_(other, pc.and_(pc.not_equal(statements["record_id"], ""), later))


def _known(stored: Stored, user_ids: list[str], new: pa.Table, fresh: Bools) -> pa.Table:
    """Return RECORD_STATEMENTS of the stored and the new measurements of some persons."""
    new = new.select(RECORD_STATEMENTS)
    own = pc.is_in(new["user_id"].cast(pa.string()), pa.array(user_ids)).to_numpy()
    own_rows = new.filter(pa.array(own & fresh))
    return pa.concat_tables([own_statements(own_rows), own_statements(stored.records(user_ids))])


def _numbers(statements: pa.Table, number: dict[str, int]) -> Ints:
    return np.array([number[name] for name in statements["user_id"].to_pylist()], np.int64)


def _keys_of(statements: pa.Table, number: dict[str, int]) -> Hashes:
    """Return keys of the records of statements."""
    named = statements.filter(pc.not_equal(statements["record_id"], ""))
    return record_keys(_numbers(named, number), named["source"], named["record_id"])
