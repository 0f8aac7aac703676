"""`weightstream.summary` and `weightstream.plot`: a row per person, and one person's chart."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.frame_kinds import Native, same_kind
from weightstream.frame_results import INSTANT

if TYPE_CHECKING:
    import plotly.graph_objects as go

NEEDED = ("user_id", "effective_at", "weight_kg", "verdict", "level_kg")
LEVELS = ("level_kg", "level_lo_kg", "level_hi_kg")
CHANGES = ("change_28d_kg", "change_28d_lo_kg", "change_28d_hi_kg")

_INK, _BAND, _MUTED, _REJECTED = "#18212b", "rgba(24,33,43,0.13)", "#e6eaee", "#b8400a"
_SOURCES = ("#0072b2", "#00805e", "#a6497f", "#8a6100", "#3f6d8c", "#6a52b3", "#5b6470")
"""Colours of the pages (outputs/pages/assets/figure.js), of which each reaches 3:1 on white."""


def summary(cleaned: Any) -> Any:
    """Summarise each person at their newest reading.

    cleaned: the result of `weightstream.clean`, or the columns of a judged file or an export.
    Returns the same kind of frame, one row per person in the order of ids: user_id, level_kg with
    its 95 % interval, change_28d_kg with its interval (kg in the last 28 days, empty if unknown),
    measurements (accepted and rejected), rejected, last_seen (UTC).
    Raises InputError if columns are missing.
    """
    table = judged_of(cleaned)
    persons = table.group_by("user_id", use_threads=False).aggregate(
        [("verdict", "count"), ("rejected", "sum"), ("effective_at", "max")]
    )
    persons = persons.rename_columns(["user_id", "measurements", "rejected", "last_seen"])
    newest = _last_of_each(table.filter(pc.is_valid(table["level_kg"])))
    at = pc.index_in(persons["user_id"], newest["user_id"])
    columns = {name: newest[name].take(at) for name in (*LEVELS, *CHANGES)}
    order = ["user_id", *columns, "measurements", "rejected", "last_seen"]
    found = pa.table({**{n: persons[n] for n in persons.column_names}, **columns}).select(order)
    return same_kind(cleaned, found.sort_by("user_id"))


def plot(cleaned: Any, user: Any) -> "go.Figure":
    """Draw one person's measurements and level, with its 95 % interval, as the person's page does.

    cleaned: see `summary`. user: a user_id in it; 7 is "7". Rejected measurements are crosses.
    Returns a plotly Figure. Raises InputError if columns are missing, or nothing is judged of that
    person.
    """
    import plotly.graph_objects as go

    table, user = judged_of(cleaned), str(user)
    table = table.filter(pc.equal(table["user_id"], user))
    if not len(table):
        raise InputError(f"there are no judged measurements of a person called {user!r}")
    figure = go.Figure(layout=_layout(user))
    at = table["effective_at"].to_pylist()
    level, lo, hi = (table[name].to_pylist() for name in LEVELS)
    line = {"mode": "lines", "hoverinfo": "skip"}
    figure.add_scatter(x=at, y=hi, line_width=0, showlegend=False, **line)
    figure.add_scatter(
        x=at, y=lo, line_width=0, fill="tonexty", fillcolor=_BAND, name="95 % interval", **line
    )
    figure.add_scatter(x=at, y=level, mode="lines", line_color=_INK, name="level")
    for trace in _readings(table):
        figure.add_scatter(**trace)
    return figure


def judged_of(cleaned: Any) -> pa.Table:
    """Return the accepted and rejected rows, by person and time.

    effective_at is an instant, `rejected` is 0 or 1, and missing optional columns are empty.

    Raises InputError if a needed column is missing.
    """
    table = Native(cleaned).to_arrow()
    if missing := [name for name in NEEDED if name not in table.column_names]:
        raise InputError(
            f"the frame has no column {' and no '.join(missing)}; use the result of "
            "weightstream.clean, or a file that `weightstream clean` or `weightstream export` wrote"
        )
    if "outcome" in table.column_names:
        table = table.filter(pc.is_in(table["outcome"], pa.array(["accepted", "rejected"])))
    table = table.filter(pc.is_valid(table["verdict"]))
    columns = {name: pa.nulls(len(table), pa.float64()) for name in (*LEVELS, *CHANGES)}
    columns |= {
        name: table[name].cast(pa.float64()) for name in columns if name in table.column_names
    }
    columns |= {
        name: pa.nulls(len(table), pa.string()) for name in ("source", "reason", "explanation")
    }
    texts = ("user_id", "verdict", "source", "reason", "explanation")
    columns |= {n: table[n].cast(pa.string()) for n in texts if n in table.column_names}
    columns["weight_kg"] = table["weight_kg"].cast(pa.float64())
    columns["effective_at"] = _instants(table["effective_at"])
    columns["rejected"] = pc.equal(columns["verdict"], "rejected").cast(pa.int64())
    order = ("user_id", "effective_at", "source", "weight_kg")  # as in files: the rows' own is free
    return pa.table(columns).sort_by([(name, "ascending") for name in order])


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return instants of timestamps, or of an export's texts: an instant with Z, or a date."""
    if pa.types.is_timestamp(column.type):
        return column.cast(INSTANT, safe=False)
    texts = column.cast(pa.string())
    date_only = pc.equal(pc.utf8_length(texts), len("2024-01-31"))
    return pc.if_else(date_only, pc.binary_join_element_wise(texts, "T00:00:00Z", ""), texts).cast(
        INSTANT
    )


def _last_of_each(table: pa.Table) -> pa.Table:
    """Return the last row of each person of a table that is sorted by person."""
    user = table["user_id"].combine_chunks()
    last = np.ones(len(user), bool)
    last[:-1] = pc.not_equal(user[1:], user[:-1]).to_numpy(zero_copy_only=False)
    return table.filter(pa.array(last))


def _readings(table: pa.Table) -> list[dict[str, Any]]:
    """Return a trace for the accepted measurements of each source, the most frequent first, and one
    for all rejected ones."""
    rejected = pc.equal(table["rejected"], 1)
    accepted = table.filter(pc.invert(rejected))
    counts = pc.value_counts(pc.fill_null(accepted["source"], "unknown")).to_pylist()
    names = [one["values"] for one in sorted(counts, key=lambda one: -one["counts"])]
    traces = []
    for number, name in enumerate(names):
        rows = accepted.filter(pc.equal(pc.fill_null(accepted["source"], "unknown"), name))
        colour = _SOURCES[min(number, len(_SOURCES) - 1)]
        traces.append(_dots(rows, name, {"color": colour, "size": 6}))
    fallen = table.filter(rejected)
    if len(fallen):
        marks = {"color": _REJECTED, "size": 8, "symbol": "x-thin-open", "line_width": 2}
        traces.append(_dots(fallen, "rejected", marks))
    return traces


def _dots(rows: pa.Table, name: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "x": rows["effective_at"].to_pylist(),
        "y": rows["weight_kg"].to_pylist(),
        "mode": "markers",
        "name": name,
        "marker": marker,
        "text": pc.fill_null(rows["explanation"], "").to_pylist(),
        "hovertemplate": "%{x|%-d %b %Y %H:%M}<br>%{y:.1f} kg<br>%{text}<extra></extra>",
    }


def _layout(user: str) -> dict[str, Any]:
    axis = {"gridcolor": _MUTED, "zeroline": False}
    return {
        "title": {"text": user},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "font": {"color": _INK},
        "xaxis": axis,
        "yaxis": {**axis, "title": {"text": "kg"}},
        "hovermode": "closest",
    }
