"""Overrides and parameters from files, for judging without a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from weightstream.engine.model import PRIOR, Parameters
from weightstream.errors import ConfigError
from weightstream.judging.parameters import load
from weightstream.judging.stored import OVERRIDES

if TYPE_CHECKING:
    from weightstream.store.overriding import OverrideRequest

OVERRIDES_BY = OVERRIDES.append(pa.field("by", pa.string()))
"""stored.OVERRIDES, and who decided."""


def parameters_from(given: Parameters | str | Path | None) -> Parameters:
    """Return parameters from a set, from a file, or prior-1 for None. Raises ConfigError."""
    if given is None:
        return PRIOR
    return given if isinstance(given, Parameters) else load(Path(given))


def overrides_from(given: Any) -> pa.Table | None:
    """Return OVERRIDES_BY of a CSV file, or of a frame. Raises ConfigError, InputError."""
    if given is None:
        return None
    if isinstance(given, str | Path):
        return read_overrides(Path(given))
    from weightstream.frame_kinds import Native  # brings narwhals

    return overrides_of(Native(given).to_arrow())


def read_overrides(path: Path) -> pa.Table:
    """Read OVERRIDES_BY from a CSV file as for `weightstream override --csv`.

    The last line on a measurement counts. Raises ConfigError if the file or a line cannot be used:
    a reviewer's decision must not be lost silently.
    """
    from weightstream.store.overriding import parse_overrides  # brings the store's libraries

    requests, faults = parse_overrides(path)
    return _last_words(requests, faults, str(path))


def overrides_of(table: pa.Table) -> pa.Table:
    """Return OVERRIDES_BY of a table with the same columns. Raises ConfigError."""
    from weightstream.store.overriding import NEEDED, OverrideRequest, fault_of

    if missing := [name for name in NEEDED if name not in table.column_names]:
        raise ConfigError(f"the overrides have no column {' and no '.join(missing)}")
    requests, faults = [], []
    for number, row in enumerate(table.to_pylist()):
        cells = {name: str(value).strip() for name, value in row.items() if value is not None}
        request = OverrideRequest(
            cells.get("measurement_id", ""),
            cells.get("action", "").lower(),
            cells.get("user") or None,
            cells.get("by", ""),
            cells.get("note") or None,
            f"row {number}: ",
        )
        if fault := fault_of(request):
            faults.append(f"{request.place}{fault}")
        requests.append(request)
    return _last_words(requests, faults, "the overrides")


def _last_words(requests: "list[OverrideRequest]", faults: list[str], where: str) -> pa.Table:
    """Return OVERRIDES_BY of each measurement's last request, except withdrawals."""
    faults += [
        f"{request.place}assign moves a reading to another person and needs a store; "
        "use `weightstream ingest` and `weightstream override`"
        for request in requests
        if request.action == "assign"
    ]
    if faults:
        raise ConfigError(f"{where}: {'; '.join(faults[:3])}")
    last = {request.measurement_id: request for request in requests}
    # Received for and counted as one person: not assigned to another.
    same = {"user_id": "", "assigned_to": ""}
    rows = [
        same | {"measurement_id": name, "action": one.action, "by": one.by}
        for name, one in last.items()
        if one.action != "withdraw"
    ]
    return pa.Table.from_pylist(rows, OVERRIDES_BY)
