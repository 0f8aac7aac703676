"""Overrides and parameters from files, for judging without a store."""

from pathlib import Path

import pyarrow as pa

from weightstream.engine.model import Parameters
from weightstream.errors import ConfigError
from weightstream.judging.parameters import from_json
from weightstream.judging.stored import OVERRIDES
from weightstream.store.overriding import parse_overrides

OVERRIDES_BY = OVERRIDES.append(pa.field("by", pa.string()))
"""stored.OVERRIDES and who decided."""


def read_overrides(path: Path) -> pa.Table:
    """OVERRIDES_BY of a CSV file as `weightstream override --csv` takes it; the last line on a
    measurement counts.

    Raises ConfigError if the file cannot be used, and where a line cannot be followed: what a
    person decided is not to be lost in silence.
    """
    requests, faults = parse_overrides(path)
    faults += [
        f"{request.place}assign moves a reading to another person's series, which needs a store; "
        "use `weightstream ingest` and `weightstream override`"
        for request in requests
        if request.action == "assign"
    ]
    if faults:
        raise ConfigError(f"{path}: {'; '.join(faults[:3])}")
    last = {request.measurement_id: request for request in requests}
    rows = [
        # Not assigned to another person: received for and counted as the same one.
        {
            "user_id": "",
            "assigned_to": "",
            "measurement_id": name,
            "action": one.action,
            "by": one.by,
        }
        for name, one in last.items()
        if one.action != "withdraw"
    ]
    return pa.Table.from_pylist(rows, OVERRIDES_BY)


def read_parameters(path: Path) -> Parameters:
    """The set in a file that `weightstream learn` wrote. Raises ConfigError."""
    try:
        return from_json(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path} is no set of parameters of this version; make one with "
            "`weightstream learn FILE... -o params.json`"
        ) from None
