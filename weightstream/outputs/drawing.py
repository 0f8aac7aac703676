"""Drawing dashboards from the store: the pages of some persons at a time, then the index."""

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from weightstream.config import Config
from weightstream.judging.causal import Judging
from weightstream.outputs.goals import Goal, read_goals
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.failing import FAILING_PAGE
from weightstream.outputs.pages.image import draw_pictures
from weightstream.outputs.pages.index import index_page, index_row, read_index
from weightstream.outputs.pages.page import (
    PERSONS,
    embedded,
    file_name,
    person_page,
    remove_pages,
    write_page,
)
from weightstream.outputs.pages.person import EarlierDecision, Override, Person
from weightstream.outputs.people import persons_of
from weightstream.outputs.watching import Watchers, watchers
from weightstream.store import queries
from weightstream.store.alert_statuses import Key, Statement, alert_statuses
from weightstream.store.histories import histories
from weightstream.store.stored_persons import StoredPersons

logger = logging.getLogger("weightstream")
REVIEW_PAGE = "review.html"
READINGS_AT_A_TIME = 10_000
KB_PER_READING = 2
"""What drawing a person takes for a while, for each reading (measured: 1.1 to 1.9)."""

IndexRow = dict[str, Any]
Naming = Literal["hash", "id"]


@dataclass(frozen=True)
class Drawing:
    """Where pages go, and what they need besides the decisions. most_mb: what a task may take."""

    dashboards: Path
    naming: Naming
    judging: Judging
    watchers: Watchers
    most_mb: int
    goals: Mapping[str, Goal] = field(default_factory=dict)
    language: str = "en"

    @property
    def timezone(self) -> str:
        return self.judging.timezone

    def page(self, user_id: str) -> Path:
        return self.dashboards / PERSONS / file_name(user_id, self.naming)


def drawing_of(dashboards: Path, config: Config, judging: Judging) -> Drawing:
    """As configured. Raises ConfigError where alerts.persons_file or visualization.goals_file
    cannot be used."""
    return Drawing(
        dashboards,
        config.visualization.file_names,
        judging,
        watchers(config.alerts),
        config.threading.memory.viz_memory_limit_mb,
        read_goals(config.visualization.goals_file),
        config.visualization.language,
    )


def draw_persons(
    connection: sqlite3.Connection, drawing: Drawing, user_ids: Sequence[str]
) -> list[IndexRow]:
    """Write the page of each of user_ids; returns their rows of the index.

    A person without a decided reading has no page and no row.
    """
    rows = []
    for page, content, row in rendered(connection, drawing, user_ids):
        write_page(page, content)
        rows.append(row)
    remove_undrawn(drawing, user_ids, rows)
    return rows


def rendered(
    connection: sqlite3.Connection, drawing: Drawing, user_ids: Sequence[str]
) -> Iterator[tuple[Path, bytes, IndexRow]]:
    """Of each of user_ids: where the page goes, what is on it, and the row of the index."""
    for some in portions(connection, user_ids, drawing.most_mb):
        for person in _people(connection, drawing, some):
            page = person_page(person, drawing.timezone)
            yield drawing.page(person.user_id), page, index_row(person, drawing.naming)


def remove_undrawn(drawing: Drawing, user_ids: Iterable[str], rows: Iterable[IndexRow]) -> None:
    """Take away the pages of those of user_ids who were asked for and are not in rows."""
    for user in {*user_ids} - {row["user_id"] for row in rows}:
        drawing.page(user).unlink(missing_ok=True)
        drawing.page(user).with_suffix(".png").unlink(missing_ok=True)


def portions(
    connection: sqlite3.Connection, user_ids: Sequence[str], most_mb: int
) -> Iterator[Sequence[str]]:
    """Persons who are read and drawn together: so few that they fit, but one at least."""
    most = min(READINGS_AT_A_TIME, most_mb * 1000 // KB_PER_READING)
    readings = queries.readings(connection, user_ids)
    start = held = 0
    for stop, user in enumerate(user_ids):
        more = readings.get(user, 0)
        if stop > start and held + more > most:
            yield user_ids[start:stop]
            start, held = stop, 0
        held += more
    if start < len(user_ids):
        yield user_ids[start:]


def needed_mb(connection: sqlite3.Connection, user_ids: Sequence[str], most_mb: int) -> int:
    """The most that drawing user_ids takes at any time, of most_mb: 1 to that."""
    readings = queries.readings(connection, user_ids).values()
    together = max(max(readings, default=0), min(sum(readings), READINGS_AT_A_TIME))
    return min(most_mb, 1 + together * KB_PER_READING // 1000)


def draw_png(
    connection: sqlite3.Connection, drawing: Drawing, user_ids: Sequence[str], tabs: int
) -> list[str]:
    """Draw a picture beside the page of each of user_ids; returns what went wrong.

    Without a browser that is nothing: the log says how to get one.
    """
    people = read_people(connection, drawing, user_ids)
    jobs = ((person, drawing.page(person.user_id).with_suffix(".png")) for person in people)
    pictures = draw_pictures(jobs, tabs, timezone=drawing.timezone, language=drawing.language)
    if pictures.problem:
        logger.warning(pictures.problem)
    return [f"{path.name}: {why}" for path, why in pictures.failed]


def read_people(
    connection: sqlite3.Connection, drawing: Drawing, user_ids: Sequence[str]
) -> Iterator[Person]:
    """The persons of user_ids; a portion of histories is held, however many are asked for."""
    for some in portions(connection, user_ids, drawing.most_mb):
        yield from _people(connection, drawing, some)


def _people(
    connection: sqlite3.Connection, drawing: Drawing, user_ids: Sequence[str]
) -> Iterator[Person]:
    # First: what changes after this is drawn when it is next looked for.
    known = StoredPersons(connection).persons(user_ids)
    found = histories(connection, user_ids, drawing.timezone)
    shifts = queries.shifts(connection, user_ids)
    said = queries.human_decisions(connection, user_ids)
    statuses = alert_statuses(connection, user_ids)
    for person in persons_of(found, drawing.judging, drawing.watchers, shifts):
        yield replace(
            person,
            overrides=[Override(*word) for word in said.get(person.user_id, [])],
            earlier=[
                EarlierDecision(*version) for version in found.replaced.get(person.user_id, [])
            ],
            alerts=[with_status(alert, person.user_id, statuses) for alert in person.alerts],
            goal=drawing.goals.get(person.user_id),
            revision=known[person.user_id].revision,
        )


def with_status(alert: Alert, user_id: str, statuses: Mapping[Key, Statement]) -> Alert:
    """The alert with what a person said of it."""
    said = statuses.get((user_id, alert.kind, alert.began))
    if said is None:
        return alert
    words = f"{said.by} on {said.at[:10]}" + (f": {said.note}" if said.note else "")
    return replace(alert, status=said.status, said=words)


def draw_index(
    connection: sqlite3.Connection,
    dashboards: Path,
    drawn: Iterable[IndexRow],
    naming: Naming,
) -> Path:
    """Put the drawn rows into the index; persons that the store no longer has leave it, and those
    who have no page any more.

    Reads the index and replaces it: to be called by one process at a time.
    """
    path = dashboards / "index.html"
    rows = read_index(path) or {}
    rows |= {row["user_id"]: row for row in drawn}
    known = set(queries.user_ids(connection))
    # A page may be there before its row: another process draws while this one does.
    pages = {file_name(user, naming) for user in known}
    drawn_pages = set(os.listdir(dashboards / PERSONS))
    rows = {user: row for user, row in rows.items() if user in known and row["page"] in drawn_pages}
    write_page(path, index_page(rows.values()))
    remove_pages(dashboards, pages)
    return path


def undrawn(connection: sqlite3.Connection, dashboards: Path, naming: Naming) -> list[str]:
    """Persons whom the index does not show under this naming, or not as they are in the store.

    Also what another command has changed since, or a run that was killed before it could draw.
    """
    rows = read_index(dashboards / "index.html") or {}
    drawn = {(user, row["page"], row["revision"]) for user, row in rows.items()}
    return [
        user
        for user, revision in queries.revisions(connection)
        if (user, file_name(user, naming), revision) not in drawn
    ]


def erase_pages(dashboards: Path, user_id: str) -> None:
    """Remove a person's page and picture, under either naming, and their row of the index.

    And whatever a killed run left unfinished: to be called while nobody draws.
    """
    for unfinished in dashboards.rglob("*.tmp"):
        unfinished.unlink()
    for naming in get_args(Naming):
        page = dashboards / PERSONS / file_name(user_id, naming)
        page.unlink(missing_ok=True)
        page.with_suffix(".png").unlink(missing_ok=True)
    for may_show in (REVIEW_PAGE, FAILING_PAGE):
        (dashboards / may_show).unlink(missing_ok=True)
    index = dashboards / "index.html"
    rows = read_index(index)
    if rows is None:
        index.unlink(missing_ok=True)  # of another version: the next run draws it anew
    elif rows.pop(user_id, None):
        write_page(index, index_page(rows.values()))


def pages_that_say(dashboards: Path, texts: Iterable[str]) -> list[str]:
    """Persons whose page holds one of the texts."""
    wanted = [embedded(text)[1:-1] for text in texts]
    rows = read_index(dashboards / "index.html") or {} if wanted else {}
    found = []
    for user, row in rows.items():
        with suppress(FileNotFoundError):
            content = (dashboards / PERSONS / row["page"]).read_bytes()
            if any(text in content for text in wanted):
                found.append(user)
    return found
