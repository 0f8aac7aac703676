"""Parquet: tables with the columns of our CSV, whatever types they have."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from weightstream.errors import InputError
from weightstream.readers.assembling import assemble
from weightstream.readers.block import Block, Parse, ReadOptions, raw_table
from weightstream.readers.columns import Choice, resolve
from weightstream.readers.evidence import Evidence
from weightstream.readers.headers import MAX_COLUMNS
from weightstream.readers.partitions import constant_cells, folder_columns
from weightstream.readers.source import Source, local_file
from weightstream.readers.table import SAMPLE_ROWS, table_of

_MAGIC = b"PAR1"
_ROWS = 65_536
_MAX_TEXT = 1_001
"""Characters of a cell that are kept: one more than a name may have."""
_MAX_CHUNK_BYTES = 256 << 20
"""Unpacked bytes of one column in one row group; more would have to be held at a time."""


def recognise(head: bytes, name: str) -> bool:
    """By its first four bytes."""
    return head.startswith(_MAGIC)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. Columns are found as in CSV; `line` is the row's position."""
    choice = _choose(source, options)
    evidence = Evidence(str(source), options, partial(_scan, source, choice, options))
    position = 1
    for batch in _batches(source, choice):
        yield partial(_block, batch, choice, options, evidence, position)
        position += len(batch)


def persons_of(path: Path, options: ReadOptions) -> Callable[[pa.RecordBatch], Any]:
    """Return what gives the person of each row of a batch. Raises InputError if there is none."""
    choice = _choose(Source(path), options)
    found = choice.roles.get("user_id")
    if found is None:
        raise InputError(f"{path} names no persons")
    return partial(_cells, found, found, choice=choice)


@contextmanager
def _opened(source: Source) -> Iterator[parquet.ParquetFile]:
    with local_file(source) as path:
        try:
            schema = parquet.read_schema(path)
            texts = [field.name for field in schema if _is_text(field.type)]
            # As dictionaries, so that a text that all rows share is held once.
            with parquet.ParquetFile(path, read_dictionary=texts) as file:
                _check_size(file, source)
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError, RuntimeError):
            raise InputError(f"{source} is damaged or truncated Parquet; fetch it again") from None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind)


def _check_size(file: parquet.ParquetFile, source: Source) -> None:
    if len(file.schema_arrow) > MAX_COLUMNS:
        raise InputError(f"{source} has more than {MAX_COLUMNS:,} columns; give one with fewer")
    for group in range(file.metadata.num_row_groups):
        found = file.metadata.row_group(group)
        if found.total_byte_size <= _MAX_CHUNK_BYTES:
            continue  # and pyarrow ends the process where damaged data of a column are asked for
        for column in range(found.num_columns):
            if found.column(column).total_uncompressed_size > _MAX_CHUNK_BYTES:
                raise InputError(
                    f"{source} unpacks to more than {_MAX_CHUNK_BYTES >> 20} MiB for one column of"
                    " a row group; write it in smaller ones"
                )


def _choose(source: Source, options: ReadOptions) -> Choice:
    with _opened(source) as file:
        names, types = file.schema_arrow.names, file.schema_arrow.types
        flat = [at for at, kind in enumerate(types) if not _nested(kind)]
        first = next(_columns_of(file, flat, SAMPLE_ROWS), None)
        cells = {at: texts_of(first.column(str(at))).to_pylist() for at in flat} if first else {}
    none: list[str | None] = [None] * (len(first) if first else 0)
    sample = list(zip(*(cells.get(at, none) for at in range(len(names))), strict=True))
    folders = folder_columns(source, names)
    choice = resolve(table_of(str(source), names, sample, options, folders=folders))
    return replace(choice, folders=dict(enumerate(folders.values(), len(names))))


def _nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _columns_of(
    file: parquet.ParquetFile, indices: Sequence[int], rows: int
) -> Iterator[pa.RecordBatch]:
    """Columns by their index, which becomes their name: several may have one name."""
    names = file.schema_arrow.names
    seen = Counter[str]()
    turns = []
    for name in names:  # all columns of a name are read, in the order of the file
        turns.append(seen[name])
        seen[name] += 1
    wanted = list(dict.fromkeys(names[at] for at in indices))
    for batch in file.iter_batches(rows, columns=wanted):
        places = {name: batch.schema.get_all_field_indices(name) for name in wanted}
        found = [batch.column(places[names[at]][turns[at]]) for at in indices]
        yield pa.record_batch(found, [str(at) for at in indices])


def _batches(source: Source, choice: Choice) -> Iterator[pa.RecordBatch]:
    own = [at for at in choice.indices if at not in choice.folders]
    with _opened(source) as file:
        yield from _columns_of(file, own, _ROWS)


def _scan(source: Source, choice: Choice, options: ReadOptions) -> Iterator[tuple[Any, Any]]:
    for batch in _batches(source, choice):
        columns = _assembled(batch, choice, options, str(source)).columns
        yield columns["time"], columns["weight"]


def _assembled(batch: pa.RecordBatch, choice: Choice, options: ReadOptions, where: str) -> Any:
    return assemble(
        choice, lambda at: _cells(at, str(at), batch, choice), len(batch), options, where
    )


def _cells(at: int, name: int | str, batch: pa.RecordBatch, choice: Choice) -> Any:
    """Return the texts of a column by its index; name: what it is called, or where, in a batch."""
    if at in choice.folders:
        return constant_cells(choice.folders[at], len(batch))
    return texts_of(batch.column(name))


def _block(
    batch: pa.RecordBatch, choice: Choice, options: ReadOptions, evidence: Evidence, position: int
) -> Block:
    assembled = _assembled(batch, choice, options, evidence.where)
    lines = pa.array(range(position, position + len(batch)), pa.int64())
    columns = assembled.columns
    columns["line"] = lines if assembled.keep is None else lines.filter(assembled.keep)
    return Block(
        raw_table(columns, len(columns["line"])),
        assembled.unit_from,
        evidence.dialect(columns["time"], columns["weight"]),
        skipped=assembled.skipped,
        others=assembled.others,
        columns=choice.named(),
        notes=choice.notes,
    )


_UUID_BYTES = 16


def texts_of(column: pa.Array) -> pa.StringArray:
    """Any type as text, not much longer than a name may be; an instant with Z, a wall time without.

    Bytes that are no UTF-8, and UUIDs, are told in hexadecimal, so that different ones stay
    different. A duration is no instant: it is printed with its unit.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):  # as which Arrow reads the logical type UUID
        return texts_of(column.storage)
    if pa.types.is_dictionary(kind):
        return texts_of(column.dictionary).take(column.indices)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        plain = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
        return pc.binary_join_element_wise(plain.cast(pa.string()), "Z", "")
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"), safe=False).cast(pa.string())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == _UUID_BYTES:
        return pa.array([value and value.hex() for value in column.to_pylist()], pa.string())
    try:
        if pa.types.is_duration(kind):
            raise pa.ArrowNotImplementedError  # its number alone could be read as an epoch
        text = column.cast(pa.string())
        text.validate(full=True)  # that it is UTF-8: Parquet does not promise it
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        values = column.cast(pa.binary()) if pa.types.is_string(kind) else column
        text = pa.array([_printed(value) for value in values.to_pylist()], pa.string())
    return pc.utf8_slice_codeunits(text, 0, _MAX_TEXT) if _is_text(kind) else text


def _printed(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return None if value is None else str(value)
