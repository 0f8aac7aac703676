"""Requests for slots wait for SQLite's lock; Prefect's own fail when another connection writes."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import httpx
import pytest

pytestmark = pytest.mark.flow  # it makes a server of Prefect's in this process

LOCKED_SECONDS = 0.5


@pytest.fixture
def statuses(migrated, tmp_path):
    """Ask two apps for a slot while another connection writes: Prefect's own, and ours."""
    from prefect.server.api.server import create_api_app
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    from deployments.waiting_server import waiting

    database = tmp_path / "prefect.db"
    shutil.copy(migrated, database)

    async def ask(app, limit: str) -> int:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            made = await client.post("/v2/concurrency_limits/", json={"name": limit, "limit": 1})
            assert made.is_success
            with closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("begin immediate")
                wanted = {"names": [limit], "slots": 1, "lease_duration": 60}
                path = "/v2/concurrency_limits/increment-with-lease"
                asked = asyncio.create_task(client.post(path, json=wanted))
                await asyncio.sleep(LOCKED_SECONDS)
                other.execute("commit")
                return (await asked).status_code

    async def ask_both() -> list[int]:
        makers = {"own": create_api_app, "ours": waiting(create_api_app)}
        return [await ask(make(ignore_cache=True), name) for name, make in makers.items()]

    settings = {PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}"}
    with temporary_settings(settings):
        return asyncio.run(ask_both())


def test_a_request_for_a_slot_waits_for_the_lock(statuses):
    """If Prefect's own does too one day, the module is not needed any more."""
    own, ours = statuses
    assert own >= 500
    assert ours == 200


def test_websockets_are_served_as_before():
    """Events come through one; a dependency that asks for a request would refuse it."""
    from fastapi import Depends, FastAPI, WebSocket
    from fastapi.testclient import TestClient
    from prefect.server.database import provide_database_interface

    from deployments.waiting_server import waiting

    app = waiting(FastAPI)()

    @app.websocket("/in")
    async def receive(socket: WebSocket, database=Depends(provide_database_interface)):  # noqa: B008
        await socket.accept()
        await socket.send_text(type(database).__name__)

    with TestClient(app) as client, client.websocket_connect("/in") as socket:
        assert socket.receive_text() == "PrefectDBInterface"
