"""The rows that a causal pass writes of a batch: measurements, persons, states, records."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.engine import Filtered, state_day
from weightstream.judging.batch_result import Column, Rows, nothing, rows_of
from weightstream.judging.decisions import KEY, DecisionDiff, newest
from weightstream.judging.persons import Persons
from weightstream.judging.record_links import RecordLinks
from weightstream.judging.record_statements import RECORD_STATEMENTS
from weightstream.judging.series import AnnotatedSeries, local_hour
from weightstream.judging.stored import pack_state
from weightstream.types import Bools, Ints


def measurement_rows(
    new: pa.Table, fresh: Bools, user: Ints, users: int, file_numbers: Ints
) -> Rows:
    kept = new.filter(pa.array(fresh))
    text = ["raw_weight", "raw_unit", "raw_time"]
    text += [name for name in ("record_id", "updated") if kept[name].null_count < len(kept)]
    names = (*KEY, "source", *text)
    columns = {name: kept[name].cast(pa.string()).combine_chunks() for name in names}
    return rows_of(
        user[fresh],
        users,
        columns
        | {
            "weight_kg": kept["weight_kg"].to_numpy(),
            "local_hour": local_hour(kept),
            "file": file_numbers[kept["file"].to_numpy()],
            "line": kept["line"].to_numpy(),
        },
    )


def user_rows(
    persons: Persons,
    new: pa.Table,
    judged: Bools,
    touched: Bools,
    readings: AnnotatedSeries,
    filtered: Filtered,
    diff: DecisionDiff,
    added: Ints,
) -> Rows:
    """Return the rows of `users` of persons whose series changed."""
    users = len(added)
    whole = judged & ~persons.appendable
    rejected = np.where(whole, 0, persons.rejected)
    rejected += np.bincount(readings.user[~diff.accepted], minlength=users)
    was = stored_again(readings, persons)
    rejected -= np.bincount(
        readings.user[was & (diff.accepted == diff.net_accepted)], minlength=users
    )
    first_us, last_us = persons.first_us.copy(), persons.last_us.copy()
    # The series too: what was assigned to a person is in it, and may be the first or the last.
    for rows, indptr in ((new, persons.indptr), (readings.table, readings.indptr)):
        some = np.diff(indptr) > 0
        time_us = rows["time_us"].to_numpy()
        first_us[some] = np.minimum(first_us, first_of(time_us, indptr))[some]
        last_us[some] = np.maximum(last_us, last_of(time_us, indptr))[some]
    changed = np.flatnonzero(touched)
    columns = {
        "user_id": np.array(persons.user_ids, object),
        "revision": persons.revisions + 1,
        "dirty": np.ones(users, np.int64),
        "readings": np.where(whole, np.diff(readings.indptr), persons.readings + added),
        "rejected": rejected,
        "first_us": first_us,
        "last_us": last_us,
        "level_kg": newest(filtered.level, readings),
        "trend_kg_per_week": newest(filtered.trend, readings),
    }
    return rows_of(changed, users, {name: values[changed] for name, values in columns.items()})


def stored_again(readings: AnnotatedSeries, persons: Persons) -> Bools:
    """Return (N,) the stored readings that are judged again after a state."""
    return (readings.table["new_row"].to_numpy() < 0) & persons.resumed[readings.user]


def judged_again(readings: AnnotatedSeries, persons: Persons) -> Rows:
    """Return KEY of the stored readings that are judged again after a state."""
    rows = np.flatnonzero(stored_again(readings, persons))
    table = readings.table.select(KEY).take(pa.array(rows))
    columns = {name: table[name].combine_chunks() for name in KEY}
    return rows_of(readings.user[rows], len(persons.user_ids), columns)


def first_of(values: Ints, indptr: Ints) -> Ints:
    """Return (U,) the first value of each person; any value for a person without values."""
    return np.append(values, 0)[indptr[:-1]]


def last_of(values: Ints, indptr: Ints) -> Ints:
    return np.append(values, 0)[indptr[1:] - 1]


def state_rows(
    filtered: Filtered,
    judged: Bools,
    touched: Bools,
    persons: Persons,
    links_found: RecordLinks,
    basis: str,
) -> Rows:
    """Return states of persons whose series changed; none where readings stay undecided."""
    users = len(persons.user_ids)
    number = np.flatnonzero(touched)
    state = np.where(judged[:, None], filtered.state, np.nan)
    usable = ~np.isnan(state_day(state))
    blobs = links_found.records.blobs(users)
    return rows_of(
        number,
        users,
        {
            "user_id": np.array(persons.user_ids, object)[number],
            "basis": basis,
            "settled": usable[number].astype(np.int64),
            "state": pa.array([pack_state(row) for row in state[number]], pa.binary()),
            "records": pa.array([blobs[u] for u in number], pa.binary()),
        },
    )


def link_rows(links_found: RecordLinks, persons: Persons, file_numbers: Ints) -> Rows:
    """Return the rows of `records` that are new."""
    links, users = links_found.links, len(persons.user_ids)
    if not len(links):
        return nothing(users)
    number = pc.index_in(links["user_id"], pa.array(persons.user_ids)).to_numpy()
    order = np.argsort(number, kind="stable")
    links = links.take(order)
    columns: dict[str, Column] = {name: links[name].combine_chunks() for name in RECORD_STATEMENTS}
    columns["file"] = file_numbers[links["file"].to_numpy()]
    columns["line"] = links["line"].to_numpy()
    return rows_of(number[order], users, columns)


def superseded_result(links_found: RecordLinks, every: pa.Table, persons: Persons) -> Rows:
    """Return the rows of `superseded` of linked persons. every: KEY of all that may be named."""
    users = len(persons.user_ids)
    if not len(links_found.superseded):
        return nothing(users)
    rows = every.take(
        pc.index_in(links_found.superseded["measurement_id"], every["measurement_id"])
    )
    number = pc.index_in(rows["user_id"], pa.array(persons.user_ids)).to_numpy()
    order = np.argsort(number, kind="stable")
    table = rows.append_column("reason", links_found.superseded["reason"]).take(order)
    return rows_of(
        number[order], users, {name: table[name].combine_chunks() for name in table.column_names}
    )
