"""Batches on their way to the workers of a cluster and back, seen from the flow's own thread."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
from prefect import Task
from prefect.futures import PrefectFuture
from prefect.states import Failed, State

from tasks.far import (
    COPIES,
    JOB,
    PEAK,
    batch_name,
    excerpt_name,
    job,
    result_name,
    retractions_name,
)
from tasks.road import Road
from weightstream.charts.page import write_page
from weightstream.drawing import IndexRow, remove_undrawn
from weightstream.errors import WeightstreamError
from weightstream.judging.decided_table import from_table
from weightstream.store.excerpt import excerpt

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner

    from tasks.cluster import Cluster


class Posting:
    """One stage of a run. Sends the input of a batch, and puts what comes back on the road."""

    def __init__(self, road: Road, cluster: "Cluster", stage: str) -> None:
        self._road, self.cluster, self.stage = road, cluster, stage
        self._exchange = cluster.exchange
        self._clocks: dict[int, ExitStack] = {}
        self.address = self._exchange.address
        self._exchange.put(
            JOB, job(road.config, road.judging, road.run, road.file_numbers, road.slots)
        )

    @contextmanager
    def crew(self) -> Iterator["Workers"]:
        with self.cluster.runner() as runner:
            yield Workers(self, runner)

    def send(self, batch: int) -> None:
        """Raises ExchangeError, StoreError."""
        road, stage = self._road, self.stage
        if stage == "filter":
            part = road.parts[batch]
            table = compact(part.take())
            known = persons_of(table, part.retractions) if road.known_persons else []
            self._exchange.put_table(retractions_name(stage, batch), part.retractions)
        else:
            known = list(road.persons[batch])
            table = pa.table({"user_id": pa.array(known, pa.string())})
        self._exchange.put(excerpt_name(stage, batch), excerpt(road.path, known))
        self._exchange.put_table(batch_name(stage, batch), table)
        self._clocks[batch] = ExitStack()
        self._clocks[batch].enter_context(road.clocks[stage].running())

    def ended(self, batch: int) -> None:
        """The workers are through with a batch, for better or worse."""
        self._clocks.pop(batch).close()

    def take(self, batch: int) -> None:
        """Raises ExchangeError."""
        table = self._exchange.get_table(result_name(self.stage, batch))
        told = table.schema.metadata
        process, peak_mb = json.loads(told[PEAK])
        self._road.worker_peaks[process] = peak_mb
        if self.stage == "draw":
            rows = write_pages(self._road.dashboards, table)
            remove_undrawn(self._road.drawing, self._road.persons[batch], rows)
            self._road.drawn[batch] = rows
            return
        self._road.judged[batch] = from_table(table)
        if self.stage == "filter":
            self._road.copies[batch] = np.array(json.loads(told[COPIES]), np.int64)

    def forget(self, batch: int) -> None:
        """Nothing of the batch is left in the exchange."""
        names = (batch_name, retractions_name, excerpt_name, result_name)
        self._exchange.drop(*(name(self.stage, batch) for name in names))


class Workers:
    """The cluster as the crew of a stage."""

    def __init__(self, posting: Posting, runner: "DaskTaskRunner") -> None:
        self._posting, self._runner = posting, runner

    def submit(self, task: Task[..., Any], batch: int) -> PrefectFuture[Any]:
        self._posting.send(batch)
        parameters = {"run": self._posting.address, "batch": batch}
        with self._posting.cluster.same_api():
            return self._runner.submit(task, parameters)

    def ended(self, batch: int, future: PrefectFuture[Any]) -> State:
        self._posting.ended(batch)
        try:
            state = self._posting.cluster.final(future, f"{self._posting.stage}: batch {batch}")
            if state.is_completed():
                self._posting.take(batch)
            self._posting.forget(batch)
        except WeightstreamError as error:
            return Failed(message=str(error), data=error)
        return state


def persons_of(*tables: pa.Table) -> list[str]:
    """Everyone who is named in a column user_id."""
    columns = [table["user_id"].cast(pa.string()).combine_chunks() for table in tables]
    persons: list[str] = pa.concat_arrays(columns).unique().drop_null().to_pylist()
    return persons


def compact(table: pa.Table) -> pa.Table:
    """With dictionaries of what is in the table; a batch has those of all persons of the run."""
    columns = [
        column.cast(column.type.value_type).dictionary_encode()
        if pa.types.is_dictionary(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def write_pages(dashboards: Path, pages: pa.Table) -> list[IndexRow]:
    """Put the pages that a worker drew in their places; returns their rows of the index."""
    for page, content in zip(pages["page"].to_pylist(), pages["content"].to_pylist(), strict=True):
        write_page(dashboards / page, content)
    return [orjson.loads(row) for row in pages["row"].to_pylist()]


def posting(road: Road, stage: str) -> Posting | None:
    """Where a cluster works for the run: how the stage's batches get there."""
    return Posting(road, road.cluster, stage) if road.cluster else None
