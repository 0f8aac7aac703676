"""What a store holds of some persons, as a small store in memory that can travel.

A worker on another machine does not reach the store's file. What judges, smooths and draws asks a
connection; with an excerpt it asks the same questions and gets the same answers.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from weightstream.store.connection import LOCK_SECONDS, explained

EMPTY = frozenset({"quarantine", "erasures"})
"""Tables that no judgement reads."""
REFERRED = {
    "files": "select file from measurements",
    "runs": "select run from measurements union select run from decisions",
}
"""Tables of which only the rows that the persons' own rows name are taken."""
ASSIGNED_TO_THEM = (
    "insert or ignore into wanted select user_id from store.overrides "
    "where assigned_to in (select user_id from wanted)"
)
"""Readings that were received for other persons come with the rows of those."""


def excerpt(path: Path, user_ids: Sequence[str]) -> bytes:
    """The store's tables and views with the rows of user_ids alone, as SQLite's own bytes.

    Tables without persons come whole. All is read in one transaction. Raises StoreError.
    """
    with (
        explained(path),
        closing(sqlite3.connect(":memory:", uri=True, timeout=LOCK_SECONDS)) as connection,
    ):
        connection.isolation_level = None
        connection.execute("pragma temp_store = memory")
        connection.execute("attach ? as store", (f"{path.absolute().as_uri()}?mode=ro",))
        connection.execute("begin")
        connection.execute("create temp table wanted (user_id text primary key) without rowid")
        connection.execute(
            "insert into wanted select value from json_each(?)", (json.dumps(list(user_ids)),)
        )
        connection.execute(ASSIGNED_TO_THEM)
        made = connection.execute(
            "select type, name, sql from store.sqlite_master where type in ('table', 'view') "
            "and name not like 'sqlite#_%' escape '#' "
            "order by type, name in ('files', 'runs')"  # these after what refers to them
        )
        for kind, name, statement in made.fetchall():
            connection.execute(statement)
            if kind == "table" and name not in EMPTY:
                _copy(connection, name)
        connection.execute("commit")
        connection.execute("detach store")
        return connection.serialize()


def _copy(connection: sqlite3.Connection, table: str) -> None:
    columns = [name for _, name, *_ in connection.execute(f'pragma main.table_info("{table}")')]
    of_persons = "where user_id in (select user_id from wanted)"
    referred = f"where id in ({REFERRED[table]})" if table in REFERRED else ""
    chosen = of_persons if "user_id" in columns else referred
    connection.execute(f'insert into main."{table}" select * from store."{table}" {chosen}')  # noqa: S608


def opened(image: bytes) -> sqlite3.Connection:
    """A connection to an excerpt."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(image)
    return connection
