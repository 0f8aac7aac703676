"""The newest version of each measurement, told from the order in which they are stored."""

import pyarrow as pa
import pytest

from weightstream.store import reading
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.runs import begin_run

DECISION = (
    "insert into decisions (user_id, effective_at, measurement_id, version, verdict, reason, stage,"
    " model, run) values (?, ?, ?, ?, 'accepted', ?, 'causal', 'm', ?)"
)


@pytest.fixture
def connection(data_dir):
    with open_writer(data_dir) as connection:
        run = begin_run(connection, data_dir / STORE_NAME, "r", "ingest")
        # A reading that was moved stands at the end of one person and at the start of the next.
        versions = [
            ("a", "1", "m1", 2),
            ("a", "2", "m2", 3),
            ("b", "2", "m2", 2),
            ("c", "1", "m3", 1),
        ]
        for user, at, name, count in versions:
            for version in range(1, count + 1):
                row = (user, at, name, version, f"{user}{version}", run)
                connection.execute(DECISION, row)
        yield connection


def test_the_newest_of_each_person_and_measurement(connection):
    found = reading.current(connection, ["c", "a", "b"])
    assert found.schema == reading.CURRENT
    rows = zip(*(found[name].to_pylist() for name in ("measurement_id", "reason")), strict=True)
    assert sorted(rows) == [("m1", "a2"), ("m2", "a3"), ("m2", "b2"), ("m3", "c1")]
    assert reading.current(connection, ["nobody"]).equals(reading.CURRENT.empty_table())


def test_any_number_of_rows_is_one_table(connection, monkeypatch):
    for rows in (1, 2, 3, 4, 5):
        monkeypatch.setattr(reading, "ROWS_AT_A_TIME", rows)
        found = reading.current(connection, ["a", "b", "c"])
        assert len(found) == 4
        assert all(column.num_chunks <= 1 for column in found.columns)
        assert isinstance(found, pa.Table)
