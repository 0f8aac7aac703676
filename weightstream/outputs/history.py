"""The history of one measurement, in dated sentences."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weightstream.config import Config
from weightstream.errors import StoreError
from weightstream.judging.explanation import (
    DOUBT,
    HUMAN_REASON_TEXTS,
    LOOKS_LIKE,
    is_doubtful,
    second_clause,
)
from weightstream.store import overrides
from weightstream.store.connection import ReadPool
from weightstream.store.locks import shared_run_lock
from weightstream.store.overrides import Measured
from weightstream.store.verifying import verify_persons

RECEIVED = """
select m.raw_weight, m.raw_unit, m.source, m.effective_at, m.record_id, m.updated, f.name, m.line,
  r.run_id, coalesce(r.finished_at, r.started_at)
from measurements m join files f on f.id = m.file join runs r on r.id = m.run
where m.user_id = ? and m.effective_at = ? and m.measurement_id = ?
"""
VERSION = (
    *("user_id", "version", "verdict", "reason", "suggested_kg"),
    *("p_reason", "second_reason", "p_second", "stage", "model"),
)
VERSIONS = f"""
select {", ".join("d." + name for name in VERSION)}, r.run_id,
  r.kind, coalesce(r.finished_at, r.started_at)
from decisions d join runs r on r.id = d.run
where d.effective_at = ?2 and d.measurement_id = ?3 and d.user_id in (
  select ?1 union select assigned_to from overrides where measurement_id = ?3
)
order by r.id, d.verdict <> 'moved', d.version
"""  # noqa: S608
OVERRIDES = """
select action, assigned_to, made_by, note, made_at, withdrawn_at, withdrawn_by
from overrides where measurement_id = ? order by id
"""
# Every record that ever stated the measurement, with all statements of those records.
RECORDS = """
with said as (
  select source, record_id, measurement_id, updated, run, file, line from measurements
  where user_id = ?1 and record_id is not null
  union all
  select source, record_id, measurement_id, updated, run, file, line from records
  where user_id = ?1 and record_id <> ''
)
select s.record_id, s.measurement_id, s.updated, f.name, s.line, r.run_id,
  coalesce(r.finished_at, r.started_at)
from said s join files f on f.id = s.file join runs r on r.id = s.run
where (s.source, s.record_id) in (select source, record_id from said where measurement_id = ?2)
order by r.id, s.updated, s.measurement_id
"""


# Readings that may be the same weighing, as it came through other apps.
SAME_WEIGHING = """
select m.measurement_id, m.source from measurements m
where m.user_id = ?1 and m.measurement_id <> ?3 and m.source <> (
    select source from measurements where user_id = ?1 and effective_at = ?2 and measurement_id = ?3
  )
  and length(m.effective_at) = length(?2)
  and abs(julianday(m.effective_at) - julianday(?2)) * 86400 <= 120.5
  and abs(m.weight_kg - ?4) < 0.1
order by m.effective_at, m.source, m.measurement_id
"""


@dataclass(frozen=True)
class Event:
    """at: UTC. kind: received, record, decision, override. facts: what the sentence is made of."""

    at: str
    kind: str
    sentence: str
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"at": self.at, "kind": self.kind, "sentence": self.sentence, **self.facts}


def history(config: Config, measurement_id: str) -> list[Event]:
    """Return the history of a measurement, oldest first. Raises StoreError if it is unknown."""
    data_dir = config.data.data_dir.absolute()
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        connection.execute("begin")
        measured = overrides.find(connection, [measurement_id]).get(measurement_id)
        if measured is None:
            raise StoreError(
                f"{pool.path} has no measurement {measurement_id!r}; exports and `review` have ids"
            )
        verify_persons(connection, [measured.user_id])
        to_text = [
            *_received(connection, measured),
            *_records(connection, measured),
            *_overridden(connection, measured),
            *_versions(connection, measured),
        ]
    return sorted(to_text, key=lambda event: event.at)


def to_text(events: list[Event]) -> str:
    """Return the history as text."""
    return "\n".join(f"{event.at[:19].replace('T', ' ')}Z  {event.sentence}" for event in events)


def _received(connection: sqlite3.Connection, measured: Measured) -> Iterator[Event]:
    (row,) = connection.execute(RECEIVED, measured[:3]).fetchall()
    names = ("raw_weight", "raw_unit", "source", "effective_at", "record_id", "updated", "file")
    facts = dict(zip((*names, "line", "run_id"), row, strict=False))
    facts["user_id"] = measured.user_id
    yield Event(
        row[-1],
        "received",
        f"received: {facts['raw_weight']} {facts['raw_unit']} of {facts['effective_at']} for "
        f"{measured.user_id} from {facts['source']} ({facts['file']}, line {facts['line']}, "
        f"run {facts['run_id']})",
        facts,
    )


def _records(connection: sqlite3.Connection, measured: Measured) -> Iterator[Event]:
    """Yield the other statements of its records."""
    rows = connection.execute(RECORDS, (measured.user_id, measured.measurement_id)).fetchall()
    own = next((row for row in rows if row[1] == measured.measurement_id), None)
    for row in rows:
        record, said, updated, file, line, run_id, at = row
        if row is own:
            continue
        dated = f", changed by the source on {updated}" if updated else ""
        what = f"says {said} instead" if said else "was taken back"
        if said == measured.measurement_id:
            what = "says the same"
        facts = {"record_id": record, "says": said or None, "updated": updated}
        facts |= {"file": file, "line": line, "run_id": run_id}
        yield Event(at, "record", f"record {record} {what}{dated} ({file}, line {line})", facts)


def _overridden(connection: sqlite3.Connection, measured: Measured) -> Iterator[Event]:
    for action, to, by, note, made, withdrawn, who in connection.execute(
        OVERRIDES, (measured.measurement_id,)
    ):
        facts = {"action": action, "assigned_to": to, "by": by, "note": note}
        why = f": {note}" if note else ""
        where = f" to {to}" if action == "assign" else ""
        done = {"accept": "accepted", "reject": "rejected", "assign": "assigned"}[action]
        yield Event(made, "override", f"{done}{where} by {by}{why}", facts)
        if withdrawn:
            sentence = f"the decision of {by} ({action}) was withdrawn or replaced by {who}"
            yield Event(withdrawn, "override", sentence, {"withdrawn": action, "by": who})


def _versions(connection: sqlite3.Connection, measured: Measured) -> Iterator[Event]:
    before: dict[str, Any] = {}
    others = connection.execute(SAME_WEIGHING, measured[:4]).fetchall()
    for *row, kind, at in connection.execute(VERSIONS, measured[:3]):
        facts = dict(zip((*VERSION, "run_id"), row, strict=True))
        user, verdict = facts["user_id"], facts["verdict"]
        if verdict == "moved":
            sentence = f"left the series of {user}"
        else:
            sentence = f"{verdict} in the series of {user}"
            changed = before and before["verdict"] != verdict
            sentence += f" ({before['verdict']} before)" if changed else ""
            sentence += _because(facts)
            if facts["reason"] == "repeat" and others:
                facts["repeats"] = [name for name, _ in others]
                sentence += f" ({' and '.join(f'{name} from {app}' for name, app in others)})"
            sentence += f"; by {kind}, last confirmed as {facts['stage']}, {facts['model']}"
            before = facts
        yield Event(at, "decision", f"{sentence} (run {facts['run_id']})", facts)


def _because(facts: dict[str, Any]) -> str:
    words = (LOOKS_LIKE | HUMAN_REASON_TEXTS).get(facts["reason"])
    if not words:
        return ""
    possibly = "possibly " if is_doubtful(facts["p_reason"]) else ""
    kg = facts["suggested_kg"]
    value = f", {kg:.1f} kg" if kg is not None else ""
    return f": {possibly}{words}{value}{second_clause(*(facts[name] for name in DOUBT))}"
