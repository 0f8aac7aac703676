"""Local wall time and UTC, for arrays; zoneinfo is asked once per day, not once per reading."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

DAY_US = 86_400_000_000
# A day's offset is looked up for the years 1900-2100; further ones are asked one by one.
_FIRST_DAY = -25_567
_LAST_DAY = 47_846
_FEW = 500
"""Times of a zone below this number are asked one by one: a zone's table takes 0.2 s to make."""
_EPOCH = datetime(1970, 1, 1)
# datetime holds the years 1-9999, and conversion needs a day to spare.
_MIN_US = -719_161 * DAY_US
_MAX_US = 2_932_895 * DAY_US


def utc_from_local(local_us: Ints, timezone: str) -> Ints:
    """(N,) wall times in microseconds since 1970 to UTC.

    Of a repeated hour the first; a skipped wall time is moved on by what was skipped.
    """
    return local_us - _east_us(local_us, timezone, True) if timezone != "UTC" else local_us


def local_from_utc(utc_us: Ints, timezone: str) -> Ints:
    """(N,) instants in microseconds since 1970 UTC to wall times."""
    return utc_us + _east_us(utc_us, timezone, False) if timezone != "UTC" else utc_us


@lru_cache(maxsize=16)
def offsets_by_abbreviation(timezone: str) -> dict[str, int]:
    """Microseconds east of UTC by what the zone calls its time since 2000, as CET and CEST."""
    zone = ZoneInfo(timezone)
    moments = (
        datetime(year, month, 15, tzinfo=zone) for year in range(2000, 2031) for month in (1, 7)
    )
    return {
        moment.tzname() or "": (moment.utcoffset() or timedelta()) // timedelta(microseconds=1)
        for moment in moments
    }


def _east_us(us: Ints, timezone: str, is_local: bool) -> Ints:
    """(N,) the zone's offset at each time, in microseconds east of UTC."""
    if len(us) < _FEW:
        zone = ZoneInfo(timezone)
        return np.array([_offset_at(at, zone, is_local) for at in us.tolist()], dtype=np.int64)
    table, steady = _day_offsets(timezone, is_local)
    day = us // DAY_US - _FIRST_DAY
    inside = (day >= 0) & (day < len(table))
    row = np.where(inside, day, 0)
    east = table[row]
    for index in np.flatnonzero(~(inside & steady[row])):
        east[index] = _offset_at(int(us[index]), ZoneInfo(timezone), is_local)
    return east


@lru_cache(maxsize=16)
def _day_offsets(timezone: str, is_local: bool) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Each day's offset at its start, and whether it is still the same at the day's end."""
    zone = ZoneInfo(timezone)
    days = range(_FIRST_DAY, _LAST_DAY + 1)
    at = np.array([_offset_at(day * DAY_US, zone, is_local) for day in days], dtype=np.int64)
    return at[:-1], at[:-1] == at[1:]


def _offset_at(us: int, zone: ZoneInfo, is_local: bool) -> int:
    moment = _EPOCH + timedelta(microseconds=min(max(us, _MIN_US), _MAX_US))
    if not is_local:
        moment = moment.replace(tzinfo=UTC).astimezone(zone)
    offset = moment.replace(tzinfo=zone).utcoffset() if is_local else moment.utcoffset()
    return (offset or timedelta()) // timedelta(microseconds=1)
