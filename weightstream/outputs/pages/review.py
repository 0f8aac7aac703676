"""The queue of uncertain readings as a page: each with its picture and the commands that decide it.

It needs no script: the pictures are drawn here.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

import numpy as np

from weightstream.movement import Floats
from weightstream.outputs.pages.page import PERSONS, file_name
from weightstream.outputs.pages.person import Person
from weightstream.outputs.pages.template import template

DAYS = 60.0
"""Of a picture, before and after its reading."""
WIDTH, HEIGHT, RIM = 420.0, 150.0, 12.0
LEAST_KG = 2.0
"""That a picture is high at least."""


def review_page(
    rows: Sequence[Mapping[str, Any]],
    people: Mapping[str, Person],
    naming: Literal["hash", "id"] = "hash",
) -> bytes:
    """HTML of the readings `rows` (review.COLUMNS and explanation), in their order.

    people: by user id, those whose readings they are.
    """
    before, after = template("review", "Uncertain readings")
    cards = [_card(row, people[row["user_id"]], naming) for row in rows]
    content = "".join(cards or ["<p>Nothing to review.</p>"]).encode()
    return before.replace(b"{{cards}}", content) + b"null" + after


def _card(row: Mapping[str, Any], person: Person, naming: Literal["hash", "id"]) -> str:
    name, user = str(row["measurement_id"]), str(row["user_id"])
    page = f"{PERSONS}/{file_name(user, naming)}#{name}"
    other = "reject" if row["verdict"] == "accepted" else "accept"
    commands = [
        f"weightstream override {name} {action} --by NAME"
        for action in ((other, "accept") if other == "reject" else (other, "reject"))
    ]
    heading = (
        f'<a href="{escape(page)}"><bdi>{escape(user)}</bdi></a>, {escape(row["effective_at"])}'
    )
    code = "<br>".join(f"<code>{escape(command)}</code>" for command in commands)
    return (
        f'<section class="card"><div class="row"><h2>{heading}</h2>'
        f"<span>{escape(str(row['source']))}</span></div>"
        f"<p><strong>{float(row['weight_kg']):.1f} kg</strong>, {escape(row['verdict'])}: "
        f"{escape(row['explanation'])}</p>{picture(row, person)}<p>{code}</p></section>\n"
    )


def picture(row: Mapping[str, Any], person: Person) -> str:
    """SVG of a reading among its neighbours: dots (accepted), crosses (rejected), and the level."""
    columns = person.columns
    at = list(columns["measurement_id"]).index(row["measurement_id"])
    near = np.flatnonzero(np.abs(person.day - person.day[at]) <= DAYS)
    kg, level = (np.asarray(columns[n], np.float64)[near] for n in ("weight_kg", "level_kg"))
    accepted = np.array([columns["verdict"][i] == "accepted" for i in near.tolist()], bool)
    seen = np.concatenate([kg[accepted | (near == at)], level[~np.isnan(level)]])
    x = _scaled(person.day[near], person.day[at] - DAYS, person.day[at] + DAYS, WIDTH)
    middle, half = (seen.min() + seen.max()) / 2, max(LEAST_KG, np.ptp(seen)) / 2
    y, line = (HEIGHT - _scaled(v, middle - half, middle + half, HEIGHT) for v in (kg, level))
    marks = [
        _mark(x[k], y[k], bool(accepted[k]), bool(near[k] == at))
        for k in range(len(near))
        if middle - half <= kg[k] <= middle + half
    ]
    known = ~np.isnan(level)
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[known], line[known], strict=True))
    label = f"{row['weight_kg']:.1f} kg among the readings of {DAYS:.0f} days before and after"
    size = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}"'
    return (
        f'<svg class="near" role="img" aria-label="{label}" {size}>'
        f'<polyline points="{path}"/>{"".join(marks)}</svg>'
        f'<p class="hint">{middle - half:.1f} to {middle + half:.1f} kg</p>'
    )


def _scaled(values: Floats, low: float, high: float, size: float) -> Floats:
    return RIM + (values - low) / (high - low) * (size - 2 * RIM)


def _mark(x: float, y: float, accepted: bool, asked: bool) -> str:
    ring = f'<circle class="asked" cx="{x:.1f}" cy="{y:.1f}" r="9"/>' if asked else ""
    if accepted:
        return f'{ring}<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    cross = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return f'{ring}<path d="{cross}"/>'
