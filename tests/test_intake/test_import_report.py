import json
import stat
import sys

import pytest

from weightstream.intake.import_report import EXAMPLES, FILES_SHOWN, to_text
from weightstream.intake.sources import report_of
from weightstream.readers import ReadOptions

BRIEFLY = ("--no-dashboards", "--retro", "off")
HEADER = "user_id,effectiveDateTime,source_type,weight,unit\n"
MIXED = HEADER + (
    "u1,2024-01-31T07:00:00+01:00,s,80,kg\n"
    "u1,2024-01-31T06:00:00Z,s,80,lb\n"
    "u1,2024-02-01 07:00,s,80,kg\n"
    "u1,2024-02-01,s,80,kg\n"
    "u1,2024-02-01,s,80.0,kg\n"
    "u1,soon,s,80,kg\n"
    "u1,2024-02-01,s,23,kg/m2\n"
)


@pytest.fixture
def report(store_files, fresh_dir):
    """The import report of some files."""

    def make(*paths, settings=None, **options):
        stored = store_files(fresh_dir(), *paths, settings=settings, **options)
        return report_of(stored.intake, ReadOptions(**options), "UTC")

    return make


def save(tmp_path, content, name="weights.csv"):
    path = tmp_path / name
    path.write_text(content)
    return path


def test_units_times_and_quarantine_of_a_file(report, tmp_path):
    path = save(tmp_path, MIXED)
    (file,) = report(path)["files"]
    assert (file["file"], file["format"], file["rows_in"]) == (str(path), "csv", 7)
    assert file["units"] == [
        {"unit": "kg", "rows": 4, "because": "each record"},
        {"unit": "lb", "rows": 1, "because": "each record"},
    ]
    zone = {"timezone": "UTC", "because": "data.timezone"}
    assert file["times"] == [
        {"written": "with an offset", "rows": 2},
        {"written": "without an offset", "rows": 1} | zone,
        {"written": "a date alone", "rows": 2} | zone,
    ]
    assert {reason: found["rows"] for reason, found in file["quarantined"].items()} == {
        "bad_timestamp": 1,
        "not_body_weight": 1,
    }
    (example,) = file["quarantined"]["bad_timestamp"]["examples"]
    assert (example["line"], example["time"], example["user_id"]) == (7, "soon", "u1")
    assert "'soon' cannot be read as a time" in example["detail"]


def test_the_timezone_that_a_person_gave(report, tmp_path):
    (file,) = report(save(tmp_path, MIXED), timezone="Europe/Oslo")["files"]
    assert file["times"][1]["timezone"] == "Europe/Oslo"
    assert file["times"][1]["because"] == "--timezone"


@pytest.mark.parametrize("block_bytes", [50, 4 << 20])
def test_examples_are_the_first_of_each_reason_of_each_file(report, tmp_path, block_bytes):
    bad = "u1,2024-01-01,s,x,kg\nu1,2024-01-01,s,80,stone?\n" * 10
    paths = [save(tmp_path, HEADER + bad, f"{name}.csv") for name in "ab"]
    for file in report(*paths, block_bytes=block_bytes)["files"]:
        for first, reason in enumerate(("bad_number", "unknown_unit"), 2):
            found = file["quarantined"][reason]
            assert found["rows"] == 10
            lines = [example["line"] for example in found["examples"]]
            assert lines == [first + 2 * n for n in range(EXAMPLES)]


@pytest.mark.parametrize(
    ("content", "options", "because"),
    [
        ("user_id,date,weight_kg\nu1,2024-01-01,80\n", {}, "its header"),
        ("user_id,date,weight\nu1,2024-01-01,80\n", {"unit": "kg"}, "--unit"),
        ('[{"logId":1,"weight":80,"bmi":25,"date":"01/31/24"}]', {"user": "u"}, "its bmi"),
        ('[{"logId":1,"weight":80,"date":"01/31/24"}]', {"user": "u", "unit": "kg"}, "--unit"),
        ("dateTime,weight,fat,water,lbm\n2024-01-31 07:12,80,1,2,3\n", {"user": "u"}, "the format"),
        ("#Version:5\n#Units:kg\n#date;weight;x\n2024-01-31;80;1\n", {"user": "u"}, "its header"),
        ('Time,Weight,Change,BMI,\n" Jan 31, 2024",\n7:12 AM,80 kg,--,24,\n', {"user": "u"},
         "each record"),
    ],
)  # fmt: skip
def test_who_says_the_unit(report, tmp_path, content, options, because):
    (file,) = report(save(tmp_path, content, "file"), **options)["files"]
    assert file["units"] == [{"unit": "kg", "rows": 1, "because": because}]


def test_a_file_that_is_refused_later_counts_nothing(report, tmp_path):
    ambiguous = "u1,03/04/2024,s,80,kg\n"
    bad = save(tmp_path, HEADER + "u1,NULL,s,80,kg\n" * 9 + ambiguous, "bad.csv")
    whole = report(bad, save(tmp_path, MIXED), tmp_path / "none.csv", block_bytes=40)
    refused, good = whole["files"]
    assert (refused["rows_in"], refused["units"], refused["quarantined"]) == (0, [], {})
    assert "day or the month" in refused["refused"]
    assert good["refused"] is None
    assert [refused["refused"] in whole["refused"], len(whole["refused"])] == [True, 2]


def test_what_was_skipped_and_excluded(report, tmp_path):
    body = '{"resourceType":"Patient","id":"p"}\n{"resourceType":"Patient","id":"q"}\n'
    observation = (
        '{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"29463-7"}]},'
        '"subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-01-31",'
        '"valueQuantity":{"value":80,"unit":"kg"}}\n'
    )
    path = save(tmp_path, body + observation, "bulk.ndjson")
    settings = {"data": {"date_from": "2030-01-01"}}
    (file,) = report(path, settings=settings)["files"]
    assert (file["skipped"], file["excluded"], file["rows_in"]) == (2, 1, 1)
    assert file["excluded_reasons"] == {"outside_date_range": 1}


def test_cells_are_quoted_only_where_they_may_be(report, tmp_path):
    whole = report(save(tmp_path, MIXED))
    with_cells, without = to_text(whole, True), to_text(whole, False)
    assert "quarantined as bad_timestamp: 1 (line 7)" in without
    assert "'soon'" in with_cells
    assert "user_id 'u1'" in with_cells
    assert not {"soon", "u1", "23"} & set(without.replace("'", " ").split())


def test_a_thousand_files_are_not_a_thousand_lines(report, tmp_path):
    paths = [save(tmp_path, MIXED, f"{n}.csv") for n in range(FILES_SHOWN + 3)]
    lines = to_text(report(*paths), False).splitlines()
    assert lines[-1].startswith("and 3 more files")
    assert str(paths[FILES_SHOWN]) not in "".join(lines)


def test_the_commands_report(command, tmp_path, monkeypatch):
    out = tmp_path / "report.json"
    arguments = ["ingest", save(tmp_path, MIXED), "--data-dir", tmp_path / "d", *BRIEFLY]
    ran = command(*arguments, "--json-report", out)
    assert ran.exit_code == 0, ran.output
    (file,) = json.loads(out.read_text())["files"]
    assert (file["rows_in"], file["duplicates"]) == (7, 1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "quarantined as bad_timestamp: 1 (line 7)" in ran.stderr
    assert "soon" not in ran.output  # no terminal: it may be a log
    again = command(*arguments)
    assert "7 rows, 5 duplicates" in again.stderr
    told_anew = command(*arguments, "--json-report", out)
    assert told_anew.exit_code == 0
    assert json.loads(out.read_text())["files"][0]["duplicates"] == 5
    out.write_text("an earlier one")
    refused = command("ingest", tmp_path / "none.csv", "--json-report", out)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert out.read_text() == "an earlier one"


def test_a_report_is_not_written_over_a_source(command, ingested, tmp_path):
    path = save(tmp_path, MIXED)
    ran = command("ingest", path, "--data-dir", tmp_path / "d", "--json-report", path)
    assert ran.exit_code == 2
    assert "is one of the sources; name another file" in ran.stderr
    served = ingested(path, tmp_path / "d", json_report=str(tmp_path / "d/../weights.csv"))
    assert "is one of the sources" in str(served.result)
    assert path.read_text() == MIXED


def test_a_report_that_cannot_be_written_is_said_before_anything_is_read(command, tmp_path):
    data = tmp_path / "d"
    arguments = ["ingest", save(tmp_path, MIXED), "--data-dir", data, *BRIEFLY]
    (tmp_path / "other.txt").write_text("dear diary")
    for place, words in {
        "none/report.json": "No such file",
        "weights.csv/report.json": "Not a directory",
        "r" * 300: "File name too long",
        "other.txt": "is not an earlier report",
    }.items():
        ran = command(*arguments, "--json-report", tmp_path / place)
        assert ran.exit_code == 2, place
        assert words in ran.stderr
        assert (ran.stderr.count("\n"), ran.stdout) == (1, "")
    assert not data.exists()
    assert command(*arguments).exit_code == 0
    store = (data / "weightstream.db").read_bytes()
    assert command(*arguments, "--json-report", data / "weightstream.db").exit_code == 2
    assert (data / "weightstream.db").read_bytes() == store
    assert (tmp_path / "other.txt").read_text() == "dear diary"


def test_a_terminal_is_told_the_cells(report, tmp_path, monkeypatch, capsys):
    from deployments.commands import publish_import_report
    from weightstream.intake.import_report import write_report

    path = tmp_path / "report.json"
    write_report(path, report(save(tmp_path, MIXED)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    publish_import_report(path)
    assert "'soon' cannot be read as a time" in capsys.readouterr().err


def test_the_artifact_names_file_line_and_reason_only(ingested, tmp_path):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:

        def tables():
            only = {"artifacts": {"key": {"any_": ["quarantine"]}}, "limit": 200}
            found = client.request("POST", "/artifacts/filter", json=only).json()
            return [json.loads(one["data"]) for one in found]

        before = len(tables())
        ran = ingested(save(tmp_path, MIXED, "mine.csv"), tmp_path / "d", retro="off")
        assert ran.result.counts["quarantined"] == 2
        assert len(tables()) == before + 1
        assert [
            {"file": "file 1", "line": 7, "reason": "bad_timestamp"},
            {"file": "file 1", "line": 8, "reason": "not_body_weight"},
        ] in tables()
        ingested(save(tmp_path, HEADER + "u1,2024-01-01,s,80,kg\n"), tmp_path / "d", retro="off")
        assert len(tables()) == before + 1


WITH_IDS = "user_id,effectiveDateTime,source_type,weight,unit,id,timestamp\n"


def with_id(day, kg, record="x", user="u1", updated=1):
    return f"{user},2024-01-{day:02},Ann's phone,{kg},kg,{record},2024-02-{updated:02}T00:00:00Z\n"


def test_one_id_for_all_readings_of_a_person_is_told(report, tmp_path):
    own = "".join(with_id(day, 70, f"r{day}", "u2") for day in range(1, 9))
    path = save(tmp_path, WITH_IDS + own + "".join(with_id(day, 80) for day in range(1, 5)))
    found = report(path)
    assert found["files"][0]["shared_ids"] == [{"source": "Ann's phone", "rows": 4}]
    assert 'the source "Ann\'s phone" gives one record id' in to_text(found, with_cells=True)
    assert "(4 readings)" in to_text(found, with_cells=False)
    assert "Ann" not in to_text(found, with_cells=False)


@pytest.mark.parametrize(
    "rows",
    [
        [with_id(1, kg, updated=kg - 79) for kg in range(80, 90)],  # of its weight, again and again
        [with_id(1, 80), with_id(2, 80, updated=2)],  # of its day
        [with_id(day, 80, user=f"u{day}") for day in range(1, 9)],  # of as many persons
    ],
)
def test_corrections_are_not_told_as_shared_ids(report, tmp_path, rows):
    found = report(save(tmp_path, WITH_IDS + "".join(rows)))
    assert found["files"][0]["shared_ids"] == []


def test_an_id_that_comes_with_another_time_each_day(store_files, data_dir, tmp_path, rows_of):
    days = [
        save(tmp_path, WITH_IDS + with_id(day, 80, updated=day), f"{day}.csv") for day in (1, 2, 3)
    ]
    stored = [store_files(data_dir, path) for path in days]
    assert [dict(one.intake.findings[0].shared_ids) for one in stored] == [
        {},
        {},
        {"Ann's phone": 1},
    ]
    standing = "select count(*) from current_decisions where verdict = 'accepted'"
    assert rows_of(data_dir, standing) == [(1,)]
    store_files(data_dir, *days, settings={"data": {"columns": {"record_id": []}}})  # as advised
    assert rows_of(data_dir, standing) == [(3,)]


def test_where_no_report_is_asked_for_the_log_tells(ingested, tmp_path, caplog):
    path = save(tmp_path, WITH_IDS + "".join(with_id(day, 80) for day in range(1, 4)))
    ingested(path, tmp_path / "data", retro="off")
    assert "file 1 of the store gives one record id" in caplog.text
    assert "Ann" not in caplog.text
