"""Judge a batch of persons: new readings, and what they change in earlier decisions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import engine, schema
from weightstream.batch import UserBatch
from weightstream.config import Config, Kalman, Source
from weightstream.engine import Filtered, Model, build_model, filter_batch
from weightstream.engine.model import Parameters
from weightstream.judging.batch_result import BatchResult, Column, Rows
from weightstream.judging.batch_rows import (
    judged_again,
    link_rows,
    measurement_rows,
    state_rows,
    superseded_result,
    user_rows,
)
from weightstream.judging.decisions import (
    CAUSAL,
    KEY,
    DecisionDiff,
    diff_decisions,
    shift_rows,
)
from weightstream.judging.described import demographics_rows
from weightstream.judging.parameters import to_json
from weightstream.judging.persons import Persons, read_persons, stored_history
from weightstream.judging.record_links import (
    RecordLinks,
    incoming_records,
    resolve_links,
)
from weightstream.judging.record_statements import shared
from weightstream.judging.respelling import Respelling, find_respelling
from weightstream.judging.series import (
    NO_ANNOTATIONS,
    AnnotatedSeries,
    Annotations,
    join,
    load_annotations,
)
from weightstream.judging.stored import Stored
from weightstream.types import Bools, Ints

ACCEPTED, REJECTED, DUPLICATE, EXCLUDED = (
    schema.OUTCOMES.index(name) for name in ("accepted", "rejected", "duplicates", "excluded")
)


@dataclass(frozen=True)
class Judging:
    """Everything that a decision depends on, except the readings."""

    kalman: Kalman
    sources: Mapping[str, Source]
    parameters: Parameters
    timezone: str
    min_readings: int

    @cached_property
    def fingerprint(self) -> str:
        """Return a digest of everything that a decision depends on, except the readings.

        A filter never continues from a state with another fingerprint.
        """
        sources = {name: source.model_dump_json() for name, source in self.sources.items()}
        text = json.dumps(
            [
                engine.fingerprint(),
                to_json(self.parameters),
                self.kalman.model_dump_json(),
                sources,
            ],
            sort_keys=True,
        )
        return blake2b(text.encode(), digest_size=8).hexdigest()

    def model(self, sources: Sequence[str]) -> Model:
        """Return the parameters as the engine takes them, for the sources of a batch."""
        return build_model(self.kalman, self.sources, sources, self.parameters)


def judging_of(config: Config, parameters: Parameters) -> Judging:
    """Return the configured judging under the active parameters."""
    data, noise = config.data, config.kalman.unknown_noise_kg
    if noise is not None:
        parameters = replace(parameters, unknown=replace(parameters.unknown, noise_kg=noise))
    return Judging(config.kalman, config.sources, parameters, data.timezone, data.min_readings)


@dataclass(frozen=True)
class Arrivals:
    """New measurements of a batch of U persons, compared with what is stored of them.

    measurements: N rows. user: (N,) number of each one's person. fresh: (N,) bool, not stored yet.
    history: stored.HISTORY of what may be judged again (Persons.again).
    """

    measurements: pa.Table
    user: Ints
    persons: Persons
    history: pa.Table
    fresh: Bools
    respelling: Respelling
    links: RecordLinks

    @property
    def added(self) -> Ints:
        """Return (U,) the number of measurements that are not stored yet."""
        return np.bincount(self.user[self.fresh], minlength=len(self.persons.user_ids))

    @property
    def touched(self) -> Bools:
        """Return (U,) whether a person's series changes."""
        respelled = self.respelling.persons(len(self.persons.user_ids))
        learnt = self.persons.learnt & (self.persons.readings > 0)
        return (self.added > 0) | self.links.linked | respelled | learnt

    @property
    def keys(self) -> pa.Table:
        """Return KEY of all measurements that statements of linked persons may name."""
        if not len(self.links.statements):
            return self.history
        keys = self.history.select(KEY)
        return pa.concat_tables([keys, self.measurements.select(KEY).cast(keys.schema)])


def compare(
    new: pa.Table, links: pa.Table, stored: Stored, basis: str, about: pa.Table
) -> Arrivals:
    """Compare a batch with the stored readings of its persons. Arguments as of `decide`."""
    persons = read_persons(stored, new, links["user_id"].unique().to_pylist(), about, basis)
    user = np.repeat(np.arange(len(persons.user_ids)), np.diff(persons.indptr))
    incoming = incoming_records(persons, new, user)
    appendable = persons.appendable & ~incoming.again & ~incoming.linked(links)
    persons = replace(persons, appendable=appendable)
    history = stored_history(stored, persons)
    fresh = pc.invert(pc.is_in(new["measurement_id"], history["measurement_id"])).to_numpy()
    respelling = find_respelling(stored, new, fresh, persons, user)
    found = resolve_links(stored, persons, incoming, new, fresh, respelling.was, links)
    return Arrivals(new, user, persons, history, fresh, respelling, found)


def decide(
    new: pa.Table,
    links: pa.Table,
    file_numbers: Ints,
    stored: Stored,
    judging: Judging,
    about: pa.Table,
) -> BatchResult:
    """Judge the new measurements of a batch of persons.

    new: schema.MEASUREMENT plus measurement_id, each id once, sorted as series.SERIES_ORDER.
    links: record_statements.LINK of copies within the batch and of retractions.
    file_numbers: (files,) int64, the number in the store of each file of the run. about:
    schema.DEMOGRAPHICS, what the run's sources state of persons, a row each.
    """
    arrivals = compare(new, links, stored, judging.fingerprint, about)
    persons, fresh = arrivals.persons, arrivals.fresh
    judged = arrivals.touched & (persons.readings + arrivals.added >= judging.min_readings)
    annotations = annotations_with(stored, arrivals.links, persons)
    again = judged & persons.again
    older = [persons.user_ids[u] for u in np.flatnonzero(again)]
    history = arrivals.history.filter(
        pc.is_in(arrivals.history["user_id"], pa.array(older, pa.string()))
    )
    history = annotations.apply_assignments(stored, arrivals.respelling.applied_to(history), older)
    number = pc.index_in(history["user_id"], pa.array(persons.user_ids, pa.string())).to_numpy()
    after = np.where(persons.resumed, persons.state_days, -np.inf)[number]
    series = join(new, fresh & judged[arrivals.user], history, judging.timezone, after)
    readings = annotations.arranged(series, persons.user_ids, persons.people)
    filtered = readings.judged(run_filter(readings.batch(), persons, judging))
    diff = diff_decisions(
        stored, readings, filtered, persons.since(again), CAUSAL, judging.parameters.name
    )
    return batch_result(arrivals, judged, readings, filtered, diff, judging, file_numbers)


def batch_result(
    arrivals: Arrivals,
    judged: Bools,
    readings: AnnotatedSeries,
    filtered: Filtered,
    diff: DecisionDiff,
    judging: Judging,
    file_numbers: Ints,
) -> BatchResult:
    """Return the BatchResult of a judged batch. judged: (U,) bool."""
    new, persons, fresh, links = (
        arrivals.measurements, arrivals.persons, arrivals.fresh, arrivals.links,
    )  # fmt: skip
    users, touched, added = len(persons.user_ids), arrivals.touched, arrivals.added
    # A reading that was assigned to another person still counts for the one who received it.
    few = np.maximum(persons.readings + added, np.diff(persons.indptr)) < judging.min_readings
    outcome = outcome_columns(new, ~(fresh | few[arrivals.user]), readings.table, filtered)
    return BatchResult(
        user_ids=persons.user_ids,
        revisions=persons.revisions,
        recomputed=judged & ~persons.appendable,
        linked=links.linked,
        measurements=measurement_rows(new, fresh, arrivals.user, users, file_numbers),
        decisions=diff.decisions,
        estimates=diff.estimates,
        users=user_rows(persons, new, judged, touched, readings, filtered, diff, added),
        states=state_rows(filtered, judged, touched, persons, links, judging.fingerprint),
        shifts=shift_rows(readings, filtered),
        judged_again=judged_again(readings, persons),
        respelled=arrivals.respelling.rows(users, file_numbers),
        links=link_rows(links, persons, file_numbers),
        superseded=superseded_result(links, arrivals.keys, persons),
        demographics=demographics_rows(persons.people, persons.learnt),
        contradictory=persons.contradictory,
        outcome=Rows(persons.indptr, outcome | shared_column(new, fresh, links, arrivals.keys)),
        net_accepted=np.zeros(users, np.int64),
    )


def outcome_columns(
    new: pa.Table, again: Bools, series: pa.Table, filtered: Filtered
) -> dict[str, Ints]:
    """Return accepted or rejected where judged, duplicate where stored before, else excluded."""
    outcome = np.where(again, DUPLICATE, EXCLUDED)
    new_row = series["new_row"].to_numpy()
    is_new = new_row >= 0
    outcome[new_row[is_new]] = np.where(filtered.accepted[is_new], ACCEPTED, REJECTED)
    return {"outcome": outcome, "file": new["file"].to_numpy()}


def shared_column(
    new: pa.Table, fresh: Bools, links_found: RecordLinks, every: pa.Table
) -> dict[str, Column]:
    """Return the source of each new measurement whose record id is shared; "" for the others."""
    ids = shared(links_found.statements, every) if len(links_found.statements) else []
    if not len(ids):
        return {"shared": ""}
    among = pa.array(fresh & pc.is_in(new["measurement_id"], ids).to_numpy())
    return {"shared": pc.if_else(among, new["source"].cast(pa.string()).combine_chunks(), "")}


def annotations_with(stored: Stored, links_found: RecordLinks, persons: Persons) -> Annotations:
    """Return the annotations of persons of whom stored readings are judged again."""
    older = [persons.user_ids[u] for u in np.flatnonzero(persons.again)]
    annotations = load_annotations(stored, older) if older else NO_ANNOTATIONS
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


def run_filter(batch: UserBatch, persons: Persons, judging: Judging) -> Filtered:
    start = np.where(persons.appendable[:, None], persons.state, np.nan)
    return filter_batch(batch, judging.model(batch.sources), start, judging.kalman.engine)


def outcomes_of_copies(dropped: pa.Table, result: BatchResult, files: int) -> Ints:
    """Count the rows that identity.deduplicate dropped, by file and outcome.

    They are duplicates, or excluded if the person has too few readings to be judged.
    """
    rows = result.outcome
    undecided = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr))[
        np.asarray(rows.columns["outcome"]) == EXCLUDED
    ]
    few = pa.array([result.user_ids[u] for u in np.unique(undecided)], pa.string())
    excluded = pc.is_in(dropped["user_id"].cast(pa.string()), few).to_numpy()
    counts = np.zeros((files, len(schema.OUTCOMES)), np.int64)
    np.add.at(counts, (dropped["file"].to_numpy(), np.where(excluded, EXCLUDED, DUPLICATE)), 1)
    return counts
