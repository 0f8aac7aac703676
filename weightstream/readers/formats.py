"""The formats that are read, and how a file's format is recognised from its content."""

import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import PurePosixPath
from typing import cast

from weightstream.errors import InputError
from weightstream.readers.block import Reader, Unread
from weightstream.readers.source import ZIP_MAGIC, Source, head_of

FORMATS = {
    "parquet": "parquet",
    "xlsx": "spreadsheet",
    "health_connect": "health_connect",
    "health_connect_json": "health_connect_json",
    "apple_health": "apple_health",
    "health_auto_export": "health_auto_export",
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
"""The name of each format for --format, and its module, in the order in which they are tried."""

TABLES = ("csv", "parquet", "xlsx", "withings", "openscale", "garmin", "samsung_health", "libra")
"""Formats that are tables: the first rows show whether the file can be read. (A document has to be
parsed as a whole.)"""
NAMES_PERSONS = ("csv", "parquet", "xlsx", "fhir", "open_mhealth")
"""Formats in which a file can name its persons; all others need --user."""

UNKNOWN = "is in no format that weightstream knows"
_KINDS = (
    (re.compile(rb"\s*%PDF-"), "a PDF"),
    (re.compile(rb"\s*<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE), "HTML"),
    (re.compile(rb"\s*<"), "XML"),
    (re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[\]{])"), "JSON"),
)
"""How files of no known format begin."""
_LITTER = re.compile(
    r"(?:^|/)(?:\._|__MACOSX/|(?:\.DS_Store|\.localized|Thumbs\.db|desktop\.ini)$"
    r"|(?:\.[^/]+\.crc|_SUCCESS|_(?:common_)?metadata|_(?:started|committed)_\d+)$)"
)
"""What operating systems leave in folders and zip files, and Hadoop and Spark in data sets."""
_OF_DATABASE = re.compile(r"(?P<database>.+)-(?:wal|shm|journal)")


class UnknownFormat(InputError):
    """The file can be opened, but is in no known format."""


def reader_of(name: str) -> Reader:
    """Return the module that reads a format of FORMATS."""
    return cast(Reader, import_module(f"weightstream.readers.{FORMATS[name]}"))


def format_of(head: bytes, file_name: str, names: Iterable[str] = FORMATS) -> str | None:
    """Return the first of the formats whose reader recognises the start of a file, or None."""
    return next((name for name in names if reader_of(name).recognise(head, file_name)), None)


def format_among_many(head: bytes, file_name: str, names: Iterable[str] = FORMATS) -> str | None:
    """Return the format of one file of a folder or zip file, where not every text is a CSV.

    Here a text counts as CSV only if its header has columns that we know.
    """
    name = format_of(head, file_name, names)
    if name == "csv" and not import_module("weightstream.readers.delimited").has_columns(head):
        return None
    return name


def is_litter(place: str) -> bool:
    """Return whether a file is beside the data, as left by an operating system.

    place: its path in a folder.
    """
    return _LITTER.search(place) is not None


def why_unknown(head: bytes) -> str:
    """Say what a file is whose format is not known. head: its first bytes."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    kind = next((name for beginning, name in _KINDS if beginning.match(head)), None)
    return UNKNOWN.replace("is in", f"is {kind}, in", 1) if kind else UNKNOWN


class Inventory:
    """The files of a folder or zip file, sorted into those that are read and those that are not.

    names: the formats to look for.
    """

    def __init__(self, names: Iterable[str] = FORMATS) -> None:
        self.names = tuple(names)
        self.usable: list[tuple[Source, str]] = []
        self._others: list[tuple[Source, str, str, frozenset[str]]] = []

    def add(self, source: Source, place: str, file_format: str | None = None) -> None:
        """Recognise a file. place: its path in the folder or zip file. file_format: if known.

        Raises InputError if it cannot be opened.
        """
        head = head_of(source)
        found = head and (file_format or format_among_many(head, source.name, self.names))
        if found:
            self.usable.append((source, found))
        elif head:
            sentence = f"{source} {self._why_not(source, head)}"
            self._others.append((source, place, sentence, _accompanied(head, place)))

    def _why_not(self, source: Source, head: bytes) -> str:
        if len(self.names) == 1:
            return f"is not of the format {self.names[0]}"
        is_inner_zip = head.startswith(ZIP_MAGIC) and source.member is not None
        return "is a zip file in a zip file; unpack it" if is_inner_zip else why_unknown(head)

    def leave_out(self, source: Source, sentence: str) -> None:
        """Record a file that cannot be opened. sentence: why not."""
        self._others.append((source, source.name, sentence, frozenset()))

    def unread(self) -> list[Unread]:
        """Return the files that have content and are not read. Call it once all files are added."""
        formats = {name for _, name in self.usable}
        databases = {str(source) for source, name in self.usable if name == "health_connect"}
        found = []
        for source, place, sentence, accompanied in self._others:
            journal = _OF_DATABASE.fullmatch(place)
            if journal and str(_sibling(source, journal["database"])) in databases:
                continue  # read with its database
            found.append(Unread(str(source), sentence, known=bool(accompanied & formats)))
        return found


def _sibling(source: Source, place: str) -> Source:
    if source.member is not None:
        return Source(source.path, place)
    return Source(source.path.with_name(PurePosixPath(place).name))


def _accompanied(head: bytes, place: str) -> frozenset[str]:
    """Return the formats whose exports contain such a file, which holds no weighings itself."""
    return frozenset(
        name
        for name in FORMATS
        if (accompanies := getattr(reader_of(name), "accompanies", None))
        and accompanies(head, place)
    )
