"""What was decided by another engine, or stored in another layout, is computed again."""

import numpy as np
import pytest

from weightstream import engine
from weightstream.config import Config
from weightstream.engine import model
from weightstream.engine.model import PRIOR
from weightstream.judging import stored
from weightstream.judging.causal import Judging
from weightstream.judging.stored import pack_state, unpack_state
from weightstream.outputs.status import status_text
from weightstream.store.checksums import renew_all
from weightstream.store.connection import open_writer
from weightstream.store.queries import due, judged_otherwise

LATER = ("a", "2024-01-25T07:00:00Z", "80.5")


def judging():
    return Judging(Config().kalman, {}, PRIOR, "UTC", 1)


def persons_due(data_dir):
    with open_writer(data_dir) as connection:
        return due(connection, judging().fingerprint)[0]


@pytest.mark.parametrize("constant", ["POUNDS_SHARE", "WHOLE_NUMBERS"])
def test_a_constant_of_the_engine_makes_everyone_due(store, monkeypatch, constant):
    assert persons_due(store) == []
    before = judging().fingerprint
    monkeypatch.setattr(model, constant, 0.31)
    assert judging().fingerprint != before
    assert persons_due(store) == ["a", "b"]
    text = status_text(Config.model_validate({"data": {"data_dir": store}}))
    assert "2 persons were judged by another engine" in text


def test_retro_judges_them_and_nobody_is_due(store, monkeypatch, smooth, rows_of):
    monkeypatch.setattr(model, "POUNDS_SHARE", 0.31)
    assert smooth(store)[0] == ["a", "b"]
    assert persons_due(store) == []
    with open_writer(store) as connection:
        assert judged_otherwise(connection, judging().fingerprint) == 0


@pytest.mark.parametrize("what", ["constant", "layout", "size", "nonsense"])
def test_a_later_reading_does_not_go_on_from_such_a_state(
    store, store_files, csv_of, course, fresh_dir, monkeypatch, exported, what
):
    """It comes out as if the whole series had been read now."""
    with open_writer(store) as connection:
        match what:
            case "constant":
                connection.execute("update user_states set basis = 'of another engine'")
            case "layout":
                monkeypatch.setattr(stored, "LAYOUT_HEAD", (99).to_bytes(8, "little"))
            case "size":
                connection.execute("update user_states set state = substr(state, 1, 40)")
            case "nonsense":
                connection.execute("update user_states set state = x'00'")
        renew_all(connection)  # such a state may be stored, other than one that a disk changed
    store_files(store, csv_of(LATER))
    once = fresh_dir()
    store_files(once, csv_of(*course, LATER))
    assert levels(store) == levels(once)


def levels(data_dir):
    with open_writer(data_dir) as connection:
        query = "select user_id, level_kg, trend_kg_per_week from users where user_id = 'a'"
        return connection.execute(query).fetchall()


def test_a_state_survives_its_packing():
    state = np.arange(float(engine.STATE_SIZE))
    assert (unpack_state(pack_state(state)) == state).all()
    assert unpack_state(pack_state(state)[:-1]) is None
    assert unpack_state(b"") is None
