"""An ingest as tests run it: without Prefect, tasks or threads of its own."""

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from weightstream import pipeline
from weightstream.config import Config
from weightstream.demographics import STATED
from weightstream.engine.model import PRIOR
from weightstream.erasing.tombstones import read_tombstones
from weightstream.intake.partition import spill_folder
from weightstream.judging.causal import judging_of
from weightstream.readers import ReadOptions
from weightstream.schema import OUTCOMES
from weightstream.store.committing import commit
from weightstream.store.connection import STORE_NAME, ReadPool, open_writer
from weightstream.store.runs import (
    begin_run,
    record_counts,
    register_files,
    remember_timezone,
    store_quarantine,
)
from weightstream.store.stored_persons import StoredPersons


@dataclass(frozen=True)
class Stored:
    """What `store_files` did. outcomes: rows by schema.OUTCOMES."""

    intake: Any
    outcomes: dict[str, int]


def store_files(
    data_dir: Path, *sources: Path, settings: dict[str, Any] | None = None, **options: Any
) -> Stored:
    """An ingest without Prefect: read, judge batch by batch, commit, count."""
    config = Config.model_validate(settings or {})
    data, path = config.data, data_dir / STORE_NAME
    judging = judging_of(config, PRIOR)
    with open_writer(data_dir) as connection, ReadPool(data_dir, 2) as pool:
        remember_timezone(connection, path, data.timezone)
        run = begin_run(connection, path, secrets.token_hex(4), "ingest")
        intake = pipeline.read(
            sources,
            ReadOptions(columns=data.columns, **options),
            data,
            datetime(2026, 1, 1, tzinfo=UTC),
            spill_folder(data_dir),
            tombstones=read_tombstones(connection, data_dir),
            threads=1,
        )
        numbers = register_files(connection, path, intake.files, run)
        quarantined = intake.quarantined()
        store_quarantine(connection, path, quarantined, intake.files, numbers, run)
        counts = np.zeros((len(numbers), len(OUTCOMES)), np.int64)

        def count(decided: Any, start: int, stop: int) -> None:
            counts[:] += decided.counts(start, stop, len(numbers))
            for (file, source), rows in decided.shared_ids(start, stop).items():
                intake.findings[file].shared_ids[source] += rows
            if decided.contradictory is not None:
                found = decided.contradictory[start:stop].sum(axis=0).tolist()
                intake.contradictory += Counter(dict(zip(STATED, found, strict=True)))

        for part in intake.parts(2, config.execution.users_per_task):

            def judge(persons: Any = None, part: Any = part) -> Any:
                with pool.connection() as reader:
                    return pipeline.judge_for_store(
                        part, judging, np.array(numbers), StoredPersons(reader), persons
                    )

            decided, copies = judge()
            counts += copies
            commit(
                connection,
                path,
                decided,
                lambda persons, judge=judge: judge(persons)[0],
                run,
                config.threading.db_write_batch_size,
                count,
            )
        record_counts(connection, path, intake.files, numbers)
    outcomes = dict(zip(OUTCOMES, counts.sum(axis=0).tolist(), strict=True))
    outcomes["quarantined"] = sum(file.quarantined for file in intake.files)
    outcomes["excluded"] += sum(sum(file.excluded.values()) for file in intake.files)
    return Stored(intake, outcomes)
