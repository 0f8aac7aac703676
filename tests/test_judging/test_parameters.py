"""Sets of parameters in the store: what is learnt is what is used."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.errors import StoreError
from weightstream.judging import parameters
from weightstream.simulator.streams import simulate_csv
from weightstream.store import models
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.learning_run import learn_from_store


def test_a_set_survives_text():
    assert parameters.from_json(parameters.to_json(PRIOR)) == PRIOR


def test_the_prior_is_active_until_a_set_is_learnt(data_dir, csv_of, store_files):
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")))
    learnt = replace(PRIOR, name="learnt-1", process=replace(PRIOR.process, water_kg=0.1))
    with open_writer(data_dir) as connection:
        assert models.active(connection) == PRIOR
        connection.execute("update users set dirty = 0")
        models.activate(connection, data_dir / STORE_NAME, learnt, {"scale": 1})
        assert models.active(connection) == learnt
        assert models.next_name(connection) == "learnt-2"
        assert connection.execute("select count(*) from users where dirty").fetchone() == (1,)


def test_learning_makes_a_new_active_set_and_says_what(data_dir, store_files, tmp_path):
    source = tmp_path / "many.csv"
    simulate_csv(source, persons=20, rows=1200, seed=3)
    store_files(data_dir, source)
    config = Config.model_validate({"data": {"data_dir": data_dir}})
    first, second = learn_from_store(config), learn_from_store(config)
    assert "learnt-1 is the active set" in first
    assert "learnt-2 is the active set" in second
    with closing(sqlite3.connect(data_dir / STORE_NAME)) as connection:
        active = connection.execute("select name from models where active").fetchall()
        sources = connection.execute("select count(*) from sources where model = 'learnt-1'")
        assert active == [("learnt-2",)]
        assert sources.fetchone()[0] > 3


def test_nothing_stored_is_said(data_dir):
    with open_writer(data_dir):
        pass
    with pytest.raises(StoreError, match="stored yet; ingest"):
        learn_from_store(Config.model_validate({"data": {"data_dir": data_dir}}))
