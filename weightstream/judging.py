"""Judge a batch of persons: the new readings, and what they change in earlier decisions."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import Ints, UserBatch
from weightstream.config import Kalman, Source
from weightstream.decided import Decided, Rows, rows_of
from weightstream.decisions import CAUSAL, KEY, Mask, newest, shift_rows, told_apart
from weightstream.engine import STATE_SIZE, Filtered, Model, build_model, filter_batch
from weightstream.engine.model import Parameters
from weightstream.identity import deduplicate, measurement_ids
from weightstream.parameters import to_json
from weightstream.partition import Part
from weightstream.series import Persons, join, local_hour, read_persons, user_batch
from weightstream.store import reading

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

    @property
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


def decide(
    new: pa.Table, file_numbers: Ints, connection: sqlite3.Connection | None, judging: Judging
) -> Decided:
    """Judge the new measurements of a batch of persons.

    new: schema.MEASUREMENT plus measurement_id, each id once, sorted as series.SERIES_ORDER.
    file_numbers: (files,) int64, the number in the store of each file of the run.
    connection: to the store, or None while it is empty.
    """
    basis = judging.fingerprint
    persons = read_persons(connection, new, basis)
    users = len(persons.user_ids)
    user = np.repeat(np.arange(users), np.diff(persons.indptr))
    stored = stored_history(connection, persons)
    fresh = pc.invert(pc.is_in(new["measurement_id"], stored["measurement_id"])).to_numpy()
    added = np.bincount(user[fresh], minlength=users)
    judged = (added > 0) & (persons.readings + added >= judging.min_readings)

    history = stored.filter(pa.array(_of(persons, stored["user_id"], judged)))
    series = join(new, fresh & judged[user], history, judging.timezone)
    batch = user_batch(series)
    filtered = run_filter(batch, persons, judged, judging)
    number = np.flatnonzero(judged)
    row_user = np.repeat(number, np.diff(batch.indptr))
    model = judging.parameters.name
    said = told_apart(connection, series, filtered, row_user, users, CAUSAL, model)
    return Decided(
        user_ids=persons.user_ids,
        revisions=persons.revisions,
        recomputed=judged & ~persons.appendable,
        measurements=measurement_rows(new, fresh, user, users, file_numbers),
        decisions=said.decisions,
        estimates=said.estimates,
        users=user_rows(persons, new, judged, filtered, said.accepted, row_user, added),
        states=state_rows(filtered, judged, added > 0, persons, basis),
        shifts=shift_rows(series, filtered, row_user, users),
        respelled=respelled_rows(new, ~fresh, stored, user, users, file_numbers),
        outcome=Rows(persons.indptr, outcome_columns(new, fresh, series, filtered)),
        net_accepted=np.zeros(users, np.int64),
    )


def outcome_columns(
    new: pa.Table, fresh: Mask, series: pa.Table, filtered: Filtered
) -> dict[str, Ints]:
    """Accepted or rejected where judged, else excluded; a duplicate where the store had it."""
    outcome = np.where(fresh, EXCLUDED, DUPLICATE)
    new_row = series["new_row"].to_numpy()
    is_new = new_row >= 0
    outcome[new_row[is_new]] = np.where(filtered.accepted[is_new], ACCEPTED, REJECTED)
    return {"outcome": outcome, "file": new["file"].to_numpy()}


def stored_history(connection: sqlite3.Connection | None, persons: Persons) -> pa.Table:
    """The stored measurements of those whose new readings cannot simply follow."""
    older = [u for u, ok in zip(persons.user_ids, persons.appendable, strict=True) if not ok]
    if connection is None or not older:
        return reading.HISTORY.empty_table()
    return reading.history(connection, older)


def run_filter(batch: UserBatch, persons: Persons, judged: Mask, judging: Judging) -> Filtered:
    start = np.where(persons.appendable[judged, None], persons.state[judged], np.nan)
    return filter_batch(batch, judging.model(batch.sources), start, judging.kalman.engine)


def measurement_rows(
    new: pa.Table, fresh: Mask, user: Ints, users: int, file_numbers: Ints
) -> Rows:
    kept = new.filter(pa.array(fresh))
    text = ("raw_weight", "raw_unit", "raw_time", "record_id")
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
    judged: Mask,
    filtered: Filtered,
    accepted: Mask,
    row_user: Ints,
    added: Ints,
) -> Rows:
    """The line of each person whose series grew: what lists and the index page show of them."""
    users = len(added)
    time_us = new["time_us"].to_numpy()
    kept = np.where(persons.appendable | ~judged, persons.rejected, 0)
    rejected = kept + np.bincount(row_user[~accepted], minlength=users)
    changed = np.flatnonzero(added)
    columns = {
        "user_id": np.array(persons.user_ids, object),
        "revision": persons.revisions + 1,
        "dirty": np.ones(users, np.int64),
        "readings": persons.readings + added,
        "rejected": rejected,
        "first_us": np.minimum(persons.first_us, time_us[persons.indptr[:-1]]),
        "last_us": np.maximum(persons.last_us, time_us[persons.indptr[1:] - 1]),
        "level_kg": newest(filtered.level, row_user, users),
        "trend_kg_per_week": newest(filtered.trend, row_user, users),
    }
    return rows_of(changed, users, {name: values[changed] for name, values in columns.items()})


def state_rows(filtered: Filtered, judged: Mask, grown: Mask, persons: Persons, basis: str) -> Rows:
    """Of each person whose series grew; not settled where the new readings stay undecided."""
    users = len(persons.user_ids)
    settled = np.zeros(users, np.int64)
    settled[judged] = filtered.settled
    state = np.full((users, STATE_SIZE), np.nan)
    state[judged] = filtered.state
    number = np.flatnonzero(grown)
    return rows_of(
        number,
        users,
        {
            "user_id": np.array(persons.user_ids, object)[number],
            "basis": basis,
            "settled": settled[number],
            "state": pa.array([row.tobytes() for row in state[number]], pa.binary()),
        },
    )


def respelled_rows(
    new: pa.Table, again: Mask, stored: pa.Table, user: Ints, users: int, file_numbers: Ints
) -> Rows:
    """Stored measurements whose copy is written in a smaller text; that spelling stays.

    Otherwise the raw text in an export would depend on which file came first.
    """
    rows = np.flatnonzero(again)
    copy = new.take(rows)
    was = stored.take(pc.index_in(copy["measurement_id"], stored["measurement_id"]))
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


def _of(persons: Persons, user_id: pa.ChunkedArray, chosen: Mask) -> Mask:
    """Which rows belong to a chosen person."""
    ids = pa.array([u for u, ok in zip(persons.user_ids, chosen, strict=True) if ok], pa.string())
    return pc.is_in(user_id, ids).to_numpy()


def judge_part(
    part: Part,
    file_numbers: Ints,
    connection: sqlite3.Connection | None,
    judging: Judging,
    persons: Sequence[str] | None = None,
) -> tuple[Decided, Ints]:
    """Identify, sort and judge a batch of measurements, or only those of some of its persons.

    Returns what there is to write, and (files,) int64: copies within the batch.
    """
    measurements = part.take()
    if persons is not None:
        user_id = measurements["user_id"].cast(pa.string())
        measurements = measurements.filter(pc.is_in(user_id, pa.array(persons, pa.string())))
    one_each = deduplicate(measurements, measurement_ids(measurements))
    copies = np.zeros(len(file_numbers), np.int64)
    for file, count in one_each.duplicates.items():
        copies[file] = count
    new = one_each.measurements.append_column("measurement_id", one_each.ids)
    return decide(new, file_numbers, connection, judging), copies
