"""Sources that are not files: queries of databases, and Delta tables.

Both are streamed into a temporary Parquet file, which is read like any other source.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from weightstream.errors import ConfigError, InputError

SYSTEMS = (
    "postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "sqlite", "duckdb", "redshift",
    "snowflake", "bigquery", "trino", "clickhouse", "databricks",
)  # fmt: skip
"""Schemes of URLs that name a database, as SQLAlchemy has them."""
DELTA = "delta+"
"""Before the URL of a Delta table's folder."""
_ROWS = 20_000


def is_database(url: str) -> bool:
    return "://" in url and url.partition("://")[0].partition("+")[0].lower() in SYSTEMS


def with_query(sources: Sequence[str], query: str | None) -> list[str]:
    """Return sources in which every database has its query. Raises ConfigError if one has none."""
    without = [one for one in sources if is_database(one) and "query=" not in one]
    if without and not query:
        name = without[0].partition("?")[0].rpartition("@")[2]
        raise ConfigError(
            f"{name} is a database; give an SQL query with --query (user_id, time, weight and "
            "unit of each reading)"
        )
    if query and not without:
        raise ConfigError("--query is for a SOURCE that is a database's URL without a query")
    asked = f"query={quote(query or '', safe='')}"
    return [
        f"{one}{'&' if '?' in one else '?'}{asked}" if one in without else one for one in sources
    ]


def copy_query(url: str, shown: str, place: Path) -> None:
    """Write the result of the query in a URL to a Parquet file, as text. Raises InputError.

    Rows are streamed if the database's driver supports it.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
    except ModuleNotFoundError as error:
        raise _not_installed(shown, error, "sql") from None
    try:
        address = sqlalchemy.make_url(url)
        query = str(address.query["query"])
        engine = sqlalchemy.create_engine(_driven(address.difference_update_query(["query"])))
        # The query is the user's: a colon or percent sign in it is not a parameter.
        options = {"stream_results": True, "no_parameters": True, "max_row_buffer": _ROWS}
        with engine.connect().execution_options(**options) as connection:
            result = connection.exec_driver_sql(query)
            write_texts(place, list(result.keys()), result.partitions(_ROWS))
    except ModuleNotFoundError as error:
        raise _not_installed(shown, error, "sql") from None
    except NoSuchModuleError as error:
        raise InputError(f"{shown} needs SQLAlchemy's dialect for it: {error}") from None
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        raise InputError(f"{shown}: the query failed ({said})") from None


def _driven(address: Any) -> Any:
    """The address with the driver that the extra `sql` brings. Raises InputError."""
    name = address.get_backend_name()
    if name == "sqlite" and not Path(address.database or "").is_file():
        raise InputError(f"{address.database} does not exist; check the path")  # it would be made
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    return address


def write_texts(place: Path, names: list[str], parts: Iterable[Sequence[Any]]) -> None:
    """Write rows as a Parquet file of text columns. Raises InputError if two have one name."""
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"the query gives two columns called {twice!r}; name one with AS")
    schema = pa.schema([(name, pa.string()) for name in names])
    with pq.ParquetWriter(place, schema) as writer:
        for rows in parts:
            columns = zip(*rows, strict=True)
            arrays = [pa.array(map(_text, column), pa.string()) for column in columns]
            writer.write_table(pa.table(arrays, schema=schema))


def _text(value: Any) -> str | None:
    """A database's value as a file would have it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)


def copy_delta(url: str, shown: str, place: Path) -> None:
    """Write the newest version of a Delta table to a Parquet file. Raises InputError."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError as error:
        raise _not_installed(shown, error, "delta") from None
    try:
        table = DeltaTable(url.removeprefix(DELTA)).to_pyarrow_dataset()
        names = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
        batches: Iterator[pa.RecordBatch] = table.to_batches(columns=names, batch_size=65_536)
        schema = pa.schema([table.schema.field(name) for name in names])
        with pq.ParquetWriter(place, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{shown} cannot be read as a Delta table ({said})") from None


def _not_installed(shown: str, error: ModuleNotFoundError, extra: str) -> InputError:
    return InputError(
        f"{shown} needs {error.name}, which is not installed; run "
        f"`pip install 'weightstream[{extra}]'`, or install the driver of your database"
    )
