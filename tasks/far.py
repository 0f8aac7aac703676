"""What a stage does on a worker of a cluster: the road of a run, as far as its exchange tells.

A batch lies there as Parquet, beside it what the store holds of its persons; what a stage makes of
it is put there, for the flow to take. Nothing of a worker's own touches the store.
"""

import json
import os
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from weightstream.batch import Ints
from weightstream.config import Config
from weightstream.drawing import drawing_of, needed_mb, rendered
from weightstream.errors import ConfigError
from weightstream.exchange import Exchange
from weightstream.intake.partition import Part
from weightstream.judging import parameters
from weightstream.judging.causal import Judging, judge_part, judging_of
from weightstream.judging.decided import Decided
from weightstream.judging.decided_table import to_table
from weightstream.judging.smoothing import smooth_persons
from weightstream.memory import peak_rss_mb
from weightstream.store.excerpt import opened
from weightstream.store.migrations import migrations

JOB, COPIES, PEAK = "job.json", b"copies", b"peak"


def program() -> list[str]:
    """What the flow and its workers must have in common."""
    return [version("weightstream"), *(step.name for step in migrations._migrations)]


def job(
    config: Config, judging: Judging, run: int, file_numbers: Ints, slots: Mapping[str, int]
) -> bytes:
    """All that a worker must know of a run; no person is in it."""
    return json.dumps(
        {
            "program": program(),
            "config": config.model_dump(mode="json"),
            "parameters": parameters.to_json(judging.parameters),
            "run": run,
            "file_numbers": file_numbers.tolist(),
            "slots": dict(slots),
        }
    ).encode()


def batch_name(stage: str, batch: int) -> str:
    return f"{stage}-{batch}.parquet"


def excerpt_name(stage: str, batch: int) -> str:
    return f"{stage}-{batch}.db"


def retractions_name(stage: str, batch: int) -> str:
    return f"{stage}-{batch}-retractions.parquet"


def result_name(stage: str, batch: int) -> str:
    return f"{stage}-{batch}-done.parquet"


class FarRoad:
    """A run as a worker sees it. address: of its exchange."""

    def __init__(self, address: str) -> None:
        self._exchange = Exchange(address)

    @cached_property
    def _job(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._exchange.get(JOB))
        if told["program"] != program():
            raise ConfigError(
                f"a worker of the cluster ({socket.gethostname()}) has another version of "
                "weightstream than the flow; install the same on all"
            )
        return told

    @property
    def _config(self) -> Config:
        return Config.model_validate(self._job["config"])

    @property
    def _judging(self) -> Judging:
        return judging_of(self._config, parameters.from_json(self._job["parameters"]))

    @property
    def task_timeout_seconds(self) -> float:
        return self._config.execution.task_timeout_seconds

    def filter(self, batch: int) -> None:
        table = self._exchange.get_table(batch_name("filter", batch))
        retractions = self._exchange.get_table(retractions_name("filter", batch))
        part = Part(table, np.arange(len(table)), retractions)
        numbers = np.array(self._job["file_numbers"], np.int64)
        with self._store("filter", batch) as connection:
            decided, copies = judge_part(part, numbers, connection, self._judging)
        self._decided("filter", batch, decided, copies)

    def smooth(self, batch: int) -> None:
        with self._store("smooth", batch) as connection:
            persons = self._persons("smooth", batch)
            decided = smooth_persons(persons, connection, self._judging, self._job["run"])
        self._decided("smooth", batch, decided, np.zeros(0, np.int64))

    @property
    def slots(self) -> dict[str, int]:
        slots: dict[str, int] = self._job["slots"]
        return slots

    def needed_mb(self, batch: int) -> int:
        most_mb = self._config.threading.memory.viz_memory_limit_mb
        with self._store("draw", batch) as connection:
            return needed_mb(connection, self._persons("draw", batch), most_mb)

    def draw(self, batch: int) -> None:
        drawing = drawing_of(Path(), self._config, self._judging)
        with self._store("draw", batch) as connection:
            drawn = list(rendered(connection, drawing, self._persons("draw", batch)))
        pages = pa.table(
            {
                "page": pa.array([str(page) for page, _, _ in drawn], pa.string()),
                "content": pa.array([content for _, content, _ in drawn], pa.large_binary()),
                "row": pa.array([orjson.dumps(row) for _, _, row in drawn], pa.binary()),
            }
        )
        self._done("draw", batch, pages, {})

    def _persons(self, stage: str, batch: int) -> list[str]:
        table = self._exchange.get_table(batch_name(stage, batch))
        persons: list[str] = table["user_id"].to_pylist()
        return persons

    def _store(self, stage: str, batch: int) -> closing[sqlite3.Connection]:
        """What the store held of the batch's persons."""
        return closing(opened(self._exchange.get(excerpt_name(stage, batch))))

    def _decided(self, stage: str, batch: int, decided: Decided, copies: Ints) -> None:
        self._done(stage, batch, to_table(decided), {COPIES: json.dumps(copies.tolist())})

    def _done(self, stage: str, batch: int, table: pa.Table, told: dict[bytes, str]) -> None:
        process = f"{socket.gethostname()}-{os.getpid()}"
        told = {**(table.schema.metadata or {}), **told, PEAK: json.dumps([process, peak_rss_mb()])}
        self._exchange.put_table(result_name(stage, batch), table.replace_schema_metadata(told))
