"""Two stores on one server: each has its files, its worker and its metrics."""

import sqlite3
from contextlib import closing

import httpx
import pytest

from tests.slow.conftest import PROGRAM
from tests.slow.served.conftest import free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

STORES = {"": "P-first", "clinic": "P-clinic"}


def named(name):
    return ["--name", name] if name else []


def test_two_stores_share_a_server_and_nothing_else(serve, tmp_path):
    config, port = tmp_path / "some.toml", free_port()
    config.write_text("data.inbox_rest_seconds = 0.2\nschedule.inbox = ''\n")
    metrics = {"PREFECT_CLIENT_METRICS_ENABLED": "1", "PREFECT_CLIENT_METRICS_PORT": str(port)}
    with serve() as served:
        for name, person in STORES.items():
            data = tmp_path / f"data-{name}"
            where = ["--config", config, "--data-dir", data]
            status, said = served.run("server", "setup", *named(name), *where)
            assert status == 0, said
            (data / "inbox/a.csv").write_text(
                f"user_id,date,weight,unit\n{person},2024-01-01,80,kg\n{person},2024-01-02,81,kg\n"
            )
            served.settings |= {} if name else metrics  # two workers cannot have one port
            served.logged(f"worker{name}", "-c", PROGRAM, "server", "serve", *named(name))
            for variable in metrics:
                served.settings.pop(variable, None)
        for name, person in STORES.items():
            inline = ["-p", "retro=inline"]
            status, said = served.run("server", "run", "ingest/inbox", *inline, *named(name))
            assert status == 0, said
            with closing(sqlite3.connect(tmp_path / f"data-{name}/weightstream.db")) as store:
                assert store.execute("select user_id, readings from users").fetchall() == [
                    (person, 2)
                ]
            status, said = served.run("server", "check", *named(name))
            assert status == 0, said
        scraped = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'weightstream_rows_total{outcome="accepted"} 2.0' in scraped
        assert "prefect_" in scraped or "python_info" in scraped
        assert httpx.get(f"{served.url}/metrics").status_code == 200
