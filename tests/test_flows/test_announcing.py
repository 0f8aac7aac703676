"""New alerts and limits reach the addresses of [notify], each alert once at most."""

import shutil
import socket
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest

from flows.notices import deliver
from tests.smtp_sink import smtp_sink
from weightstream.config import Config
from weightstream.store.alert_statuses import announce, say
from weightstream.store.connection import open_writer, transaction

SENTENCE = "2 persons with a new alert; see https://weights.example.org/index.html#filter=alert"


def test_a_mail_arrives_as_it_was_written():
    with smtp_sink() as (url, mails):
        assert deliver([url], "weightstream: a store has news", SENTENCE) == []
    (mail,) = mails
    assert b"Subject: weightstream: a store has news" in mail
    assert SENTENCE.encode() in mail.replace(b"=\r\n", b"").replace(b"=3D", b"=")


def test_an_address_that_is_not_reached_is_named_by_its_number_and_stops_no_other():
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    lost = f"mailto://{nobody}?from=secret@example.org&to=team@example.org"
    with smtp_sink() as (url, mails):
        problems = deliver([lost, f"http://{nobody}/secret", "$NOT_SET", url], "news", SENTENCE)
    assert len(mails) == 1
    assert [said[:35] for said in problems] == [
        "address 1 of notify.urls was not re",
        "address 2 of notify.urls was not re",
        "notify.urls contains something that",
    ]
    assert "secret" not in " ".join(problems)


def test_an_alert_is_announced_once_and_another_of_the_person_too(store_files, csv_of, fresh_dir):
    folder = fresh_dir()
    store_files(folder, csv_of(("ann", "2024-05-01T07:00:00Z", "80")))
    keys = [("ann", "unusual", "2024-05-01"), ("bob", "unusual", "2024-05-01")]
    with open_writer(folder) as connection:
        with transaction(connection):
            assert announce(connection, keys) == 2
            assert announce(connection, keys) == 0
        with transaction(connection):
            assert announce(connection, [*keys, ("ann", "rapid_gain", "2024-05-01")]) == 1


def gaining(csv_of, days):
    """Two persons weighed daily, who gain 1.6 kg a day from the 40th day on; one who does not."""
    kg = {"ann": 80.0, "bob": 70.0, "calm": 90.0}
    rows = [
        (user, f"{date(2024, 5, 1) + timedelta(days=n)}T06:00:00Z", f"{start + more:.1f}")
        for user, start in kg.items()
        for n in days
        for more in [0.1 * (n % 3) + (1.6 * max(0, n - 39) if user != "calm" else 0.0)]
    ]
    return csv_of(*rows)


@pytest.fixture
def served_nowhere(monkeypatch):
    """The run finds no server, as one of `weightstream ingest` on a laptop."""
    monkeypatch.setattr("flows.events.on_server", lambda: False)


@pytest.mark.usefixtures("served_nowhere")
def test_each_alert_is_mailed_once_whatever_becomes_of_pages_and_status(
    ingested, csv_of, fresh_dir
):
    folder = fresh_dir()
    with smtp_sink() as (url, mails):
        told = {"notify.urls": [url], "visualization.base_url": "https://weights.example.org"}
        run = {"settings": told, "dashboards": True}
        assert ingested(gaining(csv_of, range(42)), folder, **run).state.name == "Completed"
        assert len(mails) == 1
        assert SENTENCE.encode() in mails[0].replace(b"=\r\n", b"").replace(b"=3D", b"=")
        assert b"ann" not in mails[0]
        again = gaining(csv_of, range(43))
        ingested(again, folder, **run)  # a day more of the same gain
        shutil.rmtree(folder / "dashboards")
        ingested(again, folder, **run)
        with closing(sqlite3.connect(folder / "weightstream.db")) as connection:
            keys = connection.execute(
                "select user_id, kind, began from announced_alerts where user_id = 'ann'"
            ).fetchall()
        config = Config.model_validate({"data": {"data_dir": folder}})
        for key in keys:
            say(config, tuple(key), "closed", "Dr Berg")
            say(config, tuple(key), "new", "Dr Berg")
        ingested(again, folder, **run)
        assert len(mails) == 1


@pytest.mark.usefixtures("served_nowhere")
def test_a_mail_server_that_is_down_degrades_the_run_and_loses_no_row(ingested, csv_of, fresh_dir):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    told = {"notify.urls": [f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org"]}
    ran = ingested(gaining(csv_of, range(42)), fresh_dir(), told, dashboards=True)
    assert ran.state.name == "Degraded"
    assert ran.result.exit_status == 1
    assert ran.result.counts["accepted"] + ran.result.counts["rejected"] == 126
    assert "address 1 of notify.urls was not reached" in ran.state.message
