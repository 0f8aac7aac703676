"""The import report: counts, units, times and the first quarantined rows of each source.

The full report, with cells of the files, goes only to a terminal or to a file that a user asks for.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.atomic_files import appearing
from weightstream.errors import ConfigError, plain
from weightstream.readers.block import Unread

EXAMPLES = 3
"""The number of quarantined rows that are shown for each file and reason."""
UNREAD_TOLD = 5
"""The number of unread files that are named on a terminal."""
FILES_SHOWN = 20
"""The number of files that are reported one by one on a terminal."""
TIMES = ("with an offset", "without an offset", "a date alone")
"""How a time is written."""

_START = b'{\n "files": ['
_OFFSET = r"[+-][0-9]{2}:[0-9]{2}$"
_CELLS = ("user_id", "time", "source", "weight", "unit")


def units_of(measurements: pa.Table, unit_from: str) -> dict[tuple[str, str], int]:
    """Return the rows of schema.MEASUREMENT by canonical unit and what stated it."""
    counts = pc.value_counts(measurements["unit"].combine_chunks().cast(pa.string()))
    return {(row["values"], unit_from): row["counts"] for row in counts.to_pylist()}


def times_of(measurements: pa.Table) -> dict[str, int]:
    """Return the rows of schema.MEASUREMENT by TIMES."""
    wall = measurements["wall"].combine_chunks()
    dates = int(np.isnan(measurements["hour"].to_numpy()).sum())
    instants = pc.sum(pc.ends_with(wall, "Z")).as_py() or 0
    if instants + dates < len(wall):
        instants += pc.sum(pc.match_substring_regex(wall, _OFFSET)).as_py() or 0
    return dict(zip(TIMES, (instants, len(wall) - instants - dates, dates), strict=True))


@dataclass
class Findings:
    """The import report of one file, except its counts.

    shared_ids: by source, new readings whose record id is that of readings at several other times.
    others: records of other kinds, by the name of their kind. unread: members that are not read.
    columns: the names of the columns that hold each role. notes: sentences on how the file was
    understood. unused_births: rows whose birth date is not used. clocks: readings by the time of
    day that counts as unknown. refused: why none of its rows count.
    """

    units: Counter[tuple[str, str]] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    shared_ids: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    unread: list[Unread] = field(default_factory=list)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unused_births: int = 0
    clocks: Counter[str] = field(default_factory=Counter)
    refused: str | None = None

    def add(
        self,
        units: Mapping[tuple[str, str], int],
        times: Mapping[str, int],
        quarantine: pa.Table,
    ) -> None:
        """Count the next rows of the file. quarantine: schema.QUARANTINE."""
        self.units.update(units)
        self.times.update(times)
        for reason in pc.unique(quarantine["reason"]).to_pylist():
            rows = quarantine.filter(pc.equal(quarantine["reason"], reason))
            self.reasons[reason] += len(rows)
            shown = self.examples.setdefault(reason, [])
            shown += rows.select(["line", "detail", *_CELLS])[: EXAMPLES - len(shown)].to_pylist()

    def add_others(self, others: Mapping[str, int], unread: Sequence[Unread]) -> None:
        """Count the records of a file that are not weighings, and keep the members not read."""
        self.others.update(others)
        self.unread += unread

    def add_choices(self, columns: Mapping[str, tuple[str, ...]], notes: Sequence[str]) -> None:
        """Keep the chosen columns; of a zip file, those of its first table."""
        self.columns = self.columns or dict(columns)
        self.notes += [note for note in notes if note not in self.notes]

    def refuse(self, sentence: str) -> None:
        """Mark the file as refused."""
        self.units, self.times, self.reasons = Counter(), Counter(), Counter()
        self.examples, self.others, self.unread, self.refused = {}, Counter(), [], sentence
        self.columns, self.notes, self.unused_births = {}, [], 0

    def as_json(self, timezone: str, zone_from: str) -> dict[str, Any]:
        """timezone: the zone of times without an offset; zone_from: what set it."""
        return {
            "units": [
                {"unit": unit, "rows": rows, "because": because}
                for (unit, because), rows in sorted(self.units.items())
            ],
            "times": [
                {"written": written, "rows": self.times[written]}
                | ({"timezone": timezone, "because": zone_from} if written != TIMES[0] else {})
                for written in TIMES
                if self.times[written]
            ],
            "quarantined": {
                reason: {"rows": rows, "examples": self.examples[reason]}
                for reason, rows in sorted(self.reasons.items())
            },
            "shared_ids": [
                {"source": source, "rows": rows} for source, rows in self.shared_ids.most_common()
            ],
            "others": dict(self.others.most_common()),
            "unread": [asdict(one) for one in self.unread],
            "columns": {role: list(names) for role, names in self.columns.items()},
            "notes": list(self.notes),
            "unused_births": self.unused_births,
            "clocks": dict(self.clocks.most_common()),
            "refused": self.refused,
        }


def check_report(path: Path, sources: Sequence[Path]) -> None:
    """Raise ConfigError if the report cannot be written there, or would overwrite another file."""
    place = Path(os.path.realpath(path))
    if place in {Path(os.path.realpath(source)) for source in sources}:
        raise ConfigError(f"{path} is one of the sources; name another file for the report")
    start = b""
    try:
        os.stat(os.path.join(place.parent, ""))  # with a slash: that it is a folder
        if place.is_file():
            with place.open("rb") as file:
                start = file.read(len(_START))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    if start not in (b"", _START):
        raise ConfigError(f"{path} is not an earlier report; name another file for the report")


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report, readable only by its owner since it has cells. Raises ConfigError."""
    with appearing(path) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")


def first_quarantined(findings: Sequence[Findings], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the examples of all files as file, line and reason, without any content."""
    return [
        {"file": name, "line": example["line"], "reason": reason}
        for name, found in zip(names, findings, strict=True)
        for reason, examples in sorted(found.examples.items())
        for example in examples
    ]


def to_text(report: Mapping[str, Any], with_cells: bool) -> str:
    """Return the report as text. with_cells: quote the cells of quarantined rows."""
    files, contradictory = report["files"], report["contradictory"]
    lines = [line for file in files[:FILES_SHOWN] for line in _file_told(file, with_cells)]
    if len(files) > FILES_SHOWN:
        lines.append(
            f"and {len(files) - FILES_SHOWN:,} more files; --json-report FILE has them all"
        )
    lines += (contradictory_text(what, persons) for what, persons in contradictory.items())
    return "\n".join(map(plain, lines))  # files are called as others call them


def contradictory_text(what: str, persons: int) -> str:
    """Return a sentence on persons of whom sources state different things.

    what: birth_date or sex.
    """
    many = {"birth_date": "birth dates", "sex": "sexes"}[what]
    return f"{many} contradict each other for {persons:,} persons, so none is used for them"


def _file_told(file: Mapping[str, Any], with_cells: bool) -> Iterator[str]:
    counts = ", ".join(f"{file[name]:,} {name}" for name in ("duplicates", "excluded", "skipped"))
    yield f"{file['file']} ({file['format']}): {file['rows_in']:,} rows, {counts}"
    if file["refused"]:
        yield "  refused: none of its rows count"
        return
    if file["columns"]:
        chosen = (f"{role} = {_names(names)}" for role, names in file["columns"].items())
        yield f"  columns: {', '.join(chosen)}"
    yield from (f"  {note}" for note in [*file["notes"], *_births_told(file["unused_births"])])
    if file["units"]:
        said = (f"{one['rows']:,} {one['unit']} ({one['because']})" for one in file["units"])
        yield f"  unit: {', '.join(said)}"
    if file["times"]:
        yield f"  times: {', '.join(map(_time_told, file['times']))}"
    for clock, rows in file["clocks"].items():
        yield (
            f"  {rows:,} times of {clock} count as dates without a time: it appears day after "
            "day, as it does if nobody knows the time of day"
        )
    for reason, found in file["quarantined"].items():
        lines = ", ".join(str(example["line"]) for example in found["examples"])
        more = ", ..." if found["rows"] > len(found["examples"]) else ""
        yield f"  quarantined as {reason}: {found['rows']:,} (line {lines}{more})"
        for example in found["examples"] if with_cells else ():
            cells = "; ".join(f"{name} {example[name]!r}" for name in _CELLS if example[name])
            yield f"    line {example['line']}: {example['detail']} ({_cut(cells)})"
    if file["others"]:
        kinds = (f"{rows:,} {_cut(kind)}" for kind, rows in file["others"].items())
        yield f"  no weighings: {', '.join(kinds)}"
    yield from (f"  {line}" for line in unread_text([Unread(**one) for one in file["unread"]]))
    for shared in file["shared_ids"]:
        source = f"the source {_cut(shared['source'])!r}" if with_cells else "a source"
        yield f"  {shared_ids_text(source, shared['rows'])}"


def _births_told(rows: int) -> Iterator[str]:
    if rows:
        yield (
            f"{rows:,} rows have a birth date that is not used: it is no whole date, may mean "
            "several, or is before 1850 or in the future"
        )


def _names(names: Sequence[str]) -> str:
    return " and ".join(repr(_cut(plain(name))) for name in names)


def left_out(unread: Sequence[Unread]) -> list[Unread]:
    """Return those that may hold weighings; a run with any exits with 1, unless ignored."""
    return [one for one in unread if not one.known]


def unread_text(unread: Sequence[Unread]) -> Iterator[str]:
    """Yield sentences on files or members that are not read: the first ones, and a count."""
    unknown = left_out(unread)
    yield from (f"not read: {one.sentence}" for one in unknown[:UNREAD_TOLD])
    if len(unknown) > UNREAD_TOLD:
        yield f"not read: {len(unknown) - UNREAD_TOLD:,} more files; --json-report FILE names them"
    if len(unknown) < len(unread):
        names = [one.name for one in unread if one.known]
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield f"ignored, since such files hold no weighings: {names[0]}{more}"


def shared_ids_text(who: str, rows: int) -> str:
    """Return a sentence on `rows` readings that share a record id. who: the source."""
    return (
        f"{who} gives one record id to readings of a person at several times ({rows:,} readings), "
        "so each replaces the one before; if they are separate readings, give them other ids or "
        "none (data.columns.record_id = []) and read the file again"
    )


def _time_told(times: Mapping[str, Any]) -> str:
    zone = f" in {times['timezone']} ({times['because']})" if "timezone" in times else ""
    return f"{times['rows']:,} {times['written']}{zone}"


def _cut(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"
