"""Read sources into clean measurements, partitioned by person, and count every other row."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.config import Data, required_timezone
from weightstream.demographics import Statements, contradictions
from weightstream.errors import ConfigError, InputError
from weightstream.intake.cleaning import Rules, read_clean, required_person
from weightstream.intake.file_counts import FileCounts
from weightstream.intake.import_report import Findings
from weightstream.intake.partition import ROWS_PER_TASK, Partition, Partitions, Spool, plan
from weightstream.intake.rereading import Check, accept
from weightstream.intake.selection import ERASED, OUTSIDE_WINDOW, Selection
from weightstream.intake.unknown_clocks import ClockTally, as_dates
from weightstream.parsing.times import parse_times
from weightstream.parsing.units import required_unit
from weightstream.readers import (
    FORMATS,
    Folder,
    ReadOptions,
    Unread,
    look_into,
    parses,
    recognise,
)
from weightstream.readers.archives import check_zip, try_start
from weightstream.readers.formats import NAMES_PERSONS, TABLES
from weightstream.readers.remote import RemotePath, files_at
from weightstream.readers.source import CHECKED_BYTES, is_zip, reading
from weightstream.readers.table import check_roles
from weightstream.schema import MEASUREMENT, RETRACTION

QUARANTINE_ROWS_HELD = 100_000


@dataclass
class Intake:
    """The rows of all sources. findings: the import report of each file.

    timezone: of dates without a time. contradictory: by demographics.STATED, the persons of whom
    sources, and a store, state different things. refused: a sentence for each source that cannot be
    used.
    """

    partitions: Partitions
    quarantine: Spool
    selection: Selection
    timezone: str = "UTC"
    clocks: ClockTally = field(default_factory=ClockTally)
    files: list[FileCounts] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    retractions: list[pa.Table] = field(default_factory=list)
    demographics: Statements = field(default_factory=Statements)
    contradictory: Counter[str] = field(default_factory=Counter)
    refused: dict[Path, str] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        return sum(file.rows_in for file in self.files)

    @property
    def unread(self) -> list[Unread]:
        """Return members of zip files that were not read; `look_up` returns those of folders."""
        return [one for found in self.findings for one in found.unread]

    def parts(self, width: int, users_per_task: int) -> Iterator[Partition]:
        """Yield batches of whole persons, partition by partition, and count those not selected.

        Retractions and demographics come with their person's measurements, or after all others.
        """
        left = self._usable(pa.concat_tables([RETRACTION.empty_table(), *self.retractions]))
        left, _ = self.selection.of_persons(left)
        known, _ = self.selection.of_persons(self.demographics.merged())
        self.contradictory.update(contradictions(known))
        for table in self.partitions.tables():
            chosen, others = self.selection.of_persons(self._usable(table))
            chosen = self._without_unknown_clocks(chosen)
            counts = np.bincount(others["file"].to_numpy(), minlength=len(self.files))
            for file, count in zip(self.files, counts.tolist(), strict=True):
                file.exclude(OUTSIDE_WINDOW, count)
            for part in plan(chosen, width, users_per_task) if len(chosen) else ():
                persons = part.persons() if len(left) or len(known) else None
                own, left = _of_persons(left, persons)
                theirs, known = _of_persons(known, persons)
                yield replace(part, retractions=own, demographics=theirs)
        nobody = Partition(MEASUREMENT.empty_table(), np.zeros(0, np.int64))
        if len(left):
            theirs, known = _of_persons(known, pc.unique(left["user_id"]))
            yield replace(nobody, retractions=left, demographics=theirs)
        for start in range(0, len(known), ROWS_PER_TASK):
            yield replace(nobody, demographics=known.slice(start, ROWS_PER_TASK))

    def _without_unknown_clocks(self, table: pa.Table) -> pa.Table:
        table, lost = as_dates(table, self.clocks, self.timezone)
        for (file, clock), rows in lost.items():
            self.findings[file].clocks[clock] += rows
        return table

    def quarantined(self) -> Iterator[pa.Table]:
        yield from map(self._usable, self.quarantine.tables())

    def _usable(self, table: pa.Table) -> pa.Table:
        """Drop the rows of a file that were read before it turned out to be unusable."""
        unusable = [number for number, file in enumerate(self.files) if file.refused]
        if not unusable:
            return table
        return table.filter(pc.invert(pc.is_in(table["file"], pa.array(unusable, pa.int32()))))


def take_in(
    sources: Sequence[Path],
    options: ReadOptions,
    rules: Rules,
    selection: Selection,
    spill: Path,
    spill_rows: int,
    on_rows: Callable[[int], None],
    threads: int,
    users: Mapping[Path, str] = MappingProxyType({}),
    check: Check = accept,
) -> Intake:
    """Read every source once; on_rows is called with the number of rows as they are read.

    users: the person of a source, which takes precedence over the options. check: of each source.
    A source that cannot be used is refused as a whole, with a sentence; the others continue.
    """
    intake = Intake(
        Partitions(spill, spill_rows),
        Spool(spill / "quarantine.parquet", QUARANTINE_ROWS_HELD),
        selection,
        rules.timezone,
    )
    for path in sources:
        its_options = replace(options, user=users.get(path, options.user))
        try:
            with reading(path):
                before = _mark(path)
                file = FileCounts(path, named_format(path, its_options), *digest_of(path))
            check(path, file.sha256, its_options)
        except InputError as error:
            intake.refused[path] = str(error)
            continue
        intake.files.append(file)
        intake.findings.append(Findings())
        stated = Statements()
        try:
            _read(file, intake, stated, its_options, rules, on_rows, threads)
            _check_unchanged(path, before)
        except InputError as error:
            _refuse(intake, str(error))
        except (OSError, MemoryError):
            raise  # of the spill folder or the machine, not of this file
        except Exception as error:  # a file at which a reader fails must not stop the others
            _refuse(intake, f"{path} cannot be read ({type(error).__name__})")
        if isinstance(path, RemotePath):
            path.release()
        selection.end_of_source(usable=not file.refused)
        if not file.refused:
            intake.demographics.append(stated.merged())
    return intake


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes with a file's content: its inode, size and time of change."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _check_unchanged(path: Path, before: tuple[int, ...]) -> None:
    """Raise InputError if a file is another one than when its hash was taken."""
    with reading(path):
        if _mark(path) != before:
            raise InputError(
                f"{path} changed while it was read; run this again when nothing writes to it"
            )


def _refuse(intake: Intake, sentence: str) -> None:
    """Refuse the newest of the files."""
    file = intake.files[-1]
    intake.refused[file.path] = sentence
    intake.findings[-1].refuse(sentence)
    file.refuse()


def _read(
    file: FileCounts,
    intake: Intake,
    stated: Statements,
    options: ReadOptions,
    rules: Rules,
    on_rows: Callable[[int], None],
    threads: int,
) -> None:
    """Read the newest of the files. stated: takes what it states about persons."""
    number = len(intake.files) - 1
    for everyone in read_clean(file.path, options, rules, number, threads):
        file.rows_in += everyone.rows
        cleaned = intake.selection.tombstones.without_erased(everyone)
        file.exclude(ERASED, everyone.rows - cleaned.rows)
        file.quarantined += len(cleaned.quarantine)
        file.skipped += cleaned.skipped
        findings = intake.findings[number]
        findings.add(cleaned.units, cleaned.times, cleaned.quarantine)
        findings.add_others(cleaned.others, cleaned.unread)
        findings.add_choices(cleaned.columns, cleaned.notes)
        file.exclude("retracted", len(cleaned.retractions))
        if len(cleaned.retractions):
            intake.retractions.append(intake.selection.of_listed(cleaned.retractions))
        findings.unused_births += cleaned.unused_births
        if len(cleaned.demographics):
            stated.append(intake.selection.of_listed(cleaned.demographics))
        measurements = cleaned.measurements
        if options.timezone not in (None, rules.timezone):
            measurements = dates_at_noon(measurements, rules.timezone)
        kept, excluded = intake.selection.of_rows(measurements)
        for reason, count in excluded.items():
            file.exclude(reason, count)
        if len(kept):
            intake.clocks.add(kept, rules.timezone)
            intake.partitions.append(kept)
        if len(cleaned.quarantine):
            intake.quarantine.append(cleaned.quarantine)
        on_rows(everyone.rows)


def _of_persons(rows: pa.Table, persons: pa.Array | None) -> tuple[pa.Table, pa.Table]:
    """Return the rows of some persons, and the others. persons: not looked at without rows."""
    if not len(rows):
        return rows, rows
    own = pc.is_in(rows["user_id"], persons)
    return rows.filter(own), rows.filter(pc.invert(own))


def report_of(intake: Intake, options: ReadOptions, timezone: str) -> dict[str, Any]:
    """Return the import report, once the files' counts are complete. timezone: the configured one.

    It contains cells of the files: see import_report.
    """
    zone = options.timezone or timezone, "--timezone" if options.timezone else "data.timezone"
    files = [
        {
            "file": str(file.path),
            "format": file.importer,
            "rows_in": file.rows_in,
            "duplicates": file.duplicates,
            "excluded": sum(file.excluded.values()),
            "excluded_reasons": file.excluded,
            "skipped": file.skipped,
        }
        | found.as_json(*zone)
        for file, found in zip(intake.files, intake.findings, strict=True)
    ]
    return {
        "files": files,
        "refused": list(intake.refused.values()),
        "contradictory": dict(intake.contradictory),
    }


def dates_at_noon(measurements: pa.Table, timezone: str) -> pa.Table:
    """Put dates without a time at 12:00 of the store's timezone, as when they are read back."""
    dates = np.isnan(measurements["hour"].to_numpy())
    time_us = measurements["time_us"].to_numpy().copy()
    texts = measurements["effective_at"].filter(pa.array(dates)).combine_chunks()
    time_us[dates] = parse_times(texts, timezone, None).us
    at = measurements.schema.get_field_index("time_us")
    return measurements.set_column(at, measurements.schema.field(at), pa.array(time_us))


def digest_of(path: Path) -> tuple[str, int]:
    """Return SHA-256 and size of a file's bytes on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        return digest.hexdigest(), stream.tell()


def named_format(path: Path, options: ReadOptions) -> str:
    """Return the format that an option names, or that the content shows. Raises InputError."""
    return recognise(path) if options.format == "auto" else options.format


def files_of(sources: Sequence[str]) -> list[Path]:
    """Return the files that paths, patterns and URLs name: see `look_up`."""
    return look_up(sources).files


def look_up(sources: Sequence[str]) -> Folder:
    """Return the files that sources name; of a folder, those in a known format, and the rest.

    A folder without any is returned itself, to be refused like a file that cannot be used.
    Raises InputError for an empty name, which would mean the working directory.
    """
    if not all(source.strip() for source in sources):
        raise InputError("the name of a source is empty; name a file or a folder")
    files: list[Path] = []
    unread: list[Unread] = []
    for path in (path for source in sources for path in files_at(source)):
        local = not isinstance(path, RemotePath)  # else to look at it is to fetch it
        folder = look_into(path) if local and path.is_dir() else Folder([], [])
        files += folder.files or [path]
        unread += folder.unread
    return Folder(files, unread)


def check_sources(sources: Sequence[Path], options: ReadOptions, data: Data) -> None:
    """Raise InputError, with every source's sentence, if none can be used.

    Raises ConfigError as check_options does. It reads only the start of each file, so it can run
    before anything is started. It finds a missing --user, a column that is missing or ambiguous, a
    file that cannot be read.
    """
    check_options(options, data)
    refused = []
    for path in sources:
        try:
            check_source(path, options)
        except InputError as error:
            refused.append(str(error))
        else:
            return
    raise InputError("; ".join(refused) or "no source was named")


def check_source(path: Path, options: ReadOptions) -> None:
    """Raise InputError if the start of a file shows that it cannot be used."""
    if is_zip(path):
        check_zip(path, options)
        return
    file_format = named_format(path, options)
    needs_user = file_format not in NAMES_PERSONS and options.user is None
    if file_format not in TABLES and not needs_user and path.stat().st_size > CHECKED_BYTES:
        return  # a document would have to be parsed as a whole
    try_start(parses(path, options))


def check_options(options: ReadOptions, data: Data) -> None:
    """Raise ConfigError for a wrong format, person, unit, timezone, role or list of persons."""
    if options.format not in ("auto", *FORMATS):
        raise ConfigError(f"{options.format!r} is not a format; choose one of {', '.join(FORMATS)}")
    if options.user is not None:
        required_person(options.user)
    if options.unit is not None:
        required_unit(options.unit)
    if options.timezone is not None:
        required_timezone(options.timezone)
    check_roles(options.named)
    Selection(data)
