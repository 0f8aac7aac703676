"""Accepted readings as FHIR Observations."""

import json

import pytest
from fhir.resources.R4B.observation import Observation

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.outputs.exports.decisions import current_decisions, export_store
from weightstream.outputs.exports.forms import form
from weightstream.store.connection import ReadPool

ODD = 'Ann "Q", Ö\'Neil/Patient/7'
ROWS = [
    *[("a", f"2024-01-{day:02}T07:00:00+01:00", f"80.{day}", "kg") for day in range(1, 9)],
    ("a", "2024-01-09T07:00:00Z", "900"),
    ("b", "2024-01-31T07:12:33.5-08:00", "176.40", "[lb_ap]", "wäge"),
    ("b", "2024-02-01", "12", "stone"),
    ("b", "2024-02-02 07:00", "79000", "g"),
    ("b", "2024-02-03 07:00", "2800", "oz"),
    (ODD, "2024-01-31", "70.25", "kg", "https://a.scale"),
]


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*ROWS))
    return data_dir


def decisions(data_dir):
    with ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        return [row for table in current_decisions(connection, "UTC") for row in table.to_pylist()]


def exported_resources(data_dir, path, user=None):
    config = Config.model_validate({"data": {"data_dir": data_dir}})
    rows = export_store(config, path, user, form(path))
    resources = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(resources) == rows
    return resources


def is_level(resource):
    return "derivedFrom" in resource


def test_accepted_readings_each_with_its_level(store, tmp_path):
    resources = exported_resources(store, tmp_path / "out.fhir.ndjson")
    accepted = [row for row in decisions(store) if row["verdict"] == "accepted"]
    assert len(accepted) == len(ROWS) - 1
    readings = [one for one in resources if not is_level(one)]
    assert [one["id"] for one in readings] == [row["measurement_id"] for row in accepted]
    levels = {one["derivedFrom"][0]["reference"]: one for one in resources if is_level(one)}
    for reading, row in zip(readings, accepted, strict=True):
        level = levels.pop(f"Observation/{reading['id']}")
        assert level["valueQuantity"]["value"] == row["level_kg"]
        assert level["effectiveDateTime"] == reading["effectiveDateTime"] == row["effective_at"]
        ends = [part["valueQuantity"]["value"] for part in level["component"]]
        assert ends == [row["level_lo_kg"], row["level_hi_kg"]]
        assert level["subject"] == reading["subject"]
    assert not levels


def test_every_resource_is_valid(store, tmp_path):
    for resource in exported_resources(store, tmp_path / "out.fhir.ndjson"):
        known = Observation.model_validate(resource)
        assert known.status == "final"
        assert known.subject.identifier.value in ("a", "b", ODD)
        assert known.valueQuantity.system == "http://unitsofmeasure.org"
        codes = [coding.code for coding in known.code.coding or []]
        assert codes == ([] if is_level(resource) else ["29463-7"])


def test_values_are_as_they_were_received(store, tmp_path):
    path = tmp_path / "out.fhir.ndjson"
    exported_resources(store, path, "b")
    quantities = [
        json.loads(line, parse_float=str, parse_int=str)["valueQuantity"]
        for line in path.read_text("utf-8").splitlines()
        if not is_level(json.loads(line))
    ]
    assert [(one["value"], one["code"]) for one in quantities] == [
        ("176.4", "[lb_av]"),
        ("12", "[stone_av]"),
        ("79000", "g"),
        ("2800", "[oz_av]"),
    ]


def test_our_own_reader_finds_the_accepted_readings_and_no_estimate(
    store, store_files, fresh_dir, tmp_path
):
    path = tmp_path / "out.fhir.ndjson"
    resources = exported_resources(store, path)
    again = fresh_dir()
    stored = store_files(again, path)
    (file,) = stored.intake.files
    assert (file.importer, file.quarantined) == ("fhir", 0)
    assert file.skipped == sum(map(is_level, resources))
    names = ("user_id", "effective_at", "source", "weight_kg")
    wanted = [
        [row[name] for name in names] for row in decisions(store) if row["verdict"] == "accepted"
    ]
    assert [[row[name] for name in names] for row in decisions(again)] == wanted


def test_decimal_commas_become_points(store_files, fresh_dir, tmp_path):
    source, data_dir = tmp_path / "commas.csv", fresh_dir()
    source.write_text("user;date;weight;unit\na;2024-01-01;80,50;kg\na;2024-01-02;8e1;kg\n")
    store_files(data_dir, source)
    resources = exported_resources(data_dir, tmp_path / "out.fhir.ndjson")
    values = [one["valueQuantity"]["value"] for one in resources if not is_level(one)]
    assert values == [80.5, 80]


def test_one_form_at_a_time(tmp_path):
    with pytest.raises(ConfigError, match=r"--raw and \.fhir\.ndjson are different exports"):
        form(tmp_path / "out.fhir.ndjson", raw=True)
    with pytest.raises(ConfigError, match="--raw and --package"):
        form(tmp_path / "out", raw=True, package=True)
