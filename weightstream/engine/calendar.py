"""Days that are easily written for another one. Compiled, since the smoother asks in its loop."""

import math

from weightstream.engine.compiled import shared

YEAR = 365.0


@shared
def civil(day: int) -> tuple[int, int, int]:
    """Year, month, day of the month from days since 1970-01-01.

    H. Hinnant, chrono-compatible low-level date algorithms, civil_from_days.
    """
    z = day + 719468
    era = z // 146097
    of_era = z - era * 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * of_year + 2) // 153
    date = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year_of_era + era * 400 + (1 if month <= 2 else 0), month, date


@shared
def days_since_1970(year: int, month: int, date: int) -> int:
    """The inverse of `civil`, from the same source."""
    year -= 1 if month <= 2 else 0
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + date - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@shared
def other_dates(day: float) -> tuple[float, float, float]:
    """A year before, a year after, and with day and month changed over (NaN where they cannot)."""
    whole = math.floor(day)
    year, month, date = civil(int(whole))
    swapped = math.nan
    if date <= 12 and date != month:
        swapped = days_since_1970(year, date, month) + day - whole
    return day - YEAR, day + YEAR, swapped
