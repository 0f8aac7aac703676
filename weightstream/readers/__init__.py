"""Formats of source files: one module each, all with `recognise` and `read` (see block.Reader)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weightstream.errors import InputError
from weightstream.readers.archives import format_of_zip, parses_of_zip
from weightstream.readers.block import NO_DIALECT, Block, Dialect, Parse, ReadOptions, Unread
from weightstream.readers.formats import (
    FORMATS,
    Inventory,
    UnknownFormat,
    format_of,
    is_litter,
    reader_of,
    why_unknown,
)
from weightstream.readers.source import Source, head_of, is_zip

__all__ = [
    "FORMATS",
    "NO_DIALECT",
    "Block",
    "Dialect",
    "Folder",
    "Parse",
    "ReadOptions",
    "Unread",
    "look_into",
    "parses",
    "recognise",
]


def recognise(path: Path) -> str:
    """Return the name of the file's format, recognised from its content, also inside a zip file.

    Raises InputError if it has none.
    """
    if is_zip(path):
        return format_of_zip(path)
    head = head_of(Source(path))
    if not head:
        raise InputError(f"{path} is empty; there is nothing to read in it")
    name = format_of(head, path.name)
    if name is None:
        raise InputError(f"{path} {why_unknown(head)}; see docs/formats.md, or give --format")
    return name


def parses(path: Path, options: ReadOptions) -> Iterator[Parse]:
    """Read a file in its format. Yields blocks, in order, that any thread may parse.

    Raises InputError, at any block, if the file cannot be used; then none of its rows count.
    """
    if options.format not in ("auto", *FORMATS):
        raise InputError(f"{options.format!r} is not a format; choose one of {', '.join(FORMATS)}")
    if is_zip(path):
        return parses_of_zip(path, options)
    name = recognise(path) if options.format == "auto" else options.format
    return reader_of(name).read(Source(path), options)


@dataclass(frozen=True)
class Folder:
    """files: those to read, in the order of their paths. unread: those with content in no known
    format.
    """

    files: list[Path]
    unread: list[Unread]


def look_into(folder: Path) -> Folder:
    """Sort out the files below a folder.

    Files to read are those that a format other than plain CSV recognises, those that look like our
    CSV, and those that cannot be read: a file that may hold weighings is refused, not ignored.
    """
    inventory, damaged, unknown = Inventory(), [], []
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if is_litter(place) or not path.is_file():
            continue
        if path.is_symlink():
            unknown.append(Unread(str(path), f"{path} is a link; name the file it leads to"))
            continue
        try:
            inventory.add(Source(path), place, recognise(path) if is_zip(path) else None)
        except UnknownFormat as error:
            unknown.append(Unread(str(path), str(error)))
        except InputError:
            damaged.append(path)
    files = [source.path for source, _ in inventory.usable] + damaged
    return Folder(sorted(files), inventory.unread() + unknown)
