"""The list of all persons: one row each, searchable, from a page that works without a server."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson

from weightstream.outputs.pages.changes import Change
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.page import embedded, file_name
from weightstream.outputs.pages.person import COPY_REASONS, Person
from weightstream.outputs.pages.template import template

INDEX_COLUMNS = (
    "user_id",
    "page",  # file name of the person's page
    "revision",  # of the person's series when the page was drawn
    "readings",
    "rejected",  # copies aside
    "copies",
    "uncertain",  # readings with 0.1 < p_valid < 0.9
    "last",  # date of the last reading
    "level_kg",
    "level_lo_kg",
    "level_hi_kg",
    "change_28d_kg",  # of the level until its newest reading
    "change_28d_lo_kg",
    "change_28d_hi_kg",
    "direction",  # losing, gaining or unclear
    "shared",  # weights and readings of both where two persons seem to share the account
    "alert",  # of the newest that is not closed: kind, days, kg, probability, date, status, began
    "alerts",  # (kind, date, began) of the new ones of RECENT_DAYS before the last reading
    "spark",  # the level over the last year, as SPARK_POINTS characters
)
RECENT_DAYS = 30
"""An alert is recent that is no older than this, against the newest reading of all."""
SPARK_POINTS = 24
_SHARES = np.linspace(0.0, 1.0, SPARK_POINTS)
SPARK_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


def index_row(person: Person, naming: Literal["hash", "id"] = "hash") -> dict[str, Any]:
    """One person's row of the index: a value for each of INDEX_COLUMNS."""
    column = person.columns
    verdicts = list(column["verdict"])
    copies = sum(map(column["reason"].count, COPY_REASONS))
    p_valid = np.asarray(column["p_valid"], dtype=np.float64)
    level = np.asarray(column["level_kg"], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(level))
    at = column["effective_at"]
    row: dict[str, Any] = dict.fromkeys(INDEX_COLUMNS)
    row |= {
        "user_id": person.user_id,
        "page": file_name(person.user_id, naming),
        "revision": person.revision,
        "readings": len(verdicts),
        "rejected": verdicts.count("rejected") - copies,
        "copies": copies,
        "uncertain": int(np.count_nonzero((p_valid > 0.1) & (p_valid < 0.9))),
        "last": str(at[-1])[:10] if len(at) else None,
        "spark": "",
    }
    if len(known):
        day, end = person.day[known], int(known[-1])
        row |= {
            "level_kg": round(float(level[end]), 3),
            "level_lo_kg": _cell(column["level_lo_kg"], end, 3),
            "level_hi_kg": _cell(column["level_hi_kg"], end, 3),
            **_changes(person),
            "spark": spark(day, level[known]),
        }
    if shared := person.shared:
        row["shared"] = (*(round(kg, 1) for kg in shared.kg), *shared.count)
    if open_alerts := [alert for alert in person.alerts if alert.status != "closed"]:
        row["alert"] = _alert(open_alerts[-1])
        since = _days_before(row["last"])
        new = [alert for alert in open_alerts if alert.status == "new" and alert.at[:10] >= since]
        row["alerts"] = [(alert.kind, alert.at[:10], alert.began) for alert in new] or None
    return row


def _changes(person: Person) -> dict[str, Any]:
    """Return the changes of the level; empty if it is of two persons."""
    said = person.direction
    row: dict[str, Any] = {"direction": said and said[0]}
    newest: Sequence[Change] = person.trend.newest if person.trend and said else ()
    for change in newest:
        if change.name == "4 weeks":
            row |= {"change_28d_kg": round(change.kg, 3)}
            row |= {f"change_28d_{end}_kg": round(getattr(change, end), 3) for end in ("lo", "hi")}
    return row


def index_page(rows: Iterable[Mapping[str, Any]], quality: bool = True) -> bytes:
    """Return the HTML of the index; rows as from index_row, in any order.

    quality: whether the page on data quality stands beside it.
    """
    ordered = sorted(rows, key=lambda row: str(row["user_id"]))
    table = {name: [row[name] for row in ordered] for name in INDEX_COLUMNS}
    before, after = template("index", "All persons")
    if not quality:
        before = _TO_QUALITY.sub(b"", before)
    return before + embedded(table) + after


def read_index(path: Path) -> dict[str, dict[str, Any]] | None:
    """Return the rows of an index page by user id; None if there is no such page.

    So an ingest of a few persons rewrites their rows only, without reading all the others.
    """
    try:
        found = _EMBEDDED.search(path.read_bytes())
        table = orjson.loads(found[1]) if found else None
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    if not isinstance(table, dict) or tuple(table) != INDEX_COLUMNS:
        return None
    rows = [
        dict(zip(INDEX_COLUMNS, values, strict=True))
        for values in zip(*table.values(), strict=True)
    ]
    return {row["user_id"]: row for row in rows}


def spark(day: npt.NDArray[np.float64], level: npt.NDArray[np.float64]) -> str:
    """The last year of a level as SPARK_POINTS characters, equally spaced in time, 64 steps high.

    day, level: (N,), N >= 1, sorted. It begins with the first reading of that year. The full height
    is what the level spans, at least 2 kg.
    """
    start = day[np.searchsorted(day, day[-1] - 365.0)]
    at = start + _SHARES * (day[-1] - start)
    values = np.interp(at, day, level)
    middle = (values.max() + values.min()) / 2
    height = max(2.0, values.max() - values.min())
    steps = np.clip(np.rint((values - middle) / height * 63 + 31.5), 0, 63).astype(int)
    return "".join([SPARK_ALPHABET[step] for step in steps.tolist()])


_TO_QUALITY = re.compile(rb'<a href="quality\.html".*?</a>\n')
_EMBEDDED = re.compile(rb'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def _cell(values: Sequence[Any], row: int, digits: int) -> float | None:
    value = values[row]
    return None if value is None or value != value else round(float(value), digits)


def recent_alerts(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (user id, kind, began) of alerts of the RECENT_DAYS before the newest reading of all
    on which nobody has set a status yet.

    rows: of the whole index, by user id.
    """
    newest = max((row["last"] for row in rows.values() if row["last"]), default=None)
    if newest is None:
        return []
    since = _days_before(newest)
    return [
        (user, kind, began)
        for user, row in rows.items()
        for kind, at, began in row["alerts"] or ()
        if at >= since
    ]


def _days_before(newest: str) -> str:
    return (date.fromisoformat(newest) - timedelta(days=RECENT_DAYS)).isoformat()


def _alert(alert: Alert) -> tuple[str, int, float, float, str, str, str]:
    days, kg = round(alert.days), round(alert.change_kg, 2)
    probability = round(alert.probability, 3)
    return (alert.kind, days, kg, probability, alert.at[:10], alert.status, alert.began)
