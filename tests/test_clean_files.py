"""`weightstream clean`: files to judged files, without a store."""

import csv
import json
import re

import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from tests.running import MAIN, loaded_by, run, run_python
from weightstream.outputs.exports.judged import JUDGED

GOOD = ("a", "2024-01-01T07:00:00Z", "80.0")


def clean(source, out, *options, status=0):
    done = run("clean", source, "-o", out, *options)
    assert done.exit_code == status, done.stderr or done.output
    return done


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summary_of(done):
    return json.loads(done.stdout.splitlines()[-1])


def test_the_decisions_are_those_of_an_ingest_with_retro(
    store_files, smooth, exported, simulated, tmp_path
):
    source = simulated(12, 900)
    stored = store_files(tmp_path / "data", source)
    for stage in ("causal", "retro"):
        if stage == "retro":
            smooth(tmp_path / "data")
        line = summary_of(clean(source, tmp_path / f"{stage}.csv", "--stage", stage, "--json"))
        (tmp_path / "export.csv").write_bytes(exported(tmp_path / "data"))
        expected, found = rows_of(tmp_path / "export.csv"), rows_of(tmp_path / f"{stage}.csv")
        names = [name for name in expected[0] if name in found[0]]
        assert len(names) > 18
        assert [[row[n] for n in names] for row in found] == [
            [row[n] for n in names] for row in expected
        ]
        assert {row["stage"] for row in found} == {stage}
    for outcome in ("duplicates", "quarantined", "excluded"):
        assert line[outcome] == stored.outcomes[outcome]
    parts = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed")
    assert sum(line[name] for name in parts) == line["rows_in"] == 900
    assert line["store"] is None


def test_every_form_holds_the_same_rows(simulated, tmp_path):
    source = simulated(12, 900)
    for name in ("out.csv", "out.parquet", "out.ndjson", "folder"):
        clean(source, tmp_path / name)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.names == JUDGED.names
    data_set = pyarrow.dataset.dataset(tmp_path / "folder").to_table()
    assert data_set.equals(table)
    ids = table["measurement_id"].to_pylist()
    assert [row["measurement_id"] for row in rows_of(tmp_path / "out.csv")] == ids
    lines = (tmp_path / "out.ndjson").read_text().splitlines()
    assert [json.loads(line)["level_kg"] for line in lines] == table["level_kg"].to_pylist()


def test_a_data_set_says_what_it_is_made_of(simulated, tmp_path):
    source = simulated(12, 900)
    line = summary_of(clean(source, tmp_path / "set", "--json"))
    manifest = json.loads((tmp_path / "set/_manifest.json").read_text())
    assert manifest["id"] == line["run_id"]
    assert manifest["counts"]["rows_in"] == manifest["inputs"][0]["rows"] == 900
    assert re.fullmatch("[0-9a-f]{64}", manifest["inputs"][0]["sha256"])
    assert manifest["parameters"]["name"] == "prior-1"
    rows = sum(part["rows"] for part in manifest["parts"])
    assert rows == line["accepted"] + line["rejected"]
    quarantine = pq.read_table(tmp_path / "set/_quarantine.parquet")
    assert len(quarantine) == line["quarantined"] > 0
    assert set(quarantine["file"].to_pylist()) == {str(source)}
    first = (tmp_path / "set/part-00000.parquet").read_bytes()
    clean(source, tmp_path / "set", "--overwrite")
    assert (tmp_path / "set/part-00000.parquet").read_bytes() == first
    assert json.loads((tmp_path / "set/_manifest.json").read_text()) == manifest


@pytest.mark.parametrize("form", ["out.csv", "folder"])
def test_partitions_on_disk_and_threads_change_nothing(form, simulated, tmp_path):
    source = simulated(80, 1500)
    config = tmp_path / "small.toml"
    config.write_text("[data]\nspill_rows = 200\n")
    (tmp_path / "one").mkdir()
    clean(source, tmp_path / "one" / form, "--workers", 1)
    clean(source, tmp_path / form, "--workers", 3, "--config", config)
    if form == "out.csv":
        assert (tmp_path / form).read_bytes() == (tmp_path / "one" / form).read_bytes()
    else:
        read = [
            pyarrow.dataset.dataset(folder / form).to_table().sort_by(
                [("user_id", "ascending"), ("measurement_id", "ascending")]
            )
            for folder in (tmp_path, tmp_path / "one")
        ]  # fmt: skip
        assert read[0].equals(read[1])
    assert {path.name for path in tmp_path.iterdir()} == {"one", form, "small.toml"}


def test_quarantined_rows_go_where_they_are_wanted(csv_of, tmp_path):
    source = csv_of(GOOD, ("a", "2024-01-02", "x"), ("b", "2024-01-02", ""))
    clean(source, tmp_path / "out.csv", "--quarantine", tmp_path / "bad.csv")
    found = [(row["line"], row["reason"], row["weight"]) for row in rows_of(tmp_path / "bad.csv")]
    assert found == [("3", "bad_number", "x"), ("4", "missing_field", "")]


def test_what_reviewers_decided_holds(csv_of, tmp_path):
    days = [("a", f"2024-01-{day:02}T07:00:00Z", "80.0") for day in range(1, 21)]
    source = csv_of(*days, ("a", "2024-01-21T07:00:00Z", "130.0"))
    clean(source, tmp_path / "before.csv")
    before = rows_of(tmp_path / "before.csv")
    assert before[-1]["verdict"] == "rejected"
    words = tmp_path / "words.csv"
    words.write_text(
        "measurement_id,action,user,by,note\n"
        f"{before[-1]['measurement_id']},accept,,eva,seen\n"
        f"{before[3]['measurement_id']},reject,,eva,shoes\n"
        f"{before[4]['measurement_id']},reject,,eva,\n"
        f"{before[4]['measurement_id']},withdraw,,eva,\n"
    )
    clean(source, tmp_path / "after.csv", "--overrides", words)
    after = rows_of(tmp_path / "after.csv")
    assert (after[-1]["verdict"], after[-1]["reason"]) == ("accepted", "override")
    assert (after[3]["verdict"], after[3]["override"], after[3]["override_by"]) == (
        "rejected", "reject", "eva"
    )  # fmt: skip
    assert after[4]["override"] == ""
    words.write_text("measurement_id,action,user,by,note\n0123456789abcdef,accept,,eva,\n")
    done = clean(source, tmp_path / "other.csv", "--overrides", words, status=1)
    assert "1 of 1 overrides name no measurement" in done.stderr + done.stdout
    words.write_text("measurement_id,action,user,by,note\n0123456789abcdef,assign,b,eva,\n")
    done = clean(source, tmp_path / "third.csv", "--overrides", words, status=2)
    assert "line 2: assign" in done.stderr


def test_learnt_parameters_are_used(csv_of, tmp_path):
    from dataclasses import replace

    from weightstream.engine.model import PRIOR
    from weightstream.judging.parameters import write

    source = csv_of(*[("a", f"2024-01-{day:02}T07:00:00Z", "80.0") for day in range(1, 9)])
    parameters = tmp_path / "set.json"
    write(replace(PRIOR, name="mine"), parameters)
    clean(source, tmp_path / "out.csv", "--parameters", parameters)
    assert {row["model"] for row in rows_of(tmp_path / "out.csv")} == {"mine"}
    parameters.write_text('{"name": 3}')
    done = clean(source, tmp_path / "other.csv", "--parameters", parameters, status=2)
    assert "holds no parameters" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["{dir}/good.csv", "-o", "{dir}/out.xlsx"], "must end in"),
        (["{dir}/good.csv", "-o", "{dir}/there.csv"], "--overwrite"),
        (["{dir}/good.csv", "-o", "{dir}/good.csv", "--overwrite"], "is one of the sources"),
        (["{dir}", "-o", "{dir}/out.csv"], "is inside the source"),
        (["{dir}/good.csv", "-o", "{dir}", "--overwrite"], "is inside"),
        (["{dir}/good.csv", "-o", "{dir}/kept", "--overwrite"], "with other content"),
        (["{dir}/good.csv", "-o", "{dir}/no/out.csv"], "there is no folder"),
        (["{dir}/good.csv", "-o", "{dir}/there.csv/out.csv"], "there is no folder"),
        (["{dir}/none.csv", "-o", "{dir}/out.csv"], "none.csv does not exist"),
        (["{dir}/bad.csv", "-o", "{dir}/out.csv"], "no column for"),
        (["{dir}/good.csv", "-o", "{dir}/set", "--quarantine", "{dir}/q.csv"], "--quarantine"),
        (["{dir}/good.csv", "-o", "{dir}/o.csv", "--overrides", "{dir}/bad.csv"], "the header"),
        (["{dir}/good.csv", "-o", "{dir}/o.csv", "--parameters", "{dir}/x.json"], "cannot be read"),
        (["{dir}/good.csv", "-o", "{dir}/o.csv", "--timezone", "Moon"], "Moon"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_is_written(options, words, csv_of, tmp_path):
    (tmp_path / "good.csv").write_bytes(csv_of(GOOD).read_bytes())
    (tmp_path / "bad.csv").write_text("first,second\n1,2\n")
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = run("clean", *(text.format(dir=tmp_path) for text in options))
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.splitlines()[-1].startswith("weightstream: ")
    assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_source_that_cannot_be_used_does_not_stop_the_others(csv_of, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("first,second\n1,2\n")
    done = run("clean", csv_of(GOOD), bad, "-o", tmp_path / "out.csv")
    assert done.exit_code == 1
    assert "bad.csv" in done.stdout + done.stderr
    assert len(rows_of(tmp_path / "out.csv")) == 1


def test_a_batch_that_fails_does_not_stop_the_others(simulated, tmp_path, monkeypatch):
    from weightstream import clean_files

    usual = clean_files.judge

    def judge(part, *given):
        if "P003" in part.take()["user_id"].cast("string").to_pylist():
            raise ZeroDivisionError
        return usual(part, *given)

    monkeypatch.setattr(clean_files, "judge", judge)
    line = summary_of(clean(simulated(12, 900), tmp_path / "out.csv", "--json", status=1))
    assert line["failed"] > 0
    parts = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed")
    assert sum(line[name] for name in parts) == 900
    users = {row["user_id"] for row in rows_of(tmp_path / "out.csv")}
    assert "P003" not in users
    assert len(users) == 11


def test_a_full_disk_leaves_nothing_behind(simulated, tmp_path, monkeypatch):
    from weightstream.outputs.exports import table_files

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(table_files.WRITERS, ".csv", full)
    done = clean(simulated(12, 900), tmp_path / "out.csv", status=2)
    assert "No space left" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.flow
def test_nothing_heavy_is_loaded_and_no_store_made(csv_of, tmp_path):
    loaded = loaded_by(MAIN, "clean", csv_of(GOOD), "-o", tmp_path / "out.csv")
    heavy = {"prefect", "flows", "pandas", "sqlite_utils", "plotly", "narwhals", "scipy", "cffi"}
    assert not heavy & loaded
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert len(rows_of(tmp_path / "out.csv")) == 1


@pytest.mark.flow
def test_why_the_first_time_is_slow_is_said_once_and_where_something_is_compiled():
    program = """
import sys
from numba import njit
from weightstream import hidden_packages

class Compiling:
    def find_spec(self, name, *_):
        if name == "weightstream.engine":
            for _ in range(2):
                njit("f8(f8)")(lambda x: x)

said = []
hidden_packages.load_engine(said.append, alone=False)
print(len(said))
del sys.modules["weightstream.engine"]
sys.meta_path.insert(0, Compiling())
hidden_packages.load_engine(said.append, alone=False)
print(len(said))
"""
    done = run_python(program)
    assert done.stdout.split() == ["0", "1"], done.stderr


def test_read_writes_records_as_they_are_written(csv_of, tmp_path):
    source = csv_of(GOOD, ("a", "2024-01-02", "x"))
    done = run("read", source, "-o", tmp_path / "out.csv")
    assert done.exit_code == 0, done.stderr
    rows = rows_of(tmp_path / "out.csv")
    assert [(row["time"], row["weight"], row["line"]) for row in rows] == [
        ("2024-01-01T07:00:00Z", "80.0", "2"), ("2024-01-02", "x", "3")
    ]  # fmt: skip
    assert "--overwrite" in run("read", source, "-o", tmp_path / "out.csv").stderr


def test_plot_draws_one_person(csv_of, tmp_path):
    source = csv_of(GOOD, ("b", "2024-01-02", "60"))
    done = run("plot", source, "-o", tmp_path / "out.html")
    assert done.exit_code == 2
    assert "2 persons" in done.stderr
    done = run("plot", source, "-o", tmp_path / "out.html", "--person", "b")
    assert done.exit_code == 0, done.stderr
    assert "Plotly.newPlot" in (tmp_path / "out.html").read_text()
    assert "quarantined as" in run("plot", csv_of(GOOD, ("a", "2024-01-02", "x")), "-o",
                                   tmp_path / "b.html").stderr  # fmt: skip
    done = run("plot", source, "-o", tmp_path / "out.svg")
    assert "must end in .html or .png" in done.stderr


def test_pages_are_those_of_an_ingest(store_files, smooth, simulated, tmp_path):
    from weightstream.config_file import load
    from weightstream.engine.model import PRIOR
    from weightstream.judging.causal import judging_of
    from weightstream.outputs.drawing import draw_persons, drawing_of
    from weightstream.outputs.pages.index import read_index
    from weightstream.outputs.pages.page import write_assets
    from weightstream.store import queries
    from weightstream.store.connection import ReadPool

    source = simulated(12, 900)
    (tmp_path / "goals.csv").write_text(f"user_id,kg,by\n{rows_of(source)[0]['user_id']},70,\n")
    settings = tmp_path / "some.toml"
    settings.write_text('visualization.goals_file = "goals.csv"\n')
    asked = ("--config", settings, "--pages", tmp_path / "pages", "--json")
    line = summary_of(clean(source, tmp_path / "out.csv", *asked))
    assert line["dashboards_index"] == str(tmp_path / "pages/index.html")
    store_files(tmp_path / "data", source)
    smooth(tmp_path / "data")
    config = load(settings, {("data", "data_dir"): tmp_path / "data"}).config
    drawing = drawing_of(tmp_path / "drawn", config, judging_of(config, PRIOR))
    write_assets(tmp_path / "drawn")
    with ReadPool(tmp_path / "data", 1) as pool, pool.connection() as connection:
        drawn = draw_persons(connection, drawing, queries.user_ids(connection))
    rows = json.loads(json.dumps(drawn))
    listed = read_index(tmp_path / "pages/index.html")
    assert set(listed) == {row["user_id"] for row in rows}
    for row in rows:
        found = listed[row["user_id"]]
        assert {n: v for n, v in found.items() if n not in ("revision", "alert")} == {
            n: v for n, v in row.items() if n not in ("revision", "alert")
        }
        assert page_data(tmp_path / "pages", row) == page_data(tmp_path / "drawn", row)
    assert [row for row in rows if page_data(tmp_path / "pages", row)["goal"] == [70, None]]
    links = re.findall(r'href="([^":,]+)"', (tmp_path / "pages/index.html").read_text())
    assert [link for link in links if not (tmp_path / "pages" / link).exists()] == []
    (tmp_path / "pages/persons/stale.html").write_text("")
    done = run("clean", source, "-o", tmp_path / "two.csv", "--pages", tmp_path / "pages")
    assert "--overwrite" in done.stderr
    clean(source, tmp_path / "two.csv", "--pages", tmp_path / "pages", "--overwrite")
    assert not (tmp_path / "pages/persons/stale.html").exists()


def page_data(folder, row):
    """What a page holds, but for what only a store knows."""
    text = (folder / "persons" / row["page"]).read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    of_a_store = ("version", "earlier", "file", "files", "stages", "stage", "reasons", "reason")
    return {name: value for name, value in data.items() if name not in of_a_store}


def test_what_is_learnt_from_files_is_judged_by(simulated, tmp_path):
    source = simulated(12, 900)
    done = run("learn", source, "-o", tmp_path / "mine.json")
    assert done.exit_code == 0, done.stderr
    assert "learnt from" in done.stdout
    clean(source, tmp_path / "out.csv", "--parameters", tmp_path / "mine.json")
    assert {row["model"] for row in rows_of(tmp_path / "out.csv")} == {"mine"}
    assert "give both SOURCEs and --out" in run("learn", source).stderr


def test_a_column_and_how_it_is_written_can_be_stated(tmp_path):
    source = tmp_path / "two.csv"
    source.write_text("user_id,date,weight at home,weight at work,unit\na,03/04/2024,80.5,99,kg\n")
    done = run("clean", source, "-o", tmp_path / "out.csv")
    assert done.exit_code == 2
    assert "--column" in done.stderr
    stated = ["--column", "weight=weight at home", "--dates", "dmy"]
    clean(source, tmp_path / "out.csv", *stated)
    (row,) = rows_of(tmp_path / "out.csv")
    assert (row["weight_kg"], row["effective_at"]) == ("80.5", "2024-04-03")
    for wrong, words in (("weight", "takes ROLE=NAME"), ("wait=weight at home", "is not a role")):
        done = run("clean", source, "-o", tmp_path / "no.csv", "--column", wrong)
        assert done.exit_code == 2
        assert words in done.stderr


def test_a_file_that_no_reader_takes_is_told_unless_that_is_ignored(csv_of, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "good.csv").write_bytes(csv_of(GOOD).read_bytes())
    (folder / "notes.txt").write_text("weighed 80 on Monday\n")
    done = clean(folder, tmp_path / "out.csv", status=1)
    assert "notes.txt" in done.stdout
    clean(folder, tmp_path / "two.csv", "--ignore-unreadable")
    assert len(rows_of(tmp_path / "two.csv")) == 1
