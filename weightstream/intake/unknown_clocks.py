"""Times of day that mean "unknown", since a source, or a stretch of it, has the same on all days.

Fitbit writes 23:59:59 for weights that were typed in, spreadsheets and databases of dates write
00:00:00, some 12:00:00 or 23:59. A reading at such a time counts as a date without a time.
Otherwise a file that changes from 7:00 to 0:00 would show the loss of weight of a night.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.times import parse_times
from weightstream.parsing.zones import DAY_US, local_from_utc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CLOCKS = ("00:00:00", "12:00:00", "23:59:59", "23:59:00")
FEWEST = 3
"""The smallest number of readings, and of days, of a stretch."""
LAST_SECOND = CLOCKS.index("23:59:59")
"""A time at which nobody weighs: two days of a person's source that have it are enough."""

_QUARTER_US = 900_000_000  # zones lie whole quarters of an hour apart
_SECOND_US = 1_000_000
_CLOCKS_US = (0, DAY_US // 2, DAY_US - _SECOND_US, DAY_US - 60 * _SECOND_US)


@dataclass
class ClockTally:
    """Counts the readings of each source and file that have a time of day, by CLOCKS."""

    clocked: Counter[tuple[int, str]] = field(default_factory=Counter)
    suspect: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    days: dict[tuple[int, str, int], set[int]] = field(default_factory=dict)

    def add(self, measurements: pa.Table, timezone: str) -> None:
        """Count the next rows, schema.MEASUREMENT."""
        rows = np.flatnonzero(~np.isnan(measurements["hour"].to_numpy()))
        if not len(rows):
            return
        groups = _groups(measurements)
        counts = np.bincount(groups.codes[rows])
        for code in np.flatnonzero(counts).tolist():
            self.clocked[groups.name_of(code)] += int(counts[code])
        at, clock, day = suspects(measurements, timezone)
        for code, which in set(zip(groups.codes[at].tolist(), clock.tolist(), strict=True)):
            same = (groups.codes[at] == code) & (clock == which)
            key = (*groups.name_of(code), which)
            self.suspect[key] += int(same.sum())
            seen = self.days.setdefault(key, set())
            if len(seen) < FEWEST:
                seen.update(np.unique(day[same])[:FEWEST].tolist())

    def is_throughout(self, source: tuple[int, str], clock: int) -> bool:
        """Return whether all readings of a file's source have this time of day, on several days."""
        key = (*source, clock)
        return (
            self.suspect[key] == self.clocked[source] >= FEWEST
            and len(self.days.get(key, ())) >= FEWEST
        )


@dataclass(frozen=True)
class _Groups:
    """Return (N,) the group of each row: file * len(sources) + source."""

    codes: Ints
    sources: list[str]

    def name_of(self, code: int) -> tuple[int, str]:
        file, source = divmod(code, len(self.sources))
        return file, self.sources[source]


def _groups(measurements: pa.Table) -> _Groups:
    codes, sources = _coded(measurements["source"])
    file = measurements["file"].to_numpy().astype(np.int64)
    return _Groups(file * max(len(sources), 1) + codes, sources)


def _coded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Return (N,) codes into the distinct texts of a column of schema.CODE, and these texts."""
    array = column.unify_dictionaries().combine_chunks()
    return array.indices.to_numpy().astype(np.int64), array.dictionary.to_pylist()


def suspects(measurements: pa.Table, timezone: str) -> tuple[Ints, Ints, Ints]:
    """Return the rows whose time of day, as written or in the configured zone, is one of CLOCKS.

    Returns their positions, the clock, and the day, in days since 1970-01-01.
    """
    us = measurements["time_us"].to_numpy()
    has_clock = ~np.isnan(measurements["hour"].to_numpy())
    quarters = {-clock % _QUARTER_US for clock in _CLOCKS_US}
    near = np.logical_or.reduce([(us + ahead) % _QUARTER_US == 0 for ahead in quarters])
    rows = np.flatnonzero(near & has_clock)
    wall = measurements["wall"].combine_chunks().take(pa.array(rows))
    written = pc.index_in(pc.utf8_slice_codeunits(wall, 11, 19), pa.array(CLOCKS))
    clock = written.fill_null(-1).to_numpy().astype(np.int64)
    day = pc.utf8_slice_codeunits(wall, 0, 10).to_numpy(zero_copy_only=False).astype("M8[D]")
    day = day.astype(np.int64)
    # Many programs write local midnight in UTC.
    at_home = local_from_utc(us[rows], timezone)
    instants = pc.ends_with(wall, "Z").to_numpy(zero_copy_only=False) & (clock < 0)
    home = _clock_of(at_home % DAY_US)
    clock, day = np.where(instants, home, clock), np.where(instants, at_home // DAY_US, day)
    found = clock >= 0
    return rows[found], clock[found], day[found]


def _clock_of(us: Ints) -> Ints:
    """Return (N,) the index into CLOCKS of microseconds since midnight, -1 for none."""
    return np.select([us == one for one in _CLOCKS_US], range(len(CLOCKS)), -1)


def as_dates(
    measurements: pa.Table, tally: ClockTally, timezone: str
) -> tuple[pa.Table, Counter[tuple[int, str]]]:
    """Return schema.MEASUREMENT of whole persons, without times of day that mean "unknown".

    Also returns the number of rows of each file that lost each of CLOCKS.
    """
    rows, clock, day = suspects(measurements, timezone)
    if not len(rows):
        return measurements, Counter()
    series = _series(measurements)
    chosen = _throughout(measurements, tally, rows, clock)
    chosen |= _in_stretches(measurements, series, rows, clock, day)
    chosen |= (clock == LAST_SECOND) & _on_two_days(series[rows], clock, day)
    if not chosen.any():
        return measurements, Counter()
    rows, clock, day = rows[chosen], clock[chosen], day[chosen]
    files = measurements["file"].to_numpy()[rows].tolist()
    lost = Counter(zip(files, (CLOCKS[one] for one in clock), strict=True))
    return _replaced(measurements, rows, day, timezone), lost


def _throughout(measurements: pa.Table, tally: ClockTally, rows: Ints, clock: Ints) -> Bools:
    groups = _groups(measurements)
    of_rows = groups.codes[rows]
    keys = list(zip(of_rows.tolist(), clock.tolist(), strict=True))
    known = {(g, which): tally.is_throughout(groups.name_of(g), which) for g, which in set(keys)}
    return np.array([known[key] for key in keys], dtype=bool)


def _series(measurements: pa.Table) -> Ints:
    """Return (N,) the person and source of each row, as one number."""
    persons, _ = _coded(measurements["user_id"])
    sources, names = _coded(measurements["source"])
    return persons * max(len(names), 1) + sources


def _on_two_days(series: Ints, clock: Ints, day: Ints) -> Bools:
    """Return (K,) whether a person's source has the time of day on another day too."""
    pairs = np.unique(np.stack([series, clock, day]), axis=1)
    days = Counter(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
    return np.array([days[key] > 1 for key in zip(series.tolist(), clock.tolist(), strict=True)])


def _in_stretches(
    measurements: pa.Table, series: Ints, rows: Ints, clock: Ints, day: Ints
) -> Bools:
    """Return (K,) which rows are in a stretch: FEWEST readings and days of a person's source, in
    the order of time, without another time of day.
    """
    clocks = np.full(len(series), -1, dtype=np.int64)
    days = np.zeros(len(series), dtype=np.int64)
    clocks[rows], days[rows] = clock, day
    concerned = np.zeros(series.max() + 1, dtype=bool)
    concerned[series[rows]] = True
    clocked = ~np.isnan(measurements["hour"].to_numpy())
    some = np.flatnonzero(concerned[series] & clocked)
    us = measurements["time_us"].to_numpy()
    order = some[np.lexsort((clocks[some], us[some], series[some]))]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (np.diff(series[order]) != 0) | (np.diff(clocks[order]) != 0)
    run = np.cumsum(starts) - 1
    new_day = starts.copy()
    new_day[1:] |= np.diff(days[order]) != 0
    long = (np.bincount(run) >= FEWEST) & (np.bincount(run, new_day) >= FEWEST)
    chosen = np.zeros(len(series), dtype=bool)
    chosen[order] = long[run] & (clocks[order] >= 0)
    return chosen[rows]


def _replaced(measurements: pa.Table, rows: Ints, day: Ints, timezone: str) -> pa.Table:
    """Return the rows as dates without a time."""
    dates = pa.array(day.astype("M8[D]").astype(str), pa.string())
    mask = np.zeros(len(measurements), dtype=bool)
    mask[rows] = True
    us, hour = (measurements[name].to_numpy().copy() for name in ("time_us", "hour"))
    us[rows], hour[rows] = parse_times(dates, timezone, None).us, np.nan
    columns = {"time_us": pa.array(us), "hour": pa.array(hour)}
    for name in ("effective_at", "wall"):
        column = measurements[name].combine_chunks()
        columns[name] = pc.replace_with_mask(column, pa.array(mask), dates)
    for name, column in columns.items():
        at = measurements.schema.get_field_index(name)
        measurements = measurements.set_column(at, measurements.schema.field(at), column)
    return measurements
