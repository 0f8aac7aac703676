"""Goals of persons, from a table."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from pathlib import Path

from weightstream.errors import ConfigError

LEAST_KG, MOST_KG = 1.0, 700.0
COLUMNS = ("user_id", "kg", "by")


@dataclass(frozen=True)
class Goal:
    """A goal in kg, and its day (YYYY-MM-DD), or None."""

    kg: float
    by: str | None = None


def read_goals(path: Path | None) -> Mapping[str, Goal]:
    """Read a CSV file with the columns user_id, kg and by (a date or empty). Raises ConfigError."""
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            table = csv.DictReader(handle)
            if not set(COLUMNS) <= set(table.fieldnames or ()):
                raise ConfigError(
                    f"{path}, line 1: visualization.goals_file needs the columns "
                    f"{', '.join(COLUMNS)}"
                )
            return {row["user_id"]: _goal(row, f"{path}, line {table.line_num}") for row in table}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: visualization.goals_file cannot be read ({error})") from None


def _goal(row: Mapping[str, str | None], where: str) -> Goal:
    kg, by = (row["kg"] or "").strip(), (row["by"] or "").strip()
    try:
        amount = float(kg)
    except ValueError:
        amount = float("nan")
    if not (isfinite(amount) and LEAST_KG <= amount <= MOST_KG):
        raise ConfigError(f"{where}: {kg!r} is not a goal; write kg, {LEAST_KG:g} to {MOST_KG:g}")
    try:
        return Goal(amount, date.fromisoformat(by).isoformat() if by else None)
    except ValueError:
        raise ConfigError(f"{where}: {by!r} is not a date; write YYYY-MM-DD, or nothing") from None
