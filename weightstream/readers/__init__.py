"""Formats of source files: one module each, all with `recognise` and `read` (see block.Reader)."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import cast

from weightstream.errors import InputError
from weightstream.readers.block import NO_DIALECT, Block, Dialect, Parse, Reader, ReadOptions
from weightstream.readers.source import head_of

__all__ = [
    "FORMATS",
    "NO_DIALECT",
    "Block",
    "Dialect",
    "Parse",
    "ReadOptions",
    "parses",
    "recognise",
]

FORMATS = {
    "csv": "delimited",
}
"""Name for --format to module, in the order in which they are tried."""


def recognise(source: Path) -> str:
    """The name of the file's format, told by its content. Raises InputError if it has none."""
    head = head_of(source)
    if not head:
        raise InputError(f"{source} is empty; there is nothing to read in it")
    for name in FORMATS:
        if _reader(name).recognise(head, source.name):
            return name
    raise InputError(
        f"{source} is in no format that weightstream knows; see docs/formats.md, or give --format"
    )


def parses(source: Path, options: ReadOptions) -> Iterator[Parse]:
    """Read a file in its format: blocks still to be parsed, on any thread, in their order.

    Raises InputError, at any block, when the file cannot be used; then nothing of it counts.
    """
    name = recognise(source) if options.format == "auto" else options.format
    if name not in FORMATS:
        raise InputError(f"{name!r} is no format; choose one of {', '.join(FORMATS)}")
    return _reader(name).read(source, options)


def _reader(name: str) -> Reader:
    return cast(Reader, import_module(f"weightstream.readers.{FORMATS[name]}"))
