"""Overrides: reviewers' decisions on measurements, applied at once."""

import csv
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.judging.batch_result import BatchResult
from weightstream.judging.smoothing import smooth_persons
from weightstream.store import overrides, queries
from weightstream.store.committing import commit
from weightstream.store.connection import STORE_NAME, existing, explained, open_writer, transaction
from weightstream.store.models import judging_on
from weightstream.store.overrides import InForce, Measured
from weightstream.store.runs import begin_run, end_run, now
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.writing import OVERRIDE_DUE, RETRO_DUE

ACTIONS = ("accept", "reject", "assign", "withdraw")
COLUMNS = ("measurement_id", "action", "user", "by", "note")
NEEDED = ("measurement_id", "action", "by")
KG = (1.0, 1000.0)
"""Weights outside cannot be accepted: a state would lose its last digits."""


@dataclass(frozen=True)
class OverrideRequest:
    """A reviewer's request. user: whose reading it is, if action is assign. place: for errors."""

    measurement_id: str
    action: str
    user: str | None
    by: str
    note: str | None
    place: str = ""


@dataclass
class OverrideReport:
    """The result of applying overrides.

    verdicts: such as "accepted, override", by measurement. unchanged: requests that were in force
    already. persons: how many were judged again. faults: a sentence for each refused request.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    persons: int = 0
    faults: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        lines = [f"{name}: {verdict}" for name, verdict in self.verdicts.items()]
        counts = f"{len(self.verdicts)} changed, {self.unchanged} unchanged"
        return "\n".join([*lines, f"{counts}; {self.persons} persons judged again"])


def parse_overrides(path: Path) -> tuple[list[OverrideRequest], list[str]]:
    """Read a CSV file with COLUMNS; returns requests, and a sentence for each line that is none.

    Raises ConfigError if the file cannot be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [(name or "").strip() for name in reader.fieldnames or ()]
            if missing := [name for name in NEEDED if name not in names]:
                raise ConfigError(
                    f"{path}: the header has no {' and no '.join(missing)}; "
                    f"the columns are {', '.join(COLUMNS)}"
                )
            reader.fieldnames = names
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read ({reason})") from None
    requests, faults = [], []
    for number, row in lines:
        place = f"{path.name} line {number}: "
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        request = OverrideRequest(
            cells["measurement_id"],
            cells["action"].lower(),
            cells["user"] or None,
            cells["by"],
            cells["note"] or None,
            place,
        )
        fault = "it has more cells than the header" if None in row else fault_of(request)
        if fault:
            faults.append(f"{place}{fault}")
        else:
            requests.append(request)
    return requests, faults


def fault_of(request: OverrideRequest) -> str | None:
    """Return what is wrong with a request in itself."""
    if not request.measurement_id:
        return "there is no measurement id"
    if request.action not in ACTIONS:
        return f"{request.action!r} is not an action; it is one of {', '.join(ACTIONS)}"
    if not request.by.strip():
        return "the name of who decides is missing (by)"
    if request.action == "assign" and not request.user:
        return "assign needs the user whose reading it is"
    if request.action != "assign" and request.user:
        return f"{request.action} takes no user; only assign does"
    return None


def override(config: Config, requests: Sequence[OverrideRequest]) -> OverrideReport:
    """Apply requests in one transaction, and judge the persons concerned by retro at once.

    Refused requests are reported, the others applied. Raises StoreError.
    """
    data_dir = config.data.data_dir.absolute()
    existing(data_dir)
    path, done = data_dir / STORE_NAME, OverrideReport()
    with open_writer(data_dir) as connection, explained(path):
        known = overrides.find(connection, [request.measurement_id for request in requests])
        concerned: set[str] = set()
        changed: dict[str, Measured] = {}
        with transaction(connection):
            for request in requests:
                persons = apply_overrides(
                    connection, request, known.get(request.measurement_id), done
                )
                if persons:
                    concerned |= persons
                    changed[request.measurement_id] = known[request.measurement_id]
            overrides.touch(connection, sorted(concerned))
        done.persons = apply_pending(connection, path, config)
        verdicts = overrides.verdicts(connection, list(changed.values()))
        done.verdicts = {
            name: verdicts.get(measured.measurement_id, "not judged yet")
            for name, measured in changed.items()
        }
    return done


def apply_overrides(
    connection: sqlite3.Connection,
    request: OverrideRequest,
    measured: Measured | None,
    done: OverrideReport,
) -> set[str]:
    """Apply one request; returns the persons whose series change."""
    current = overrides.in_force(connection, measured.measurement_id) if measured else None
    fault = refusal(connection, request, measured, current)
    if fault or measured is None:
        done.faults.append(f"{request.place}{fault}")
        return set()
    at = now()
    where = current.assigned_to if current else None
    to = request.user if request.action == "assign" else where
    if request.action == "withdraw":
        if current:
            overrides.withdraw(connection, current, request.by, at)
        return {measured.user_id, where or measured.user_id}
    if current and (current.action, current.assigned_to, current.made_by, current.note) == (
        request.action, to, request.by, request.note,
    ):  # fmt: skip
        done.unchanged += 1
        return set()
    if current:
        overrides.withdraw(connection, current, request.by, at)
    columns = {
        "action": request.action,
        "assigned_to": to,
        "made_by": request.by,
        "note": request.note,
        "made_at": at,
    }
    overrides.make(connection, measured, columns)
    return {measured.user_id, where or measured.user_id, to or measured.user_id}


def refusal(
    connection: sqlite3.Connection,
    request: OverrideRequest,
    measured: Measured | None,
    current: InForce | None,
) -> str | None:
    """Return why a request is refused; None if it is not."""
    name = request.measurement_id
    if measured is None:
        return f"the store has no measurement {name!r}; exports and `review` show the ids"
    if request.action == "withdraw":
        return None if current else f"{name} has no override to withdraw"
    if measured.superseded:
        how = "corrected" if measured.superseded == "superseded" else "retracted"
        return (
            f"the source {how} the record of {name}; `history {name}` shows what is current instead"
        )
    if request.action == "accept" and not KG[0] <= measured.weight_kg <= KG[1]:
        return f"{name} is {measured.weight_kg:g} kg; no body weighs that, so it cannot be accepted"
    if request.user is not None and not overrides.is_known(connection, request.user):
        return f"the store has no person called {request.user!r} to assign {name} to"
    return None


def apply_pending(connection: sqlite3.Connection, path: Path, config: Config) -> int:
    """Judge the persons whose overrides changed, also by a command that was cut short.

    Returns their number. Every command that changes the store calls this first or last: an override
    is marked in its own transaction, so at the latest the next command applies it.
    """
    persons = queries.awaiting_override(connection)
    if persons:
        rejudge(connection, path, config, persons)
    return len(persons)


def rejudge(
    connection: sqlite3.Connection, path: Path, config: Config, persons: Sequence[str]
) -> None:
    """Judge some persons by all their readings, now."""
    judging = judging_on(connection, config)
    run = begin_run(connection, path, str(uuid4()), "override")

    def again(some: Sequence[str]) -> BatchResult:
        return smooth_persons(some, StoredPersons(connection), judging, run)

    at_a_time, status = config.threading.db_write_batch_size, "failed"
    try:
        commit(connection, path, again(persons), again, run, at_a_time, lambda *_: None)
        with transaction(connection):  # who has too few readings to be judged waits for more
            connection.execute(
                "update users set dirty = ? where dirty = ? and user_id in "
                "(select value from json_each(?))",
                (RETRO_DUE, OVERRIDE_DUE, queries.listed(persons)),
            )
        status = "completed"
    finally:  # who was not judged is the next command's
        end_run(connection, path, run, status, {"users": len(persons)}, {})
