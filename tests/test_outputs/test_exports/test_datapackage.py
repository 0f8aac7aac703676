"""A folder that explains itself, and exports as others read them."""

import json

import duckdb
import frictionless
import pandas as pd
import pytest

from tests.running import configured, run
from weightstream.errors import ConfigError
from weightstream.outputs.exports.datapackage import export_package
from weightstream.outputs.exports.decisions import export_store
from weightstream.outputs.exports.received import RECEIVED
from weightstream.schema import EXPORT
from weightstream.store.descriptions import column_of

ODD = 'Ann "Q", Ö\'Neil'


@pytest.fixture(scope="module")
def store(store_files, csv_of, simulated, fresh_dir):
    data_dir = fresh_dir()
    odd = csv_of((ODD, "2024-01-05", "7", "st", 'a "scale", mine'))
    store_files(data_dir, simulated(12, 900), odd)
    return data_dir


@pytest.fixture(scope="module")
def package(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new/package"
    export_store(configured(store), out, None, export_package)
    return out


def test_files_fit_what_is_said_of_them(package):
    report = frictionless.validate(package / "datapackage.json")
    assert report.valid, report.flatten(["type", "message"])
    assert {task.name for task in report.tasks} == {"decisions", "received"}
    assert sum(task.stats["rows"] for task in report.tasks) > 1700


def test_a_file_that_does_not_fit_is_noticed(package, tmp_path):
    for path in package.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    decisions = tmp_path / "decisions.csv"
    decisions.write_text(decisions.read_text("utf-8").replace('"rejected"', '"gone"', 1), "utf-8")
    report = frictionless.validate(tmp_path / "datapackage.json")
    assert not report.valid


def test_every_column_is_described_with_its_unit(package):
    described = json.loads((package / "datapackage.json").read_text("utf-8"))
    for resource, columns in zip(described["resources"], (EXPORT, RECEIVED), strict=True):
        fields = resource["schema"]["fields"]
        assert [field["name"] for field in fields] == columns.names
        for field in fields:
            assert field["description"]
            if field["name"].endswith("_kg"):
                assert field["unit"] == "kg"


def test_what_each_export_column_means_is_written_down():
    assert [name for name in EXPORT.names if column_of("current_decisions", name) is None] == []


def test_the_package_of_one_person(store, tmp_path):
    export_store(configured(store), tmp_path / "p", ODD, export_package)
    for name in ("decisions", "received"):
        assert pd.read_csv(tmp_path / f"p/{name}.csv")["user_id"].to_list() == [ODD]


def test_pandas_and_duckdb_read_what_was_written(store, tmp_path):
    for ending in ("csv", "parquet", "ndjson"):
        export_store(configured(store), tmp_path / f"out.{ending}")
    wanted = pd.read_parquet(tmp_path / "out.parquet")
    from_csv = pd.read_csv(
        tmp_path / "out.csv", dtype={"raw_weight": str, "run_id": str, "measurement_id": str}
    )
    pd.testing.assert_frame_equal(from_csv, wanted, check_dtype=False)
    with duckdb.connect() as database:
        count = "select count(*), count(distinct user_id), sum(weight_kg), max(line) from"
        found = {
            ending: database.execute(f"{count} '{tmp_path}/out.{ending}'").fetchone()
            for ending in ("csv", "parquet", "ndjson")
        }
        names = database.sql(f"from '{tmp_path}/out.ndjson'").columns
    assert names == EXPORT.names
    expected = (len(wanted), wanted["user_id"].nunique(), wanted["line"].max())
    for rows, users, kg, line in found.values():
        assert (rows, users, line) == expected
        assert kg == pytest.approx(wanted["weight_kg"].sum(), rel=1e-12)


def test_a_file_where_the_folder_should_be(store, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is not a folder that can be written to"):
        export_store(configured(store), tmp_path / "file", None, export_package)


def test_the_command(store, tmp_path):
    for arguments in ((tmp_path / "p", "--package"), (tmp_path / "o.csv", "--raw")):
        ran = run("export", *arguments, "--data-dir", store)
        assert ran.exit_code == 0, ran.output
    assert len(list((tmp_path / "p").iterdir())) == 3
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "p/received.csv").read_bytes()
    ran = run("export", tmp_path / "o.fhir.ndjson", "--raw", "--data-dir", store)
    assert (ran.exit_code, ran.stderr.count("different exports")) == (2, 1)
