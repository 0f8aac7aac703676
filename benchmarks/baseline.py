"""How it is done elsewhere: what our figures are ratios to, measured in the same run."""

import time
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from pykalman import KalmanFilter


def bare_loop(rows: int = 4_000, users: int = 40) -> float:
    """Rows/s of pykalman's filter_update, one row at a time: level and velocity, gaps in days."""
    rng = np.random.default_rng(0)
    noise = np.array([[0.3]])
    started = time.perf_counter()
    for _ in range(users):
        kalman = KalmanFilter(
            observation_matrices=np.array([[1.0, 0.0]]), observation_covariance=noise
        )
        mean, covariance = np.array([80.0, 0.0]), np.diag([1.0, 0.01])
        for gap in rng.exponential(1.0, rows // users):
            mean, covariance = kalman.filter_update(
                mean,
                covariance,
                np.array([80.0]),
                transition_matrix=np.array([[1.0, gap], [0.0, 0.98]]),
                transition_covariance=np.diag([0.015 * gap, 1e-4 * gap]),
            )
    return rows / (time.perf_counter() - started)


def figure(readings: int = 100) -> go.Figure:
    """One person's dashboard through go.Figure: readings, level, band, trend."""
    rng = np.random.default_rng(1)
    day = np.datetime64("2025-01-01") + np.arange(readings)
    level = 80 + rng.normal(0, 0.1, readings).cumsum()
    made = go.Figure()
    made.add_scatter(x=day, y=level + 1, mode="lines", line={"width": 0})
    made.add_scatter(x=day, y=level - 1, mode="lines", line={"width": 0}, fill="tonexty")
    made.add_scatter(x=day, y=level, mode="lines", name="level")
    made.add_scatter(x=day, y=level + rng.normal(0, 0.5, readings), mode="markers", name="reading")
    made.update_layout(title="Weight", xaxis_title="day", yaxis_title="kg")
    return made


def self_contained_pages(folder: Path, persons: int = 20) -> tuple[float, int]:
    """Persons/s and bytes a page of go.Figure.write_html, plotly.js inside each."""
    started = time.perf_counter()
    for number in range(persons):
        figure().write_html(folder / f"{number}.html", include_plotlyjs=True)
    seconds = time.perf_counter() - started
    return persons / seconds, (folder / "0.html").stat().st_size
