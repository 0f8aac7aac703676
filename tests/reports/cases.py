"""The cases of cases.toml: run for tests, rendered for docs/my-file.md."""

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from weightstream import schema
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.intake.unknown_clocks import ClockTally, as_dates
from weightstream.readers import ReadOptions

STARTED = "2030-01-01"
INTRODUCTION = """# My file: what people's files look like, and what becomes of them

Find the entry that looks like your file. Each shows a small file, the options that it was read
with, and the result: the measurements that were found, the rows that were quarantined, and what the
report says. Each is also a test (`tests/reports/cases.toml`, from which this page is made).
"""


@dataclass(frozen=True)
class Case:
    """One situation. See the top of cases.toml for its fields."""

    topic: str
    title: str
    file: str
    options: dict[str, Any] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    count: int | None = None
    quarantined: list[str] = field(default_factory=list)
    refused: str | None = None
    notes: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of a file. rows: person, time, amount and unit. quarantined: line and detail."""

    rows: list[str] = field(default_factory=list)
    quarantined: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)
    measurements: pa.Table = field(default_factory=schema.MEASUREMENT.empty_table)


def cases() -> list[Case]:
    content = tomllib.loads(Path(__file__).with_name("cases.toml").read_text("utf-8"))
    return [Case(**case) for case in content["case"]]


def outcome_of(path: Path, **options: Any) -> Outcome:
    """Read and clean a file. Raises InputError if it is refused."""
    started = datetime.fromisoformat(options.pop("started", STARTED)).replace(tzinfo=UTC)
    rules = Rules(started, options.get("timezone") or "UTC")
    parts = list(read_clean(path, ReadOptions(**options), rules, 0, threads=1))
    found, tally = Outcome(), ClockTally()
    for part in parts:
        tally.add(part.measurements, rules.timezone)
        found.notes += [note for note in part.notes if note not in found.notes]
        for kind, count in part.others.items():
            found.others[kind] = found.others.get(kind, 0) + count
    read = [schema.MEASUREMENT.empty_table(), *(part.measurements for part in parts)]
    measurements = pa.concat_tables(read).unify_dictionaries().combine_chunks()
    found.measurements, lost = as_dates(measurements, tally, rules.timezone)
    found.clocks = {clock: count for (_, clock), count in lost.items()}
    found.rows = [
        f"{row['user_id']} {row['wall']} {row['amount']} {row['unit']}"
        for row in found.measurements.to_pylist()
    ]
    found.quarantined = [
        (row["line"], row["detail"]) for part in parts for row in part.quarantine.to_pylist()
    ]
    return found


def render(all_cases: list[Case]) -> str:
    """The page docs/my-file.md."""
    parts = [INTRODUCTION]
    for topic, some in groupby(all_cases, lambda case: case.topic):
        parts.append(f"## {topic}\n")
        parts += map(_entry, some)
    return "\n".join(parts)


def _entry(case: Case) -> str:
    lines = [f"### {case.title}\n", "```text", case.file.strip("\n"), "```\n"]
    if case.options:
        lines.append(f"Options: `{_written(case.options)}`\n")
    if case.refused:
        lines.append(f"Refused: {case.refused}\n")
    shown = case.rows or ([f"{case.count} weighings"] if case.count else [])
    lines += [f"- `{row}`" for row in shown]
    lines += [f"- quarantined, line {one.replace(' ', ': ', 1)}" for one in case.quarantined]
    lines += [f"- reported: {note}" for note in case.notes]
    lines += [f"- skipped: {count} × {kind}" for kind, count in case.others.items()]
    for clock, count in case.clocks.items():
        lines.append(f"- reported: {count} times of {clock} are dates alone")
    return "\n".join([*lines, ""])


def _written(options: dict[str, Any]) -> str:
    named = options.get("named", {})
    others = {name: value for name, value in options.items() if name not in ("named", "started")}
    words = [f"--{name} {value}" for name, value in others.items()]
    return " ".join([*words, *(f'--column {role}="{name}"' for role, name in named.items())])
