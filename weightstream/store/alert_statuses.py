"""The status of alerts: acknowledged or closed, by whom and when; and which were announced.

Alerts are computed from the readings and not stored. Only their status is, by person, kind, and the
reading with which the alert began.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from weightstream.config import Config
from weightstream.errors import ConfigError, StoreError
from weightstream.store.connection import STORE_NAME, explained, open_writer, transaction
from weightstream.store.runs import now

Status = Literal["new", "acknowledged", "closed"]
Key = tuple[str, str, str]
"""user_id, kind, began (effective_at of the first reading that showed it)."""


@dataclass(frozen=True)
class Statement:
    """The status of an alert: set by whom, when (UTC), and why."""

    status: Status
    by: str
    at: str
    note: str | None = None


def alert_statuses(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[Key, Statement]:
    """Return the statuses of alerts of some persons."""
    rows = connection.execute(
        "select user_id, kind, began, status, made_by, made_at, note from json_each(?) wanted "
        "join alert_statuses on user_id = wanted.value",
        (json.dumps(list(user_ids)),),
    )
    return {(user, kind, began): Statement(*said) for user, kind, began, *said in rows}


def say(config: Config, key: Key, status: str, by: str, note: str | None = None) -> None:
    """Set the status of an alert, and mark the person's page to be drawn again.

    Raises ConfigError for an unknown status or an empty name; StoreError for a person who is not
    in the store, and as open_writer does.
    """
    if status not in get_args(Status):
        raise ConfigError(f"{status!r} is not a status; it is one of {', '.join(get_args(Status))}")
    if not by.strip():
        raise ConfigError("the name of who sets the status is missing (by)")
    data_dir = config.data.data_dir.absolute()
    path = data_dir / STORE_NAME
    with open_writer(data_dir) as connection, explained(path), transaction(connection):
        known = connection.execute("select 1 from users where user_id = ?", key[:1]).fetchone()
        if known is None:
            raise StoreError(f"{path} has no person called {key[0]!r}")
        connection.execute(
            "insert or replace into alert_statuses "
            "(user_id, kind, began, status, made_by, made_at, note) values (?, ?, ?, ?, ?, ?, ?)",
            (*key, status, by, now(), note),
        )
        connection.execute("update users set revision = revision + 1 where user_id = ?", key[:1])


def announce(connection: sqlite3.Connection, keys: Iterable[Key]) -> int:
    """Record alerts as announced; return how many persons have one that was not announced before.

    It belongs into a transaction that is committed before anything is sent, so that a run that is
    killed in between announces an alert never rather than twice.
    """
    persons = set()
    for key in keys:
        added = connection.execute(
            "insert or ignore into announced_alerts (user_id, kind, began, announced_at) "
            "values (?, ?, ?, ?)",
            (*key, now()),
        )
        if added.rowcount:
            persons.add(key[0])
    return len(persons)
