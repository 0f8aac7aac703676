"""The alerts of persons, newest first, with what was said of each."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from weightstream.config import Config
from weightstream.errors import ConfigError, plain
from weightstream.outputs.drawing import drawing_of, read_people
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.index import RECENT_DAYS
from weightstream.store import queries
from weightstream.store.connection import ReadPool
from weightstream.store.locks import shared_run_lock
from weightstream.store.models import judging_on
from weightstream.store.verifying import verify_structure

WORDS = {
    "rapid_gain": "rapid gain",
    "weight_loss": "weight loss",
    "unusual": "unusual change",
    "unconfirmed": "unconfirmed reading",
}


def alert_list(config: Config, user: str | None = None) -> list[dict[str, Any]]:
    """user_id and the fields of each recent alert that is not closed; with user: all of theirs.

    Raises StoreError; ConfigError for a person that the store does not know.
    """
    data_dir = config.data.data_dir.absolute()
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        verify_structure(connection)
        if user is not None and user not in queries.user_ids(connection):
            raise ConfigError(f"the store {pool.path} has no person called {user!r}")
        users = queries.user_ids(connection) if user is None else [user]
        drawing = drawing_of(data_dir / "dashboards", config, judging_on(connection, config))
        found, newest = [], ""
        for person in read_people(connection, drawing, list(users)):
            newest = max(newest, str(person.columns["effective_at"][-1])[:10])
            found += [(person.user_id, alert) for alert in person.alerts]
    kept = found if user is not None else _recent(found, newest)
    rows = [{"user_id": name} | asdict(alert) for name, alert in kept]
    return sorted(rows, key=lambda row: row["at"], reverse=True)


def _recent(found: list[tuple[str, Alert]], newest: str) -> Iterator[tuple[str, Alert]]:
    if not found:
        return
    since = (date.fromisoformat(newest) - timedelta(days=RECENT_DAYS)).isoformat()
    for name, alert in found:
        if alert.status != "closed" and alert.at[:10] >= since:
            yield name, alert


def listed(rows: list[dict[str, Any]]) -> str:
    """Lines for a person; what `alert` takes comes first."""
    if not rows:
        return "no alerts"
    return "\n".join(
        f"{plain(row['user_id'])} {row['kind']} {row['began']}  {row['status']}"
        f"{' by ' + plain(row['said']) if row['said'] else ''}: {WORDS[row['kind']]}, "
        f"{row['change_kg']:+.1f} kg in {max(1, round(row['days']))} d until {row['at'][:10]}, "
        f"probability {row['probability']:.2f}"
        for row in rows
    )
