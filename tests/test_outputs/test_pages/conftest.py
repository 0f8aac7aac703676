"""People for the pages: made up, with every kind of decision among their readings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from weightstream.outputs.pages.person import Person

SOURCES = ("patient-device", "patient-upload", "care-team-upload", "initial-questionnaire")


def made_up_person(readings: int, seed: int = 0, user_id: str = "person-1") -> Person:
    """Weighed about daily, with a gap of 60 days, pounds typed as kg, and a level shift."""
    rng = np.random.default_rng(seed)
    steps = rng.exponential(1.2, readings)
    if readings > 20:
        steps[readings // 3] += 60
    day = np.datetime64("2022-03-01T06:30:00") + (np.cumsum(steps) * 86400).astype("timedelta64[s]")
    level = 92 - 0.012 * np.cumsum(steps) + np.cumsum(rng.normal(0, 0.08, readings))
    shift = 3 * readings // 4
    level[shift:] -= 4.0
    weight = np.round(level + rng.normal(0, 0.5, readings), 1)
    bad = rng.random(readings) < 0.04
    weight[bad] = np.round(weight[bad] * 2.2046, 1)
    if readings > 10:
        weight[5], bad[5] = 17.5, True
    floats: dict[str, Any] = {
        "weight_kg": weight,
        "p_valid": np.where(bad, 0.01, 0.98),
        "expected_kg": level,
        "expected_lo_kg": level - 1.4,
        "expected_hi_kg": level + 1.4,
        "level_kg": level,
        "level_lo_kg": level - 0.6,
        "level_hi_kg": level + 0.6,
        "trend_kg_per_week": np.convolve(rng.normal(-0.1, 0.3, readings), np.ones(9) / 9, "same"),
        "suggested_kg": np.where(bad & (weight > 100), weight / 2.2046, np.nan),
    }
    columns: dict[str, Any] = {
        name: [None if np.isnan(v) else float(v) for v in values] for name, values in floats.items()
    }
    columns |= {
        "measurement_id": [f"{i * 7919 + seed:016x}" for i in range(readings)],
        "user_id": [user_id] * readings,
        "effective_at": [f"{t}Z" if i % 9 else str(t)[:10] for i, t in enumerate(day)],
        "source": [SOURCES[k] for k in rng.choice(4, readings, p=[0.7, 0.2, 0.07, 0.03])],
        "raw_weight": [f"{v:.1f}" for v in weight],
        "raw_unit": ["kg"] * readings,
        "verdict": ["rejected" if b else "accepted" for b in bad],
        "reason": [
            "ok" if not b else "unit_lb_as_kg" if v > 100 else "implausible"
            for b, v in zip(bad, weight, strict=True)
        ],
        "stage": ["causal"] * readings,
        "version": [1] * readings,
        "run_id": ["run-1"] * readings,
        "model": ["prior-1"] * readings,
        "file": ["weights.csv"] * readings,
        "line": list(range(2, readings + 2)),
    }
    shifts = (
        [(f"{day[shift]}Z", float(level[shift] + 4), float(level[shift]))] if readings > 20 else []
    )
    return Person(user_id, columns, day.astype("datetime64[us]").astype(float) / 86_400e6, shifts)


@pytest.fixture
def make_person() -> Callable[..., Person]:
    return made_up_person
