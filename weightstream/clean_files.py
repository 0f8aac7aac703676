"""Judge files into files, without a store: `weightstream clean`."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.clocks import RunClock, StageClock
from weightstream.config import Config
from weightstream.engine.model import PRIOR, Parameters
from weightstream.intake.import_report import left_out
from weightstream.intake.partition import Partition, concat, plan
from weightstream.intake.sources import Intake, report_of
from weightstream.judging.causal import Judging, judging_of
from weightstream.memory import give_back, peak_rss_mb
from weightstream.outputs.exports.judged import JUDGED, judged_table
from weightstream.outputs.exports.judged_files import (
    in_user_order,
    is_dataset,
    put_in_place,
    working_folder,
    write_dataset,
    write_manifest,
    written,
)
from weightstream.outputs.exports.table_files import write_tables
from weightstream.outputs.summary import Summary
from weightstream.pipeline import Stage, judge, map_in_order, read
from weightstream.readers import ReadOptions, Unread
from weightstream.types import Ints

if TYPE_CHECKING:
    from weightstream.clean_pages import Pages

OUTCOME_OF_ROW = pa.array(["accepted", "rejected", "duplicate", "quarantined", "excluded"])
"""What pipeline.JudgedBatch calls schema.OUTCOMES."""
BELOW_MIN_READINGS = "below_min_readings"
QUARANTINED = pa.schema(
    [(f.name, pa.string() if f.name == "file" else f.type) for f in schema.QUARANTINE]
)
"""schema.QUARANTINE with the name of the file."""


@dataclass(frozen=True)
class CleanJob:
    """What to judge, and how.

    out: a file, whose ending names the format, or a folder; see judged_files.check_out. overrides:
    clean_inputs.OVERRIDES_BY, reviewers' verdicts. quarantine: a file for rows that cannot be used,
    or None; a data set has its own. pages: the folder for pages and their list, or None. unread:
    files beside the sources in no known format, which may hold weighings; None: ignore them.
    """

    files: list[Path]
    out: Path
    config: Config
    options: ReadOptions = field(default_factory=ReadOptions)
    stage: Stage = "retro"
    parameters: Parameters = PRIOR
    overrides: pa.Table | None = None
    quarantine: Path | None = None
    pages: Path | None = None
    workers: int = 2
    unread: list[Unread] | None = field(default_factory=list)


@dataclass
class CleanRun:
    """A running job: its clocks, and (files, OUTCOMES) the number of rows by file and outcome."""

    job: CleanJob
    clock: RunClock
    clocks: dict[str, StageClock] = field(
        default_factory=lambda: {
            name: StageClock() for name in ("read", "filter", "write", "dashboards")
        }
    )
    counts: Ints = field(default_factory=lambda: np.zeros((0, len(schema.OUTCOMES)), np.int64))
    users: int = 0
    overridden: int = 0
    index_rows: list[dict[str, Any]] = field(default_factory=list)
    pages: "Pages | None" = None
    index: Path | None = None
    problems: list[str] = field(default_factory=list)


def clean_files(
    job: CleanJob, on_rows: Callable[[int], None] = lambda rows: None
) -> tuple[Summary, dict[str, Any]]:
    """Judge files into one file or data set, which appears when it is complete.

    on_rows: called with the number of rows as they are read. Returns the summary and the import
    report (sources.report_of). If no source can be used, nothing is written, and the summary says
    so (exit_status 2). Raises ConfigError if `out` cannot be written.
    """
    run = CleanRun(job, RunClock())
    data = job.config.data
    give_back()
    with working_folder(job.out) as folder, written(job.out):
        run.clock.started()
        with run.clocks["read"].running():
            started = datetime.now(UTC)
            intake = read(
                job.files, job.options, data, started, folder / "spill",
                threads=job.workers, on_rows=on_rows,
            )  # fmt: skip
        run.counts = np.zeros((len(intake.files), len(schema.OUTCOMES)), np.int64)
        if len(intake.refused) < len(job.files):
            _write(run, intake, folder)
    report = report_of(intake, job.options, data.timezone)
    return _summary(run, intake), report


def _write(run: CleanRun, intake: Intake, folder: Path) -> None:
    """Judge what was read and write it; `out` appears when all of it is complete."""
    job = run.job
    names = [str(file.path) for file in intake.files]
    tables = _judged_tables(run, intake, names)
    quarantine = (named_quarantine(table, names) for table in intake.quarantined())
    unfinished = folder / f"out{job.out.suffix}"
    if job.pages is not None:
        from weightstream.clean_pages import Pages  # few ask for pages
        from weightstream.outputs.goals import read_goals
        from weightstream.outputs.watching import watchers

        run.pages = Pages(
            job.pages,
            job.config,
            judging_of(job.config, job.parameters),
            watchers(job.config.alerts),
            read_goals(job.config.visualization.goals_file),
        )
        run.pages.begin()
    with run.clocks["write"].running():
        if is_dataset(job.out):
            parts = write_dataset(unfinished, tables, [QUARANTINED.empty_table(), *quarantine])
        else:
            if intake.partitions.rows > job.config.data.spill_rows:  # persons came by partition
                tables = in_user_order(tables, intake.selection.user_ids, folder)
            write_tables(unfinished, JUDGED, tables)
        _count_files(run, intake)
        if is_dataset(job.out):
            write_manifest(unfinished, manifest(run, intake) | {"parts": parts})
        put_in_place(unfinished, job.out)
        if job.quarantine is not None:
            write_tables(job.quarantine, QUARANTINED, quarantine)
    if run.pages is not None:
        run.index = run.pages.end(run.index_rows).absolute()


@dataclass(frozen=True)
class JudgedPart:
    """The result of a batch of whole persons: JUDGED, and (files, OUTCOMES) the number of rows.

    failed: why the batch was not judged, or None. index_rows: of the persons whose pages were
    drawn.
    """

    table: pa.Table
    counts: Ints
    users: int
    failed: str | None = None
    index_rows: list[dict[str, Any]] = field(default_factory=list)


def _judged_tables(run: CleanRun, intake: Intake, names: list[str]) -> Iterator[pa.Table]:
    """Yield JUDGED of each batch, computed on job.workers threads, and count its rows."""
    job = run.job
    parts = (part for part in intake.parts(job.workers, 0) if len(part.rows))
    judging = judging_of(job.config, job.parameters)
    judge_one = partial(judged_part, run=run, judging=judging, names=names)
    judged = map_in_order(judge_one, parts, job.workers)
    while True:
        with run.clocks["filter"].running():
            part = next(judged, None)
        if part is None:
            return
        run.users += part.users
        run.counts += part.counts
        run.overridden += len(part.table) - part.table["override"].null_count
        run.index_rows += part.index_rows
        if part.failed:
            run.problems.append(part.failed)
        yield part.table


def judged_part(part: Partition, run: CleanRun, judging: Judging, names: list[str]) -> JudgedPart:
    """Judge a batch. names: of the files, by their numbers.

    If it fails, its persons are judged one by one, so that one failure does not affect others.
    """
    try:
        return _judged_batch(part, run, judging, names)
    except MemoryError:
        raise
    except Exception as error:
        persons = plan(concat([part.take()]), 1, 1)
        if len(persons) > 1:
            about = {"retractions": part.retractions, "demographics": part.demographics}
            single = (replace(one, **about) for one in persons)
            return _joined([judged_part(one, run, judging, names) for one in single])
        files = part.take()["file"].to_numpy()
        counts = np.zeros((len(names), len(schema.OUTCOMES)), np.int64)
        np.add.at(counts, (files, schema.OUTCOMES.index("failed")), 1)
        rows = f"{len(files):,} rows of a person"
        sentence = f"{rows} could not be judged ({type(error).__name__}); all others were"
        return JudgedPart(JUDGED.empty_table(), counts, 0, sentence)


def _judged_batch(part: Partition, run: CleanRun, judging: Judging, names: list[str]) -> JudgedPart:
    job = run.job
    batch = judge(part, judging, job.stage, job.overrides)
    table = judged_table(batch.rows, names, job.overrides)
    counts = np.zeros((len(names), len(schema.OUTCOMES)), np.int64)
    outcome = pc.index_in(batch.rows["outcome"], OUTCOME_OF_ROW).to_numpy()
    np.add.at(counts, (batch.rows["file"].to_numpy(), outcome), 1)
    users = len(pc.unique(batch.rows["user_id"].cast(pa.string())))
    drawn = []
    if run.pages is not None:
        with run.clocks["dashboards"].running():
            drawn = run.pages.draw(batch, names, job.overrides)
    return JudgedPart(table, counts, users, index_rows=drawn)


def _joined(parts: list[JudgedPart]) -> JudgedPart:
    failed = dict.fromkeys(part.failed for part in parts if part.failed)
    return JudgedPart(
        pa.concat_tables([part.table for part in parts]),
        np.sum([part.counts for part in parts], axis=0),
        sum(part.users for part in parts),
        "; ".join(failed) or None,
        [row for part in parts for row in part.index_rows],
    )


def _count_files(run: CleanRun, intake: Intake) -> None:
    """Complete the counts of each file, after all rows are judged."""
    for file, counts in zip(intake.files, run.counts.tolist(), strict=True):
        file.duplicates = counts[schema.OUTCOMES.index("duplicates")]
        file.exclude(BELOW_MIN_READINGS, counts[schema.OUTCOMES.index("excluded")])


def named_quarantine(quarantine: pa.Table, names: list[str]) -> pa.Table:
    """Return QUARANTINED of schema.QUARANTINE. names: of the files, by their numbers."""
    at = quarantine.schema.get_field_index("file")
    files = pa.array(names, pa.string()).take(quarantine["file"].combine_chunks())
    return quarantine.set_column(at, "file", files)


def outcomes(run: CleanRun, intake: Intake) -> dict[str, int]:
    """Return the rows by schema.OUTCOMES; their sum is the number of input rows."""
    counts = dict(zip(schema.OUTCOMES, run.counts.sum(axis=0).tolist(), strict=True))
    counts["quarantined"] = sum(file.quarantined for file in intake.files)
    counts["excluded"] = sum(sum(file.excluded.values()) for file in intake.files)
    return counts


def manifest(run: CleanRun, intake: Intake) -> dict[str, Any]:
    """Return manifest_of for a run of this process."""
    inputs = [
        {"file": str(f.path), "format": f.importer, "sha256": f.sha256, "rows": f.rows_in}
        for f in intake.files
    ]
    counts = {"rows_in": intake.rows_in, **outcomes(run, intake), "users": run.users}
    return manifest_of(run.job, inputs, counts)


def manifest_of(
    job: CleanJob, inputs: list[dict[str, Any]], counts: dict[str, int]
) -> dict[str, Any]:
    """Describe what an output was made from. The same inputs give the same manifest anywhere.

    inputs: file, format, sha256, rows of each source. counts: rows_in, schema.OUTCOMES, users.
    """
    said = {
        "weightstream": version("weightstream"),
        "stage": job.stage,
        "timezone": job.config.data.timezone,
        "kalman": job.config.kalman.model_dump(mode="json"),
        "sources": {n: s.model_dump(mode="json") for n, s in job.config.sources.items()},
        "parameters": asdict(job.parameters),
        "reasons_version": schema.REASONS_VERSION,
        "inputs": inputs,
        "overrides": 0 if job.overrides is None else len(job.overrides),
        "counts": counts,
        "columns": JUDGED.names,
    }
    text = json.dumps(said, sort_keys=True)
    return {"id": blake2b(text.encode(), digest_size=8).hexdigest(), **said}


def unknown_overrides(job: CleanJob, found: int) -> Iterator[str]:
    """Return a sentence on overrides whose measurement is in no source, if there are any."""
    wanted = 0 if job.overrides is None else len(job.overrides)
    if found < wanted:
        yield (
            f"{wanted - found} of {wanted} overrides name no measurement of the sources; ids "
            "depend on user, source, time and weight"
        )


def _unread(run: CleanRun, intake: Intake) -> list[str]:
    """Return a sentence for each file or zip member that may hold weighings and is not read."""
    if run.job.unread is None:
        return []
    return [one.sentence for one in left_out([*run.job.unread, *intake.unread])]


def _summary(run: CleanRun, intake: Intake) -> Summary:
    seconds = {name: clock.seconds for name, clock in run.clocks.items()}
    seconds["write"] = max(0.0, seconds["write"] - seconds["filter"])  # it waited for batches
    return Summary(
        run_id=str(manifest(run, intake)["id"]),
        rows_in=intake.rows_in,
        counts=outcomes(run, intake),
        users=run.users,
        seconds={
            "startup": run.clock.startup,
            **seconds,
            "retro": 0.0,
            "total": run.clock.total,
        },
        peak_rss_mb=peak_rss_mb(),
        dashboards_index=run.index,
        problems=[
            *intake.refused.values(),
            *_unread(run, intake),
            *run.problems,
            *unknown_overrides(run.job, run.overridden),
        ],
        unusable_sources=len(intake.refused),
        sources=len(run.job.files),
    )
