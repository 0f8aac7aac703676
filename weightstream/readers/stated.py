"""Options on sources, from a command or the parameters of a flow."""

from collections.abc import Iterable
from typing import Any

from weightstream.config import Columns
from weightstream.errors import ConfigError
from weightstream.readers.block import ReadOptions


def read_options(columns: Columns, column: Iterable[str] = (), **stated: Any) -> ReadOptions:
    """Return ReadOptions from the stated format, user, unit, timezone, dates and decimal.

    columns: as configured. column: ROLE=NAME each, the column that holds a role.
    Raises ConfigError for a column that is written in another way.
    """
    named = {}
    for text in column:
        role, equals, name = text.partition("=")
        if not (equals and role.strip() and name.strip()):
            raise ConfigError(
                f"--column takes ROLE=NAME, such as weight='Scale weight (kg)', not {text!r}"
            )
        named[role.strip()] = name.strip()
    return ReadOptions(columns=columns, named=named, **stated)
