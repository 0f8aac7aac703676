"""Some of the rows because of which a check of data quality failed."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from weightstream.judging.decisions import MOVED
from weightstream.judging.explanation import EXPLAINED_BY, explain
from weightstream.outputs.checks import INGEST
from weightstream.outputs.quality import COPY_REASONS, WITHDRAWN
from weightstream.store.tallies import HALF_OF_50, HAS_DAY
from weightstream.store.verifying import verify_persons

ROWS = 50
"""The rows that are shown of a check."""
Check = Mapping[str, Any]
"""A failed check, as checks.as_json gives it."""


class FailingRow(NamedTuple):
    """user_id, measurement_id: empty where the row is in quarantine. received: weight and unit."""

    user_id: str
    measurement_id: str
    at: str
    received: str
    said: str
    file: str
    line: int


_NO_ERRORS = ", ".join(f"'{name}'" for name in (*COPY_REASONS, *WITHDRAWN))
_ERRORS = f"d.verdict in ('rejected', '{MOVED}') and d.reason not in ({_NO_ERRORS})"
_OUTSIDE = "d.verdict = 'accepted' and abs(m.weight_kg - d.expected_kg) > "
WHICH = {
    "max_rejected": _ERRORS,
    "max_rise.rejected": _ERRORS,
    "coverage_95_tolerance": f"{_OUTSIDE}d.expected_margin_kg",
    "coverage_50_tolerance": f"{_OUTSIDE}d.expected_margin_kg * {HALF_OF_50}",
    "max_difference_kg": f"{_OUTSIDE}:limit and (m.weight_kg > d.expected_kg) = (:observed > 0)",
    "max_drift_kg": f"{_OUTSIDE}:limit and (m.weight_kg > d.expected_kg) = (:observed > 0)",
}
"""By metric, SQL that chooses among readings of the source."""
_ALL = "select * from measurements where source = :source and effective_at >= :since"
_NEWEST = (
    f"select * from measurements where source = :source order by effective_at desc limit {ROWS}"  # noqa: S608
)
_OWN = {
    "weight_kg": "m.weight_kg",
    "expected_lo_kg": "d.expected_kg - d.expected_margin_kg",
    "expected_hi_kg": "d.expected_kg + d.expected_margin_kg",
}
_EXPLAINED = ", ".join(_OWN.get(name, f"d.{name}") for name in EXPLAINED_BY)
READINGS = f"""
select m.user_id, m.measurement_id, m.effective_at, m.raw_weight, m.raw_unit, f.name, m.line,
  d.verdict, {_EXPLAINED}
from ({{readings}}) m
join decisions d on d.user_id = m.user_id and d.effective_at = m.effective_at
  and d.measurement_id = m.measurement_id and d.version = (
    select max(version) from decisions v
    where v.user_id = m.user_id and v.effective_at = m.effective_at
      and v.measurement_id = m.measurement_id
  )
join files f on f.id = m.file
where {{which}} limit {ROWS}
"""  # noqa: S608
QUARANTINED = f"""
select coalesce(time, ''), coalesce(weight, ''), coalesce(unit, ''), coalesce(file, ''), line,
  reason, coalesce(detail, '')
from quarantine
where case when :run is not null
    then file_id in (select id from files where last_run = :run)
    else :source = coalesce(nullif(trim(source), ''), 'unknown')
      and (:since = '' or ({HAS_DAY} and substr(time, 1, 10) >= :since
        and date(substr(time, 1, 10), '-6 days', 'weekday 1') in (
          select value from json_each(:weeks)))) end
order by rowid desc limit {ROWS}
"""  # noqa: S608
NEWEST_INGEST = "select max(id) from runs where kind = 'ingest' and rows_in > 0"


def failing_rows(
    connection: sqlite3.Connection, check: Check, checked_since: str | None, weeks: Iterable[str]
) -> list[FailingRow]:
    """Return at most ROWS of the rows that made a check fail; none where no single row does.

    checked_since: first day of the checked weeks. weeks: Mondays of the weeks that have rows; a
    quarantined row of another week is not checked. Raises StoreError for damaged rows.
    """
    since = check["since"] or checked_since or ""
    if check["metric"].endswith("quarantined"):
        return list(_quarantined(connection, check, since, weeks))
    if check["metric"].startswith("coverage") and check["observed"] > check["baseline"]:
        return []  # the intervals are too wide
    named = {name: check[name] for name in ("source", "limit", "observed")} | {"since": since}
    if which := WHICH.get(check["metric"]):
        query = READINGS.format(readings=_ALL, which=which)
    else:  # of what no longer comes, the newest; chosen before they are joined
        query = READINGS.format(readings=_NEWEST, which="1 order by m.effective_at desc")
    found = connection.execute(query, named).fetchall()
    verify_persons(connection, sorted({row[0] for row in found}))
    return [_reading(*row) for row in found]


def _reading(
    user: str, name: str, at: str, kg: str, unit: str, file: str, line: int, *told: Any
) -> FailingRow:
    verdict, said = told[0], explain(*told[1:])
    low, high = told[3:5]
    if not said and low is not None:
        said = f"expected {low:.1f}-{high:.1f} kg"
    said = f"{verdict}: {said}" if said else verdict
    return FailingRow(user, name, at, f"{kg} {unit}", said, file, line)


def _quarantined(
    connection: sqlite3.Connection, check: Check, since: str, weeks: Iterable[str]
) -> Iterator[FailingRow]:
    named: dict[str, Any] = {"source": check["source"], "run": None, "since": since}
    named["weeks"] = orjson.dumps(sorted(weeks)).decode()
    if check["source"] == INGEST:
        # By file: rows of a file that was read again keep the run that first stored them.
        ((named["run"],),) = connection.execute(NEWEST_INGEST)
    for time, kg, unit, file, line, reason, detail in connection.execute(QUARANTINED, named):
        said = f"{reason}: {detail}" if detail else reason
        yield FailingRow("", "", time, f"{kg} {unit}", said, file, line)
