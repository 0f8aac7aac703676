"""What a batch's records say that the store did not know, and which readings fall by it."""

import sqlite3
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import Ints
from weightstream.records import LINK, SAID, Keys, Sketch, links, news, rank, record_keys, set_aside
from weightstream.series import Persons
from weightstream.store import reading

Mask = npt.NDArray[np.bool_]
NO_ASIDE = pa.table({name: pa.array([], pa.string()) for name in ("measurement_id", "reason")})


@dataclass(frozen=True)
class Came:
    """Records of N new measurements of U persons.

    rows: (R,) int64, the measurements that came as records. keys: (R,) of those. known: (R,) bool,
    the record may have come before. again: (U,) bool, one of the person's did.
    """

    user_ids: tuple[str, ...]
    rows: Ints
    keys: Keys
    known: Mask
    again: Mask

    def told(self, of: pa.Table) -> Mask:
        """(U,) of whom some links are."""
        found = np.zeros(len(self.user_ids), bool)
        if len(of):
            found[pc.index_in(of["user_id"].unique(), pa.array(self.user_ids)).to_numpy()] = True
        return found


@dataclass(frozen=True)
class Heard:
    """links: LINK, what records said that the store did not know. linked: (U,) bool, of whom.

    aside: measurement_id and reason of what does not stand, of all linked persons. records: those
    that are known now.
    """

    links: pa.Table
    linked: Mask
    aside: pa.Table
    records: Sketch


def links_told(copies: pa.Table | None, retractions: pa.Table) -> pa.Table:
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


def _placed(said: pa.Table, rows: pa.Table) -> pa.Table:
    """LINK of SAID and the rows that it is of."""
    for name in ("file", "line"):
        said = said.append_column(name, rows[name].cast(pa.int64()))
    return said.cast(LINK)


def records_that_came(persons: Persons, new: pa.Table, user: Ints) -> Came:
    """new: N measurements; user: (N,) the number of each one's person."""
    users = len(persons.user_ids)
    has_id = new["record_id"].is_valid().to_numpy()
    rows = np.flatnonzero(has_id)
    if not len(rows):
        return Came(
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
    return Came(persons.user_ids, rows, keys, known, again)


def hear(
    connection: sqlite3.Connection | None,
    persons: Persons,
    came: Came,
    new: pa.Table,
    fresh: Mask,
    was: pa.Table,
    told: pa.Table,
) -> Heard:
    """new: N measurements with measurement_id; fresh: (N,) whether the store does not have it.

    was: reading.SPELLINGS of those that it has. told: LINK of copies within the batch and of
    records that are taken back.
    """
    number = {name: u for u, name in enumerate(persons.user_ids)}
    told = pa.concat_tables([told, _otherwise(new, fresh, was)])
    if len(told):
        told = news(told, _known(connection, told["user_id"].unique().to_pylist(), new, fresh))
    fresh_records = fresh[came.rows]
    linked = came.told(told)
    of_row = (came.keys >> np.uint64(32)).astype(np.int64)
    linked[of_row[came.known & fresh_records]] = True
    keys = [came.keys[fresh_records]]
    aside = NO_ASIDE
    if linked.any():
        who = [persons.user_ids[u] for u in np.flatnonzero(linked)]
        of_linked = told.filter(pc.is_in(told["user_id"], pa.array(who)))
        said = pa.concat_tables([_known(connection, who, new, fresh), of_linked.select(SAID)])
        aside = set_aside(said)
        named = said.filter(pc.not_equal(said["record_id"], ""))
        of_user = np.array([number[name] for name in named["user_id"].to_pylist()], np.int64)
        keys.append(record_keys(of_user, named["source"], named["record_id"]))
    return Heard(told, linked, aside, persons.records.with_keys(np.concatenate(keys)))


def _otherwise(new: pa.Table, fresh: Mask, was: pa.Table) -> pa.Table:
    """LINK of measurements that the store has, but not from this record or not updated then."""
    rows = np.flatnonzero(~fresh)
    if not len(rows):
        return LINK.empty_table()
    copies = new.take(rows)
    said, before = links(copies), links(was)
    other = pc.not_equal(said["record_id"], before["record_id"])
    later = pc.and_(pc.not_equal(said["record_id"], ""), pc.greater(rank(said), rank(before)))
    different = pc.or_(other, later)
    return _placed(said.filter(different), copies.filter(different))


def _known(
    connection: sqlite3.Connection | None, user_ids: list[str], new: pa.Table, fresh: Mask
) -> pa.Table:
    """SAID of all that the records of some persons are known to have said, and now say first."""
    tables = [links(new.filter(pa.array(fresh)))]
    tables[0] = tables[0].filter(pc.is_in(tables[0]["user_id"], pa.array(user_ids)))
    if connection is not None:
        tables.append(links(reading.spellings(connection, user_ids)))
        tables.append(reading.records(connection, user_ids))
    return pa.concat_tables([table.select(SAID) for table in tables])
