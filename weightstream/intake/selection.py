"""Selecting rows: a list of persons, a range of days, a window over all persons."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.config import Data
from weightstream.errors import ConfigError
from weightstream.intake.tombstones import NOBODY, Tombstones

ERASED = "erased"
NOT_LISTED = "not_in_users_file"
OUTSIDE_DATES = "outside_date_range"
OUTSIDE_WINDOW = "outside_user_window"


class Selection:
    """Rows are dropped as they arrive; the window over persons is applied once all are known."""

    def __init__(self, data: Data, tombstones: Tombstones = NOBODY) -> None:
        self.tombstones = tombstones
        self._listed = _read_ids(data.users_file) if data.users_file else None
        self._from = data.date_from.isoformat() if data.date_from else None
        self._to = data.date_to.isoformat() if data.date_to else None
        self._window = slice(
            data.user_offset, data.user_offset + data.max_users if data.max_users else None
        )
        self._seen: set[str] = set()
        self._of_source: set[str] = set()
        self._chosen: pa.Array | None = None

    @property
    def persons(self) -> int:
        """Return the number of persons in the window, of those seen so far."""
        return len(range(len(self._seen))[self._window])

    @property
    def user_ids(self) -> list[str]:
        """Return the persons in the window, ascending. Call it once all sources are read."""
        return sorted(self._seen)[self._window]

    @property
    def windowed(self) -> bool:
        return self._window != slice(0, None)

    def of_rows(self, measurements: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        """Return the rows that the list and the range of days select, and counts of the others."""
        excluded = {}
        if self._listed is not None:
            listed = pc.is_in(measurements["user_id"].cast(pa.string()), self._listed)
            measurements, excluded[NOT_LISTED] = _split(measurements, listed)
        if self._from or self._to:
            day = pc.utf8_slice_codeunits(measurements["wall"], 0, 10)
            inside = pc.and_(
                pc.greater_equal(day, self._from or ""), pc.less_equal(day, self._to or "9999")
            )
            measurements, excluded[OUTSIDE_DATES] = _split(measurements, inside)
        for chunk in measurements["user_id"].chunks:
            self._of_source.update(pc.unique(chunk).to_pylist())
        return measurements, {reason: count for reason, count in excluded.items() if count}

    def of_listed(self, rows: pa.Table) -> pa.Table:
        """Return the rows of persons in the list."""
        if self._listed is None:
            return rows
        return rows.filter(pc.is_in(rows["user_id"], self._listed))

    def end_of_source(self, usable: bool) -> None:
        """Count the persons of a source towards the window, unless the source was refused."""
        if usable:
            self._seen |= self._of_source
        self._of_source.clear()

    def of_persons(self, measurements: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Return the rows of persons inside the window, and the others. Call it at the end."""
        if not self.windowed:
            return measurements, measurements.slice(0, 0)
        if self._chosen is None:
            self._chosen = pa.array(self.user_ids, pa.string())
        inside = pc.is_in(measurements["user_id"].cast(pa.string()), self._chosen)
        return measurements.filter(inside), measurements.filter(pc.invert(inside))


def _split(measurements: pa.Table, inside: pa.ChunkedArray) -> tuple[pa.Table, int]:
    kept = measurements.filter(inside)
    return kept, len(measurements) - len(kept)


def _read_ids(path: Path) -> pa.Array:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.users_file {path} cannot be read ({error})") from None
    return pa.array([line.strip() for line in lines if line.strip()], pa.string())
