"""Sets of parameters in the store: what is learnt is what is used."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.errors import ConfigError, StoreError
from weightstream.judging import parameters
from weightstream.simulator.streams import simulate_csv
from weightstream.store import models
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.learning_run import learn_from_store


def test_a_set_survives_text():
    assert parameters.from_json(parameters.to_json(PRIOR)) == PRIOR


def test_a_set_survives_a_file(tmp_path):
    made = replace(PRIOR, name="learnt-7", process=replace(PRIOR.process, water_kg=0.2))
    parameters.write(made, tmp_path / "set.json")
    assert parameters.load(tmp_path / "set.json") == made


def spoilt(**changes):
    """The prior as a file's values, with other values at "a.b.c"."""
    values = {"format": parameters.FORMAT, **json.loads(parameters.to_json(PRIOR))}
    for path, value in changes.items():
        *way, last = path.split("/")
        at = values
        for key in way:
            at = at[key]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no parameters"),
        ("{}", "holds no parameters"),
        (spoilt(process=None), "process is missing"),
        (spoilt(**{"process/water_kg": -1}), "process.water_kg is -1"),
        (spoilt(**{"process/gravity": 1}), "gravity"),
        (spoilt(**{"unknown/noise_kg": "much"}), "unknown.noise_kg is 'much'"),
        (spoilt(**{"unknown/noise_kg": True}), "unknown.noise_kg is True"),
        (spoilt(**{"unknown/error_rate": 1.5}), "unknown.error_rate is 1.5"),
        (spoilt(**{"unknown/bias_kg": float("nan")}), "unknown.bias_kg is nan"),
        (spoilt(**{"unknown/errors": {"gremlins": 1.0}}), "unknown.errors names gremlins"),
        (spoilt(**{"unknown/errors": {}}), "unknown.errors names no reason"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as problem:
        parameters.load(path)
    assert str(path) in str(problem.value)
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_missing_file_and_one_that_cannot_be_written_are_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        parameters.load(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        parameters.write(PRIOR, tmp_path / "none" / "set.json")


def test_a_stored_set_of_another_version_says_what_to_do():
    with pytest.raises(ConfigError, match="run `weightstream learn` again"):
        parameters.from_json('{"name": "learnt-1", "process": {"gravity": 9.81}}')


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
    simulate_csv(source, persons=20, rows=1200, seed=4)
    store_files(data_dir, source)
    config = Config.model_validate({"data": {"data_dir": data_dir}})
    said = learn_from_store(config)
    assert "learnt-1 is the active set" in said
    assert "converged after" in said
    with closing(sqlite3.connect(data_dir / STORE_NAME)) as connection:
        active = connection.execute("select name from models where active").fetchall()
        sources = connection.execute("select count(*) from sources where model = 'learnt-1'")
        assert active == [("learnt-1",)]
        assert sources.fetchone()[0] > 3
    assert learn_from_store(config).startswith("learnt-1 stays\n")
    with open_writer(data_dir) as connection:
        other = replace(PRIOR, name="other", process=replace(PRIOR.process, water_kg=3.0))
        learnt = models.active(connection)
        models.activate(connection, data_dir / STORE_NAME, other, {})
        learn_from_store(config)
        assert replace(models.active(connection), name=learnt.name) == learnt


def test_a_refused_set_leads_back_to_the_prior(data_dir, csv_of, store_files):
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")))
    other = replace(PRIOR, name="other", process=replace(PRIOR.process, water_kg=3.0))
    with open_writer(data_dir) as connection:
        models.activate(connection, data_dir / STORE_NAME, other, {})
        said = learn_from_store(Config.model_validate({"data": {"data_dir": data_dir}}))
        assert "prior-1 is the active set" in said
        assert models.active(connection) == PRIOR


def test_a_refused_set_leaves_the_store_as_it_was(data_dir, csv_of, store_files):
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")))  # one reading cannot be tested
    said = learn_from_store(Config.model_validate({"data": {"data_dir": data_dir}}))
    assert "learnt-1 is refused: " in said
    assert "prior-1 stays" in said
    with closing(sqlite3.connect(data_dir / STORE_NAME)) as connection:
        assert connection.execute("select count(*) from models").fetchone() == (0,)


def test_nothing_stored_is_said(data_dir):
    with open_writer(data_dir):
        pass
    with pytest.raises(StoreError, match="stored yet; ingest"):
        learn_from_store(Config.model_validate({"data": {"data_dir": data_dir}}))
