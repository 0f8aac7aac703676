"""Judging files or data sets with many workers into one data set, without a store."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weightstream import schema
from weightstream.clean_files import (
    QUARANTINED,
    CleanJob,
    CleanRun,
    judged_part,
    manifest_of,
    named_quarantine,
    unknown_overrides,
)
from weightstream.clean_inputs import overrides_from, parameters_from
from weightstream.clocks import RunClock
from weightstream.config import Config
from weightstream.config_file import config_of
from weightstream.demographics import contradictions, merge
from weightstream.engine.model import Parameters
from weightstream.errors import ConfigError, InputError
from weightstream.exchange import BucketWriter, Place, read_bucket
from weightstream.intake.import_report import left_out
from weightstream.intake.partition import concat, plan
from weightstream.intake.sources import check_sources, files_of
from weightstream.judging.causal import judging_of
from weightstream.outputs.exports.judged import JUDGED
from weightstream.outputs.exports.judged_files import MANIFEST, QUARANTINE
from weightstream.outputs.exports.table_files import parquet_writer
from weightstream.pipeline import Stage, check_stage, read
from weightstream.readers import ReadOptions
from weightstream.readers.remote import STANDARD_INPUT, RemotePath, version_of
from weightstream.scratch import scratch_folder

if TYPE_CHECKING:
    from distributed import Client

SUCCESS = "_SUCCESS"
WORK = "_work"
EXCHANGE = f"{WORK}/exchange"
TEXT_BYTES_PER_PART = 16 << 20
"""About 250,000 rows of CSV: a few hundred MB while a part is judged."""
PACKED = {".parquet": 5, ".gz": 4, ".zip": 4}
"""The size of a packed file as text, in multiples of its size."""
MOST_PARTS = 4096
NOT_SHARED = "standard input is read by one process; name a file that all workers can read"
WORKER_SECONDS = 60
"""The time within which a scheduler has to have its first worker."""


@dataclass(frozen=True)
class DatasetJob:
    """What all workers know.

    parts: the number of parts of the result. started: the start of the first run; a reading much
    later than this is faulty. names: of the files of the job, as they were given.
    """

    job: CleanJob
    place: Place
    parts: int
    started: datetime
    names: list[str] = field(default_factory=list)


def clean_dataset(
    source: str | Path | list[str],
    out: str | Path,
    *,
    parameters: Parameters | str | Path | None = None,
    overrides: Any = None,
    client: "Client | None" = None,
    config: Config | Mapping[str, Any] | str | Path | None = None,
    options: ReadOptions | None = None,
    stage: Stage = "retro",
) -> dict[str, Any]:
    """Judge files or a data set into a Parquet data set, on the workers of a Dask cluster.

    source: paths, patterns or URLs that every worker can read. out: a folder or URL that every
    worker can write. client: a distributed.Client; without one, threads of this process.
    parameters, overrides, stage, config: as in weightstream.clean. options: what files do not
    state, readers.ReadOptions.
    A part appears when it is complete, _SUCCESS when everything is. If the run was killed, the same
    call continues from the complete parts; if the run has ended, it does nothing.
    Returns the manifest; `unread` in it has a sentence for each member of a zip file that may hold
    weighings and is in no known format. Raises ConfigError if `out` belongs to another job,
    InputError if no source can be used.
    """
    check_stage(stage)
    config, options = config_of(config), options or ReadOptions()
    parameters, overrides = parameters_from(parameters), overrides_from(overrides)
    sources = [str(source)] if isinstance(source, str | Path) else [str(one) for one in source]
    if STANDARD_INPUT in sources:
        raise InputError(NOT_SHARED)
    files = files_of(sources)
    check_sources(files, options, config.data)
    if config.data.user_offset or config.data.max_users:
        raise ConfigError(
            "data.user_offset and data.max_users select from all persons, which no worker knows; "
            "leave them out, or list the persons in data.users_file"
        )
    job = CleanJob(files, Path(out), config, options, stage, parameters, overrides)
    return run_dataset(job, Place(str(out)), client)


def run_dataset(job: CleanJob, place: Place, client: "Client | None") -> dict[str, Any]:
    """Do a job; see clean_dataset."""
    wanted = fingerprint(job)
    if place.exists(SUCCESS):
        done: dict[str, Any] = place.read_json(MANIFEST)
        if done.get("job") != wanted:
            raise ConfigError(f"{place.url} holds the result of another job; name another folder")
        return done
    if client is not None:
        check_workers(client)
    whole = _begun(job, place, wanted)
    read_tasks = list(range(len(job.files)))
    receipts = dict(_each(client, partial(read_file, whole), read_tasks))
    refused = [one["refused"] for one in receipts.values() if one["refused"]]
    if len(refused) == len(job.files):
        place.remove(WORK)
        raise InputError("; ".join(refused))
    judged = dict(_each(client, partial(judge_bucket, whole), list(range(whole.parts))))
    return _finish(whole, wanted, receipts, judged)


def fingerprint(job: CleanJob) -> str:
    """Return a hash of everything that the result depends on; sources by name, size and version."""
    files = [(str(path), *version_of(path)) for path in job.files]
    said = [
        version("weightstream"),
        files,
        job.config.model_dump(mode="json"),
        asdict(job.options),
        job.stage,
        asdict(job.parameters),
        [] if job.overrides is None else job.overrides.to_pylist(),
    ]
    text = json.dumps(said, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _begun(job: CleanJob, place: Place, wanted: str) -> DatasetJob:
    """Return the job that was begun in this folder before, or begin it. Raises ConfigError."""
    begun = f"{WORK}/job.json"
    if not place.exists(begun):
        if place.exists() and place.names(""):
            raise ConfigError(f"{place.url} is not empty; name a new folder")
        said = {"job": wanted, "started": datetime.now(UTC).isoformat(), "parts": parts_of(job)}
        place.write_json(begun, said)
    found = place.read_json(begun)
    if found["job"] != wanted:
        raise ConfigError(
            f"{place.url} holds the unfinished result of another job; name another folder, or "
            "remove it"
        )
    started = datetime.fromisoformat(found["started"])
    names = [str(path) for path in job.files]
    # A worker may have another working directory.
    files = [one if isinstance(one, RemotePath) else one.absolute() for one in job.files]
    return DatasetJob(replace(job, files=files), place, found["parts"], started, names)


def parts_of(job: CleanJob) -> int:
    """Return the number of parts for files of this size."""
    text = sum(PACKED.get(path.suffix, 1) * version_of(path)[0] for path in job.files)
    return min(MOST_PARTS, max(1, -(-text // TEXT_BYTES_PER_PART)))


def check_workers(client: "Client") -> None:
    """Raise ConfigError if there is no worker, or one has another version of weightstream."""
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise ConfigError(
            f"the Dask scheduler had no worker for {WORKER_SECONDS} seconds; start one with "
            "`dask worker ADDRESS`"
        ) from None
    ours = version("weightstream")
    # A function of ours could not even be loaded by a worker that does not have us.
    for worker, theirs in client.run(version, "weightstream", on_error="return").items():
        if theirs != ours:
            what = f"weightstream {theirs}" if isinstance(theirs, str) else "no weightstream"
            raise ConfigError(f"the worker {worker} has {what}; install weightstream {ours} there")


def _each(
    client: "Client | None", function: Callable[[int], dict[str, Any]], numbers: Iterable[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield function(n) of each number, in any order. If a worker is lost, its task is repeated."""
    if client is None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from zip(numbers, pool.map(function, numbers), strict=True)
        return
    from distributed import as_completed

    futures = {client.submit(function, n, pure=False, retries=2): n for n in numbers}
    for future in as_completed(futures):
        yield futures[future], future.result()
        future.release()


def read_file(whole: DatasetJob, number: int) -> dict[str, Any]:
    """Read and clean a source into the exchange. Returns its receipt: counts and import report.

    Does nothing if the receipt exists.
    """
    place, job = whole.place, whole.job
    receipt = f"{WORK}/read-{number:06}.json"
    if place.exists(receipt):
        return dict(place.read_json(receipt))
    path, stem = job.files[number], f"{EXCHANGE}/{number:06}"
    with scratch_folder() as folder:
        data, spill = job.config.data, folder
        intake = read([path], job.options, data, whole.started, spill, threads=1)
        rows = BucketWriter(place, f"{stem}-rows", schema.MEASUREMENT, whole.parts)
        back = BucketWriter(place, f"{stem}-back", schema.RETRACTION, whole.parts)
        about = BucketWriter(place, f"{stem}-about", schema.DEMOGRAPHICS, whole.parts)
        for part in intake.parts(1, 0):
            rows.append(_of_file(part.take(), number))
            back.append(_of_file(part.retractions, number))
            about.append(part.demographics)
        for writer in (rows, back, about):
            writer.flush()
        name = whole.names[number]
        quarantine = [named_quarantine(table, [name]) for table in intake.quarantined()]
        if quarantine:
            with place.writing(f"{WORK}/quarantine-{number:06}.parquet") as file:
                pq.write_table(pa.concat_tables(quarantine), file)
    unread = [one.sentence for one in left_out(intake.unread)]
    said: dict[str, Any] = {"refused": intake.refused.get(path), "unread": unread}
    for file in intake.files:
        said |= {"format": file.importer, "sha256": file.sha256, "rows": file.rows_in}
        said |= {"quarantined": file.quarantined, "excluded": sum(file.excluded.values())}
    place.write_json(receipt, said)
    return said


def _of_file(table: pa.Table, number: int) -> pa.Table:
    at = table.schema.get_field_index("file")
    return table.set_column(at, table.schema.field(at), pa.array(np.full(len(table), number, "i4")))


def judge_bucket(whole: DatasetJob, bucket: int) -> dict[str, Any]:
    """Judge the persons of a bucket into their part. Returns its receipt: rows by outcome.

    Does nothing if the receipt exists.
    """
    place, job = whole.place, whole.job
    receipt = f"{WORK}/part-{bucket:05}.json"
    if place.exists(receipt):
        return dict(place.read_json(receipt))
    measurements = read_bucket(place, EXCHANGE, "rows", bucket, schema.MEASUREMENT)
    retractions = read_bucket(place, EXCHANGE, "back", bucket, schema.RETRACTION)
    about = merge(read_bucket(place, EXCHANGE, "about", bucket, schema.DEMOGRAPHICS))
    run = CleanRun(job, RunClock())
    counts = np.zeros(len(schema.OUTCOMES), np.int64)
    judging = judging_of(job.config, job.parameters)
    name, written = f"part-{bucket:05}.parquet", 0
    if len(measurements):
        table = concat([measurements])
        with place.writing(name) as file, parquet_writer(file, JUDGED) as writer:
            for part in plan(table, 1, 0):
                some = replace(part, retractions=retractions, demographics=about)
                judged = judged_part(some, run, judging, whole.names)
                writer.write_table(judged.table)
                written += len(judged.table)
                counts += judged.counts.sum(axis=0)
                run.users += judged.users
                run.overridden += len(judged.table) - judged.table["override"].null_count
                if judged.failed:
                    run.problems.append(judged.failed)
    said = {
        "name": name,
        "rows": written,
        "counts": dict(zip(schema.OUTCOMES, counts.tolist(), strict=True)),
        "users": run.users,
        "overridden": run.overridden,
        "contradictory": contradictions(about),
        "problems": run.problems,
    }
    place.write_json(receipt, said)
    return said


def _finish(
    whole: DatasetJob,
    wanted: str,
    receipts: dict[int, dict[str, Any]],
    judged: dict[int, dict[str, Any]],
) -> dict[str, Any]:
    """Write the manifest, and mark the data set as complete."""
    place, job = whole.place, whole.job
    counts = {name: sum(one["counts"][name] for one in judged.values()) for name in schema.OUTCOMES}
    read_of = [one for one in receipts.values() if not one["refused"]]
    counts["quarantined"] = sum(one["quarantined"] for one in read_of)
    counts["excluded"] += sum(one["excluded"] for one in read_of)
    inputs = [
        {"file": whole.names[n], **{key: one[key] for key in ("format", "sha256", "rows")}}
        for n, one in sorted(receipts.items())
        if not one["refused"]
    ]
    totals = {
        "rows_in": sum(one["rows"] for one in read_of),
        **counts,
        "users": sum(one["users"] for one in judged.values()),
    }
    parts = [judged[n] for n in range(whole.parts) if judged[n]["rows"]]
    problems = [one["refused"] for one in receipts.values() if one["refused"]]
    problems += [problem for one in judged.values() for problem in one["problems"]]
    problems += unknown_overrides(job, sum(one["overridden"] for one in judged.values()))
    said = manifest_of(job, inputs, totals) | {
        "job": wanted,
        "parts": [{"name": one["name"], "rows": one["rows"]} for one in parts],
        "problems": problems,
        "contradictory": dict(
            sum((Counter(one["contradictory"]) for one in judged.values()), Counter())
        ),
        "unread": [sentence for one in receipts.values() for sentence in one["unread"]],
    }
    _join_quarantine(place)
    place.write_json(MANIFEST, said)
    with place.writing(SUCCESS):
        pass
    place.remove(WORK)
    return said


def _join_quarantine(place: Place) -> None:
    """Write the quarantined rows of all files as one table, if there are any."""
    names = place.names(WORK, ".parquet")
    if names:
        with place.writing(QUARANTINE) as file, pq.ParquetWriter(file, QUARANTINED) as writer:
            for name in names:
                with place.open(f"{WORK}/{name}") as source:
                    writer.write_table(pq.read_table(source))
