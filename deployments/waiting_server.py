"""`prefect`, whose `server start` has slot requests that wait for SQLite's lock instead of failing.

Prefect 3.8 and 3.9 read the limits in a deferred transaction and then write to them. If another
connection writes in between, or at that time, SQLite refuses at once and ignores the busy timeout,
since the transaction's snapshot is old (SQLITE_BUSY_SNAPSHOT). The server answers 503, and the
client repeats the request after 2 to 8 s: 2 or 3 of 32 requests at a limit of 8. A transaction that
is immediate from the start waits for the other one. PostgreSQL is not affected.
A server in the background (`--background`) is a process of Prefect's own, without this.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from prefect.server.api import server
from prefect.server.database import PrefectDBInterface, provide_database_interface
from starlette.requests import HTTPConnection

SLOTS = "/concurrency_limits/increment"


class ImmediateTransactions:
    """Prefect's database interface, whose transactions take the write lock when they begin."""

    def __init__(self, database: PrefectDBInterface) -> None:
        self._database = database

    def session_context(self, begin_transaction: bool = False) -> AbstractAsyncContextManager[Any]:
        return self._database.session_context(begin_transaction, with_for_update=begin_transaction)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def database_of(connection: HTTPConnection) -> Any:
    """Return the database for a request or websocket: one that waits, where it asks for slots."""
    database = provide_database_interface()
    return ImmediateTransactions(database) if SLOTS in connection.url.path else database


def waiting(make_app: Any) -> Any:
    """Return what makes Prefect's API as `make_app` does, with slot requests that wait."""

    def make_waiting(*given: Any, **options: Any) -> FastAPI:
        app: FastAPI = make_app(*given, **options)
        app.dependency_overrides[provide_database_interface] = database_of
        return app

    return make_waiting


def main() -> None:
    from prefect.cli import app

    server.create_api_app = waiting(server.create_api_app)
    app()


if __name__ == "__main__":
    main()
