"""Pages without a store: the same pages and list as an ingest draws."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.config import Config
from weightstream.demographics import of_persons
from weightstream.errors import ConfigError
from weightstream.judging.causal import Judging
from weightstream.judging.decisions import shift_rows
from weightstream.outputs.exports.judged import JUDGED_AS, judged_table
from weightstream.outputs.goals import Goal
from weightstream.outputs.pages.index import index_page, index_row, read_index
from weightstream.outputs.pages.page import (
    PERSONS,
    file_name,
    person_page,
    remove_pages,
    write_assets,
    write_page,
)
from weightstream.outputs.pages.person import Override, Person
from weightstream.outputs.people import persons_of
from weightstream.outputs.watching import Watchers
from weightstream.pipeline import JudgedBatch
from weightstream.store.histories import Histories
from weightstream.types import Floats

INDEX = "index.html"
IndexRow = dict[str, Any]


def check_pages(folder: Path, overwrite: bool) -> None:
    """Raise ConfigError if pages cannot or must not be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder for the pages")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise ConfigError(f"{folder} is not empty; use --overwrite to replace the pages in it")
        if read_index(folder / INDEX) is None:
            raise ConfigError(f"{folder} holds files that are not our pages; name another folder")


@dataclass
class Pages:
    """The pages of a run, drawn batch by batch."""

    folder: Path
    config: Config
    judging: Judging
    watchers: Watchers
    goals: Mapping[str, Goal] = field(default_factory=dict)
    rows: list[IndexRow] = field(default_factory=list)

    def begin(self) -> None:
        write_assets(self.folder, self.config.visualization.language)

    def draw(
        self, batch: JudgedBatch, files: Sequence[str], overrides: pa.Table | None
    ) -> list[IndexRow]:
        """Write the page of each person of a batch; returns their rows of the list."""
        naming = self.config.visualization.file_names
        rows = []
        for person in self._persons(batch, files, overrides):
            page = self.folder / PERSONS / file_name(person.user_id, naming)
            write_page(page, person_page(person, self.judging.timezone))
            rows.append(index_row(person, naming))
        return rows

    def end(self, rows: Iterable[IndexRow]) -> Path:
        """Write the list of persons, and remove pages of persons who are not in it."""
        listed = list(rows)
        write_page(self.folder / INDEX, index_page(listed, quality=False))
        remove_pages(self.folder, [row["page"] for row in listed])
        return self.folder / INDEX

    def _persons(
        self, batch: JudgedBatch, files: Sequence[str], overrides: pa.Table | None
    ) -> Iterator[Person]:
        found = histories_of(batch, files, overrides)
        for person in persons_of(found, self.judging, self.watchers, shifts_of(batch)):
            goal = self.goals.get(person.user_id)
            yield replace(person, overrides=overrides_of(person.columns), goal=goal)


def histories_of(batch: JudgedBatch, files: Sequence[str], overrides: pa.Table | None) -> Histories:
    """Return judged rows as columns: numbers as arrays, NaN where empty; texts as lists."""
    table = judged_table(batch.rows, files, overrides)
    judged = pc.is_in(batch.rows["outcome"], pa.array(JUDGED_AS))
    columns: dict[str, Any] = {
        name: _numbers(table[name])
        if pa.types.is_floating(table[name].type)
        else table[name].to_pylist()
        for name in table.column_names
    }
    columns["version"] = [1] * len(table)
    user = table["user_id"].combine_chunks().dictionary_encode()
    first = np.flatnonzero(np.diff(user.indices.to_numpy(), prepend=-1))
    names = user.dictionary.to_pylist()
    time_us = batch.rows["time_us"].filter(judged).to_numpy()
    columns["raw_time"] = batch.rows["raw_time"].filter(judged).to_pylist()
    columns["local_hour"] = batch.rows["hour"].filter(judged).to_numpy().astype(np.float64)
    indptr, people = np.append(first, len(table)), of_persons(names, batch.series.people)
    return Histories(tuple(names), indptr, time_us, columns, {}, people)


def shifts_of(batch: JudgedBatch) -> dict[str, list[tuple[str, float, float]]]:
    """Return confirmed level shifts by person: time (as effective_at), from, to (kg)."""
    columns = shift_rows(batch.series, batch.estimates).columns
    found: dict[str, list[tuple[str, float, float]]] = {}
    names = ("user_id", "effective_at", "from_kg", "to_kg")
    listed = (np.asarray(columns[name]).tolist() for name in names)
    for user, at, from_kg, to_kg in zip(*listed, strict=True):
        found.setdefault(user, []).append((at, from_kg, to_kg))
    return found


def overrides_of(columns: Mapping[str, Any]) -> list[Override]:
    """Return the overrides of a person's measurements; a file does not say when they were made."""
    each = zip(columns["measurement_id"], columns["override"], columns["override_by"], strict=True)
    return [Override(name, action, by, "", "") for name, action, by in each if action]


def _numbers(column: pa.ChunkedArray) -> Floats:
    return pc.fill_null(column, np.nan).to_numpy()
