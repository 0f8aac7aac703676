"""Days as dates, and the dates that are easily written for another."""

from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.engine import calendar


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
@settings(deadline=None)
def test_calendar(day):
    number = (day - date(1970, 1, 1)).days
    assert calendar.civil(number) == (day.year, day.month, day.day)
    assert calendar.days_since_1970(day.year, day.month, day.day) == number


def test_dates_that_are_easily_written_for_another():
    day = float((date(2024, 3, 9) - date(1970, 1, 1)).days) + 0.25
    before, after, swapped = calendar.other_dates(day)
    assert (before, after) == (day - 365, day + 365)
    assert swapped == (date(2024, 9, 3) - date(1970, 1, 1)).days + 0.25
    assert np.isnan(calendar.other_dates(day + 10)[2])
