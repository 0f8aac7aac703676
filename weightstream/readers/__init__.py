"""Formats of source files: one module each, all with `recognise` and `read` (see block.Reader)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.readers.block import NO_DIALECT, Block, Dialect, Parse, Reader, ReadOptions
from weightstream.readers.source import Source, head_of, is_zip, members

__all__ = [
    "FORMATS",
    "NO_DIALECT",
    "Block",
    "Dialect",
    "Parse",
    "ReadOptions",
    "files_in",
    "parses",
    "recognise",
]

FORMATS = {
    "parquet": "parquet",
    "health_connect": "health_connect",
    "apple_health": "apple_health",
    "fhir": "fhir",
    "open_mhealth": "open_mhealth",
    "withings": "withings",
    "fitbit": "fitbit",
    "google_fit": "google_fit",
    "garmin": "garmin",
    "openscale": "openscale",
    "samsung_health": "samsung_health",
    "libra": "libra",
    "csv": "delimited",
}
"""Name for --format to module, in the order in which they are tried."""


def recognise(path: Path) -> str:
    """The name of the file's format, told by its content; of a zip file, that of its content.

    Raises InputError if it has none.
    """
    if is_zip(path):
        return _usable_members(path, "auto")[0][1]
    head = head_of(Source(path))
    if not head:
        raise InputError(f"{path} is empty; there is nothing to read in it")
    name = _format_of(head, path.name, FORMATS)
    if name is None:
        raise InputError(
            f"{path} is in no format that weightstream knows; see docs/formats.md, or give --format"
        )
    return name


def parses(path: Path, options: ReadOptions) -> Iterator[Parse]:
    """Read a file in its format: blocks still to be parsed, on any thread, in their order.

    Raises InputError, at any block, when the file cannot be used; then nothing of it counts.
    """
    if options.format not in ("auto", *FORMATS):
        raise InputError(f"{options.format!r} is no format; choose one of {', '.join(FORMATS)}")
    if is_zip(path):
        return _parses_of_zip(path, options)
    name = recognise(path) if options.format == "auto" else options.format
    return _reader(name).read(Source(path), options)


class _Unknown(InputError):
    """Nothing is wrong with the file but that its format is not known."""


def files_in(folder: Path) -> list[Path]:
    """The files below a folder that a format other than plain CSV recognises, or that look like
    our CSV; in the order of their paths. Unknown ones are left out. Those that cannot be read are
    in: what might hold weighings is to be refused, not passed over.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            if is_zip(path):
                recognise(path)
            elif not _format_in_company(Source(path), FORMATS):
                continue
        except _Unknown:
            continue
        except InputError:
            pass
        found.append(path)
    return found


def _parses_of_zip(path: Path, options: ReadOptions) -> Iterator[Parse]:
    """Every member in a known format; lines are numbered through, so that each is one record's."""
    usable = _usable_members(path, options.format)
    if len(usable) == 1:
        ((source, name),) = usable
        yield from _reader(name).read(source, options)
        return
    offset = 0
    for source, name in usable:
        highest = offset
        for parse in _reader(name).read(source, options):
            block = parse()
            lines = pc.add(block.rows["line"], offset)
            highest = max(highest, pc.max(lines).as_py() or 0)
            yield partial(_with_lines, block, lines)
        offset = highest


def _with_lines(block: Block, lines: pa.ChunkedArray) -> Block:
    place = block.rows.schema.get_field_index("line")
    return replace(block, rows=block.rows.set_column(place, "line", lines))


def _usable_members(path: Path, wanted: str) -> list[tuple[Source, str]]:
    names = list(FORMATS) if wanted == "auto" else [wanted]
    found = [(source, _format_in_company(source, names)) for source in members(path)]
    usable = [(source, name) for source, name in found if name is not None]
    if not usable:
        raise _Unknown(f"{path} holds no file in a format that weightstream knows")
    return usable


def _format_in_company(source: Source, names: list[str] | dict[str, str]) -> str | None:
    """The format of one file among many: here a text is not CSV unless its header says so."""
    head = head_of(source)
    name = _format_of(head, source.name, names)
    if name == "csv" and not import_module("weightstream.readers.delimited").has_columns(head):
        return None
    return name


def _format_of(head: bytes, file_name: str, names: list[str] | dict[str, str]) -> str | None:
    return next((name for name in names if _reader(name).recognise(head, file_name)), None)


def _reader(name: str) -> Reader:
    return cast(Reader, import_module(f"weightstream.readers.{FORMATS[name]}"))
