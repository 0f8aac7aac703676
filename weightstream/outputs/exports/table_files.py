"""Files that exports write: whole, or not at all."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from weightstream.errors import ConfigError


class Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A path to write to, which becomes `out` when all is written. Raises ConfigError.

    A link stays, and what it leads to is replaced; what is no file, such as /dev/null, is not.
    """
    try:
        place = Path(os.path.realpath(out))
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise ConfigError(f"{out}: is a device or a pipe; name a file")
        unfinished = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        with removed(unfinished):
            yield unfinished
            os.replace(unfinished, place)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"{out}: cannot be written ({reason})") from None


@contextmanager
def removed(unfinished: Path) -> Iterator[None]:
    """Leave nothing there, whatever happens."""
    try:
        yield
    finally:
        with suppress(OSError):  # it is not there, or could never be
            unfinished.unlink()


def write_tables(out: Path, columns: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema as one file, by its ending; returns the rows. Raises ConfigError.

    The file appears when it is complete.
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
    ".parquet": pq.ParquetWriter,
    ".ndjson": NdjsonFile,
}
