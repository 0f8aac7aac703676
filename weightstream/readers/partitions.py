"""Columns that the names of folders give: user_id=7/year=2024/part-0.parquet, as Hive writes them.

Spark, DuckDB, PyArrow and others leave these columns out of the files themselves.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from weightstream.readers.assembling import constant
from weightstream.readers.source import Source

_NULL = "__HIVE_DEFAULT_PARTITION__"
"""The name of the folder of rows without a value."""
Folders = dict[str, str | None]


def folder_columns(source: Source, names: Sequence[str]) -> Folders:
    """Return the columns that the folders of a file, or of a member of a zip file, give.

    names: the columns of the file itself, which go before a folder's of the same name.
    """
    place = str(source.path) if source.member is None else f"{source.path}/{source.member}"
    own = {name.strip().casefold() for name in names}
    columns: Folders = {}
    for folder in place.split("/")[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name and unquote(name).strip().casefold() not in own:
            columns[unquote(name).strip()] = None if value == _NULL else unquote(value)
    return columns


def constant_cells(value: str | None, count: int) -> Any:
    """Return (count,) the texts of a folder's column."""
    return pa.nulls(count, pa.string()) if value is None else constant(value, count)
