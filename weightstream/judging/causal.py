"""Judge a batch of persons: the new readings, and what they change in earlier decisions."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import Ints, UserBatch
from weightstream.config import Config, Kalman, Source
from weightstream.engine import Filtered, Model, build_model, filter_batch
from weightstream.engine.model import Parameters
from weightstream.intake.identity import deduplicate, measurement_ids
from weightstream.intake.partition import Partition
from weightstream.judging.batch_result import BatchResult, Column, Rows, nothing, rows_of
from weightstream.judging.decisions import CAUSAL, KEY, Bools, diff_decisions, newest, shift_rows
from weightstream.judging.parameters import active, to_json
from weightstream.judging.record_links import (
    RecordLinks,
    incoming_records,
    resolve_links,
    statements_of,
)
from weightstream.judging.record_statements import RECORD_STATEMENTS, shared
from weightstream.judging.series import (
    NO_ANNOTATIONS,
    AnnotatedSeries,
    Annotations,
    Persons,
    join,
    load_annotations,
    local_hour,
    read_persons,
)
from weightstream.store import queries

ACCEPTED, REJECTED, DUPLICATE, EXCLUDED = (
    schema.OUTCOMES.index(name) for name in ("accepted", "rejected", "duplicates", "excluded")
)


@dataclass(frozen=True)
class Judging:
    """What a decision depends on besides the readings."""

    kalman: Kalman
    sources: Mapping[str, Source]
    parameters: Parameters
    timezone: str
    min_readings: int

    @cached_property
    def fingerprint(self) -> str:
        """Of all that a filter's state depends on; one under another fingerprint is not gone on."""
        sources = {name: source.model_dump_json() for name, source in self.sources.items()}
        text = json.dumps(
            [to_json(self.parameters), self.kalman.model_dump_json(), sources], sort_keys=True
        )
        return blake2b(text.encode(), digest_size=8).hexdigest()

    def model(self, sources: Sequence[str]) -> Model:
        """The parameters as the engine takes them, for the sources of a batch."""
        return build_model(self.kalman, self.sources, sources, self.parameters)


def judging_of(config: Config, parameters: Parameters) -> Judging:
    """As configured, with the parameters that are active."""
    data = config.data
    return Judging(config.kalman, config.sources, parameters, data.timezone, data.min_readings)


def judging_on(connection: sqlite3.Connection, config: Config) -> Judging:
    """As a store is judged outside a run: with its active parameters, in its own timezone."""
    timezone = queries.setting(connection, "timezone") or config.data.timezone
    return replace(judging_of(config, active(connection)), timezone=timezone)


def decide(
    new: pa.Table,
    links: pa.Table,
    file_numbers: Ints,
    connection: sqlite3.Connection | None,
    judging: Judging,
) -> BatchResult:
    """Judge the new measurements of a batch of persons.

    new: schema.MEASUREMENT plus measurement_id, each id once, sorted as series.SERIES_ORDER.
    links: records.LINK, what records said besides: of copies, and that they are taken back.
    file_numbers: (files,) int64, the number in the store of each file of the run.
    connection: to the store, or None while it is empty.
    """
    basis = judging.fingerprint
    persons = read_persons(connection, new, links["user_id"].unique().to_pylist(), basis)
    users = len(persons.user_ids)
    user = np.repeat(np.arange(users), np.diff(persons.indptr))
    incoming = incoming_records(persons, new, user)
    persons = replace(
        persons, appendable=persons.appendable & ~incoming.again & ~incoming.annotations(links)
    )
    stored = stored_history(connection, persons)
    fresh = pc.invert(pc.is_in(new["measurement_id"], stored["measurement_id"])).to_numpy()
    was = stored_copies(connection, new, ~fresh, persons, user)
    links_found = resolve_links(connection, persons, incoming, new, fresh, was, links)
    added = np.bincount(user[fresh], minlength=users)
    touched = (added > 0) | links_found.linked
    readings_now = persons.readings + added
    judged = touched & (readings_now >= judging.min_readings)
    # What came and is assigned to others was decided all the same.
    few = np.maximum(readings_now, np.diff(persons.indptr)) < judging.min_readings

    annotations = annotations_with(connection, links_found, persons)
    older = [persons.user_ids[u] for u in np.flatnonzero(judged & ~persons.appendable)]
    history = stored.filter(pc.is_in(stored["user_id"], pa.array(older, pa.string())))
    history = annotations.apply_assignments(connection, history, older)
    series = join(new, fresh & judged[user], history, judging.timezone)
    readings = annotations.arranged(series, persons.user_ids)
    filtered = readings.judged(run_filter(readings.batch(), persons, judging))
    recomputed = judged & ~persons.appendable
    every = keys_of(stored, new) if len(links_found.statements) else stored
    statements = diff_decisions(
        connection, readings, filtered, recomputed, CAUSAL, judging.parameters.name
    )
    return BatchResult(
        user_ids=persons.user_ids,
        revisions=persons.revisions,
        recomputed=recomputed,
        linked=links_found.linked,
        measurements=measurement_rows(new, fresh, user, users, file_numbers),
        decisions=statements.decisions,
        estimates=statements.estimates,
        users=user_rows(
            persons, new, judged, touched, readings, filtered, statements.accepted, added
        ),
        states=state_rows(filtered, judged, touched, persons, links_found, basis),
        shifts=shift_rows(readings, filtered),
        respelled=respelled_rows(was, new, ~fresh, persons, user, file_numbers),
        links=link_rows(links_found, persons, file_numbers),
        superseded=superseded_result(links_found, every, persons),
        outcome=Rows(
            persons.indptr,
            outcome_columns(new, ~(fresh | few[user]), series, filtered)
            | shared_column(new, fresh, links_found, every),
        ),
        net_accepted=np.zeros(users, np.int64),
    )


def outcome_columns(
    new: pa.Table, again: Bools, series: pa.Table, filtered: Filtered
) -> dict[str, Ints]:
    """Accepted or rejected where judged; a duplicate where it came again; else excluded."""
    outcome = np.where(again, DUPLICATE, EXCLUDED)
    new_row = series["new_row"].to_numpy()
    is_new = new_row >= 0
    outcome[new_row[is_new]] = np.where(filtered.accepted[is_new], ACCEPTED, REJECTED)
    return {"outcome": outcome, "file": new["file"].to_numpy()}


def keys_of(stored: pa.Table, new: pa.Table) -> pa.Table:
    """KEY of all measurements that there are of some persons."""
    keys = stored.select(KEY)
    return pa.concat_tables([keys, new.select(KEY).cast(keys.schema)])


def shared_column(
    new: pa.Table, fresh: Bools, links_found: RecordLinks, every: pa.Table
) -> dict[str, Column]:
    """The source of each new measurement whose record says too many of them; empty of others."""
    ids = shared(links_found.statements, every) if len(links_found.statements) else []
    if not len(ids):
        return {"shared": ""}
    among = pa.array(fresh & pc.is_in(new["measurement_id"], ids).to_numpy())
    return {"shared": pc.if_else(among, new["source"].cast(pa.string()).combine_chunks(), "")}


def annotations_with(
    connection: sqlite3.Connection | None, links_found: RecordLinks, persons: Persons
) -> Annotations:
    """What was told of the readings of those whose series is looked at as a whole."""
    older = [u for u, ok in zip(persons.user_ids, persons.appendable, strict=True) if not ok]
    annotations = load_annotations(connection, older) if connection and older else NO_ANNOTATIONS
    if not links_found.linked.any():
        return annotations
    anew = pa.array([persons.user_ids[u] for u in np.flatnonzero(links_found.linked)])
    superseded = annotations.superseded.filter(
        pc.invert(pc.is_in(annotations.superseded["user_id"], anew))
    )
    columns = links_found.superseded.column_names
    return replace(
        annotations,
        superseded=pa.concat_tables([superseded.select(columns), links_found.superseded]),
    )


def stored_history(connection: sqlite3.Connection | None, persons: Persons) -> pa.Table:
    """The stored measurements of those whose new readings cannot simply follow."""
    older = [u for u, ok in zip(persons.user_ids, persons.appendable, strict=True) if not ok]
    if connection is None or not older:
        return queries.HISTORY.empty_table()
    return queries.history(connection, older)


def run_filter(batch: UserBatch, persons: Persons, judging: Judging) -> Filtered:
    start = np.where(persons.appendable[:, None], persons.state, np.nan)
    return filter_batch(batch, judging.model(batch.sources), start, judging.kalman.engine)


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
    accepted: Bools,
    added: Ints,
) -> Rows:
    """The line of each person whose series changed: what lists and the index page show of them."""
    users = len(added)
    whole = judged & ~persons.appendable
    rejected = np.where(whole, 0, persons.rejected)
    rejected += np.bincount(readings.user[~accepted], minlength=users)
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


def first_of(values: Ints, indptr: Ints) -> Ints:
    """(U,) the first value of each person; anything where they have none."""
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
    """Of each person whose series changed; not settled where the new readings stay undecided."""
    users = len(persons.user_ids)
    number = np.flatnonzero(touched)
    state = np.where(judged[:, None], filtered.state, np.nan)
    blobs = links_found.records.blobs(users)
    return rows_of(
        number,
        users,
        {
            "user_id": np.array(persons.user_ids, object)[number],
            "basis": basis,
            "settled": (filtered.settled & judged)[number].astype(np.int64),
            "state": pa.array([row.tobytes() for row in state[number]], pa.binary()),
            "records": pa.array([blobs[u] for u in number], pa.binary()),
        },
    )


def link_rows(links_found: RecordLinks, persons: Persons, file_numbers: Ints) -> Rows:
    """What records said that the store did not know."""
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
    """Readings of the linked persons that do not stand. every: KEY of all that may be."""
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


def stored_copies(
    connection: sqlite3.Connection | None, new: pa.Table, again: Bools, persons: Persons, user: Ints
) -> pa.Table:
    """How the measurements that came again are stored: reading.SPELLINGS of those new rows."""
    rows = np.flatnonzero(again)
    if connection is None or not len(rows):
        return queries.SPELLINGS.empty_table()
    stored = queries.spellings(
        connection, [persons.user_ids[u] for u in np.unique(user[rows]).tolist()]
    )
    ids = new["measurement_id"].take(pa.array(rows))
    return stored.take(pc.index_in(ids, stored["measurement_id"]))


def respelled_rows(
    was: pa.Table, new: pa.Table, again: Bools, persons: Persons, user: Ints, file_numbers: Ints
) -> Rows:
    """Stored measurements whose copy is written in a smaller text; that spelling stays.

    Otherwise the raw text in an export would depend on which file came first.
    """
    users = len(persons.user_ids)
    rows = np.flatnonzero(again)
    copy = new.take(rows)
    smaller, tied = np.zeros(len(rows), bool), np.ones(len(rows), bool)
    for name in ("raw_weight", "raw_unit", "raw_time"):
        text, before = copy[name].cast(pa.string()), was[name]
        smaller |= tied & pc.less(text, before).to_numpy()
        tied &= pc.equal(text, before).to_numpy()
    kept = copy.filter(pa.array(smaller))
    text_columns = (*KEY, "raw_weight", "raw_unit", "raw_time")
    return rows_of(
        user[rows[smaller]],
        users,
        {name: kept[name].cast(pa.string()).combine_chunks() for name in text_columns}
        | {"file": file_numbers[kept["file"].to_numpy()], "line": kept["line"].to_numpy()},
    )


def judge_partition(
    part: Partition,
    file_numbers: Ints,
    connection: sqlite3.Connection | None,
    judging: Judging,
    persons: Sequence[str] | None = None,
) -> tuple[BatchResult, Ints]:
    """Identify, sort and judge a batch of measurements, or only those of some of its persons.

    Returns what there is to write, and the outcomes of copies within the batch, as
    `outcomes_of_copies` gives them.
    """
    measurements, retractions = part.take(), part.retractions
    if persons is not None:
        measurements, retractions = (
            table.filter(pc.is_in(table["user_id"].cast(pa.string()), pa.array(persons)))
            for table in (measurements, retractions)
        )
    one_each = deduplicate(measurements, measurement_ids(measurements))
    new = one_each.measurements.append_column("measurement_id", one_each.ids)
    links = statements_of(one_each.copies, retractions)
    result = decide(new, links, file_numbers, connection, judging)
    return result, outcomes_of_copies(one_each.dropped, result, len(file_numbers))


def outcomes_of_copies(dropped: pa.Table, result: BatchResult, files: int) -> Ints:
    """(files, outcomes) of the rows that identity.deduplicate dropped: duplicates, but excluded
    where the person has too few readings, as those readings are."""
    rows = result.outcome
    undecided = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr))[
        np.asarray(rows.columns["outcome"]) == EXCLUDED
    ]
    few = pa.array([result.user_ids[u] for u in np.unique(undecided)], pa.string())
    excluded = pc.is_in(dropped["user_id"].cast(pa.string()), few).to_numpy()
    counts = np.zeros((files, len(schema.OUTCOMES)), np.int64)
    np.add.at(counts, (dropped["file"].to_numpy(), np.where(excluded, EXCLUDED, DUPLICATE)), 1)
    return counts
