"""What a page is given of a person beside the readings."""

import numpy as np
import pytest

from weightstream.outputs.people import clear_shifts

AT = [f"2024-05-0{day}T07:00:00Z" for day in range(1, 5)]


def columns(level, half=0.5):
    level = np.array(level)
    return {
        "effective_at": AT,
        "level_kg": level,
        "level_lo_kg": level - half,
        "level_hi_kg": level + half,
    }


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [(80.0, 80.04, 0), (80.0, 79.4, 0), (80.0, 76.0, 1), (76.0, 80.0, 1)],
)
def test_a_shift_that_later_readings_made_small_is_not_shown(before, after, shown):
    """0.1 drew "level shift ±0.0 kg" of 11 of 71."""
    shifts = [(AT[2], before, after)]
    assert len(clear_shifts(shifts, columns([before, before, after, after]))) == shown


def test_how_small_depends_on_how_well_the_levels_are_known():
    shifts = [(AT[2], 80.0, 79.0)]
    levels = [80.0, 80.0, 79.0, 79.0]
    assert clear_shifts(shifts, columns(levels, half=0.2)) == shifts
    assert clear_shifts(shifts, columns(levels, half=1.0)) == []
    assert clear_shifts([], columns(levels)) == []
