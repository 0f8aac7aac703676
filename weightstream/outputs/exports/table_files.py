"""Files of exports, which are written completely or not at all."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from weightstream.atomic_files import appearing
from weightstream.errors import ConfigError

DIFFERENT_IN_EACH_ROW = ("measurement_id", "effective_at", "explanation", "detail", "time")


class Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


def write_tables(out: Path, columns: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema to one file; its ending sets the format. Returns the rows.

    The file appears when it is complete. Raises ConfigError for another ending.
    """
    make = writer_of(out)
    rows = 0
    with appearing(out) as unfinished:
        writer = make(unfinished, columns)
        for table in tables:
            writer.write(table)
            rows += len(table)
        writer.close()
    return rows


def write_lines(out: Path, lines: Iterable[bytes]) -> int:
    """Write lines, without their ends, as one file; returns how many. Raises ConfigError."""
    count = 0
    with appearing(out) as unfinished, unfinished.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
    return count


def writer_of(out: Path) -> Callable[[Path, pa.Schema], Writer]:
    make = WRITERS.get(out.suffix)
    if make is None:
        raise ConfigError(f"{out}: the name must end in {', '.join(WRITERS)} or .fhir.ndjson")
    return make


def csv_file(path: Path, columns: pa.Schema) -> Writer:
    options = pyarrow.csv.WriteOptions(quoting_style="needed")
    return pyarrow.csv.CSVWriter(path, columns, write_options=options)


def parquet_writer(file: Any, columns: pa.Schema) -> pq.ParquetWriter:
    """Write Parquet to a path or an open file, with dictionaries of texts that repeat alone.

    Dictionaries of numbers and ids are abandoned half-way, which doubles the time of writing.
    """
    repeating = [
        field.name
        for field in columns
        if pa.types.is_string(field.type) and field.name not in DIFFERENT_IN_EACH_ROW
    ]
    return pq.ParquetWriter(file, columns, use_dictionary=repeating)


class NdjsonFile:
    def __init__(self, path: Path, _: pa.Schema) -> None:
        self._file: BinaryIO = path.open("wb")

    def write(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._file.write(orjson.dumps(row) + b"\n")

    def close(self) -> None:
        self._file.close()


WRITERS: dict[str, Callable[[Path, pa.Schema], Writer]] = {
    ".csv": csv_file,
    ".parquet": parquet_writer,
    ".ndjson": NdjsonFile,
}
