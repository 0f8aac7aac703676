"""The benchmark's figures as one page."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]


def plots(found: Found, about: Mapping[str, Any]) -> str:
    """found: figures by scenario and method; "all" is their sum. Returns one HTML page."""
    total = found["all"]
    own = [name for name in total if name.startswith("weightstream")]
    charts = [
        _recall_and_specificity(total),
        _by_scenario(found, "rmse_kg", "RMSE of the level, kg"),
    ]
    charts += [_by_scenario(found, "f1", "F1"), _steps(total), _reliability(total, own)]
    charts += [_coverage(name, total[name]) for name in own]
    charts += [_names(name, total[name]) for name in own]
    words = ", ".join(f"{key} {value}" for key, value in about.items())
    bodies = [to_html(c, full_html=False, include_plotlyjs=k == 0) for k, c in enumerate(charts)]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Accuracy</title>'
    return f"{head}<h1>Accuracy on simulated streams</h1><p>{words}</p>{''.join(bodies)}</html>\n"


def _figure(title: str, x: str, y: str) -> go.Figure:
    return go.Figure(layout={"title": title, "xaxis_title": x, "yaxis_title": y, "height": 480})


def _recall_and_specificity(total: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    chart = _figure("Errors found, right readings lost", "1 - specificity (log)", "recall")
    for name, own in total.items():
        lost = max(1e-5, 1 - own["specificity"])
        chart.add_scatter(x=[lost], y=[own["recall"]], name=name, mode="markers", marker_size=12)
    chart.update_xaxes(type="log")
    return chart


def _by_scenario(found: Found, key: str, title: str) -> go.Figure:
    chart = _figure(title, "", title)
    for name in found["all"]:
        chart.add_bar(
            x=list(found), y=[methods[name][key] for methods in found.values()], name=name
        )
    if key == "rmse_kg":
        chart.update_yaxes(type="log")
    return chart


def _steps(total: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    title = "Right readings of a real step that are rejected, after three of the new level"
    chart = _figure(title, "", "share")
    for name, own in total.items():
        kinds = own["steps"]
        chart.add_bar(x=list(kinds), y=[kinds[kind]["settled"] for kind in kinds], name=name)
    return chart


def _reliability(total: Mapping[str, Mapping[str, Any]], own: list[str]) -> go.Figure:
    chart = _figure("Of readings with this p_valid, how many are valid", "p_valid", "valid")
    chart.add_scatter(x=[0, 1], y=[0, 1], name="perfect", mode="lines", line_dash="dot")
    for name in own:
        rows = total[name]["reliability"]
        x, y = [row["said"] for row in rows], [row["valid"] for row in rows]
        text = [f"{row['n']} readings" for row in rows]
        chart.add_scatter(x=x, y=y, text=text, name=name, mode="lines+markers")
    return chart


def _coverage(name: str, figures: Mapping[str, Any]) -> go.Figure:
    chart = _figure(f"{name}: right readings inside their interval", "", "share")
    groups = {**figures["groups"]["source"], **figures["groups"]["gap"]}
    for wanted in (0.5, 0.9, 0.95, 0.99):
        y = [own["coverage"][wanted] for own in groups.values()]
        chart.add_scatter(x=list(groups), y=y, name=f"{wanted:.0%}", mode="markers", marker_size=10)
        chart.add_hline(y=wanted, line_dash="dot", line_width=1)
    return chart


def _names(name: str, figures: Mapping[str, Any]) -> go.Figure:
    types = figures["types"]
    reasons = sorted({reason for own in types.values() for reason in own["named_as"]})
    shares = [[own["named_as"].get(r, 0) / own["n"] for r in reasons] for own in types.values()]
    chart = _figure(
        f"{name}: what an error is called (share of all of its kind)", "reason", "error"
    )
    chart.add_heatmap(x=reasons, y=list(types), z=shares, zmin=0, zmax=1, colorscale="Blues")
    return chart
