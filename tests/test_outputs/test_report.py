"""The report: as a document, as text, as a page; who is in it, and how the command ends."""

import json
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from weightstream.cli import cli
from weightstream.config import Config
from weightstream.outputs import report
from weightstream.outputs.pages.page import file_name
from weightstream.outputs.pages.template import ENGLISH, asset_names
from weightstream.store.overriding import OverrideRequest, override

PERSON = "Q7-canary-person"
HOSTILE = "</script><b>scale"
CONTROL = "\x1b[2Jscale"
"""No name of a source; but quarantined rows keep what they said."""


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 7) for day in range(1, 28)]
    rows = [(PERSON, day, f"{80 + n % 2 * 0.3:.1f}", "kg", HOSTILE) for n, day in enumerate(days)]
    rows += [(PERSON, f"{day}T20:00:00Z", "82.9", "kg", "evening") for day in days]
    rows += [(PERSON, "2024-01-01", "x", "kg", HOSTILE), (PERSON, "soon", "80", "kg", HOSTILE)]
    rows += [(PERSON, "2024-01-01", "80", "kg", CONTROL)]
    folder = fresh_dir()
    store_files(folder, csv_of(*rows))
    return folder


def configured(data_dir, **quality):
    return Config.model_validate({"data": {"data_dir": data_dir}, "quality": quality})


def run(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


@pytest.fixture
def limits(tmp_path):
    def write(**values):
        path = tmp_path / "limits.toml"
        path.write_text("[quality]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
        return path

    return write


def test_the_words_of_the_field(store):
    found = report.report_on_store(configured(store))
    (source,) = (s for s in found["sources"] if s["source"] == HOSTILE)
    assert source["rows"] == source["readings"] + 2 == 164
    assert source["conformance"]["reasons"] == {"bad_number": 1, "bad_timestamp": 1}
    assert source["completeness"] == {
        "quarantined": 0, "quarantined_share": 0.0, "reasons": {}, "date_only": 162, "undecided": 0,
    }  # fmt: skip
    plausible = source["plausibility"]
    assert plausible["accepted"] + plausible["rejected"] == 162
    assert (plausible["bias_kg"], plausible["noise_kg"], plausible["error_rate"]) == (0, 0.8, 0.02)
    assert found["total"]["readings"] == 324
    weeks = found["weeks"]
    assert sum(weeks["readings"]) == 324
    assert sum(weeks["quarantined"]) == 3
    assert sum(weeks["quarantined.bad_number"]) == 1
    assert len({len(column) for column in weeks.values()}) == 1


def test_a_source_is_shown_as_it_is_configured(store):
    config = Config.model_validate(
        {"data": {"data_dir": store}, "sources": {"evening": {"bias_kg": 1.25}}}
    )
    found = report.report_on_store(config)
    biases = {s["source"]: s["plausibility"]["bias_kg"] for s in found["sources"]}
    assert biases["evening"] == 1.25


def test_no_person_and_no_file_is_in_it(store):
    done = run("--data-dir", store, "--json")
    files = [store / "dashboards" / name for name in ("quality.html", "quality.json")]
    for text in (done.stdout, done.stderr, *(path.read_text() for path in files)):
        assert PERSON not in text
        assert ".csv" not in text


def test_page_json_and_command_say_the_same(store):
    printed = json.loads(run("--data-dir", store, "--json").stdout)
    assert printed == json.loads((store / "dashboards" / "quality.json").read_text())
    page = (store / "dashboards" / "quality.html").read_text()
    held = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(held) == printed
    assert page.count("</script>") == page.count("<script")
    for name in ("quality.html", "quality.json"):
        assert stat.S_IMODE((store / "dashboards" / name).stat().st_mode) == 0o600


def test_a_report_that_another_run_wrote_is_left_alone(store, tmp_path):
    with closing(sqlite3.connect(store / "weightstream.db")) as connection:
        found = report.write_report(connection, tmp_path, configured(store))
    newest = found["runs"][0]["run"]
    report.tell_end(tmp_path, found, newest, "never ended")
    assert b'"never ended"' in (tmp_path / "quality.html").read_bytes()
    (tmp_path / "quality.json").write_bytes(b"{}")
    report.tell_end(tmp_path, found, newest, "degraded")
    assert (tmp_path / "quality.json").read_bytes() == b"{}"
    assert b'"degraded"' not in (tmp_path / "quality.html").read_bytes()


def test_the_pages_scripts_are_written_too(store):
    run("--data-dir", store)
    page = (store / "dashboards" / "quality.html").read_text()
    wanted = {part.split('"')[0] for part in page.split("assets/")[1:]}
    assert wanted <= {*asset_names(), ENGLISH, "plotly.min.js"}
    assert all((store / "dashboards" / "assets" / name).is_file() for name in wanted)


def test_the_configured_language_reaches_the_pages(store):
    shared = store / "dashboards" / "assets" / "common.js"
    for language in ("nl", "en"):
        settings = {"data": {"data_dir": store}, "visualization": {"language": language}}
        report.report_on_store(Config.model_validate(settings))
        assert f'"language": "{language}"' in shared.read_text()


def test_english_pages_have_english_numbers_in_every_language(store):
    """Among English words 12.345 rows would be twelve."""
    settings = {"data": {"data_dir": store}, "visualization": {"language": "de"}}
    report.report_on_store(Config.model_validate(settings))
    page = (store / "dashboards" / "quality.html").read_text()
    (shared,) = re.findall(r'src="(assets/common[^"]*)"', page)
    assert '"locale": "en-GB"' in (store / "dashboards" / shared).read_text()


def test_a_terminal_is_not_moved_by_a_source(store):
    done = run("--data-dir", store)
    assert "\x1b" not in done.stdout
    assert "?[2Jscale" in done.stdout
    assert str(store / "dashboards" / "quality.html") in done.stdout


def test_check_exits_1_with_one_sentence_for_each_limit_passed(store, limits):
    within = limits(max_difference_kg=9, coverage_50_tolerance=1, coverage_95_tolerance=1)
    assert run("--data-dir", store, "--config", within, "--check").exit_code == 0
    passed = limits(max_rejected=0, max_quarantined=0.001, min_readings=50)
    done = run("--data-dir", store, "--config", passed, "--check", "--json")
    assert done.exit_code == 1
    breaches = json.loads(done.stdout)["breaches"]
    assert breaches
    said = [line for line in done.stderr.splitlines() if line.startswith("beyond its limit: ")]
    assert len(said) == len(breaches)
    assert run("--data-dir", store, "--config", passed).exit_code == 0


@pytest.fixture
def failing(store_files, csv_of, fresh_dir):
    """The scale fails by rejected and by quarantined rows; the clinic passes."""
    days = [f"2024-{month:02}-{day:02}T07:00:00Z" for month in (1, 2, 3) for day in range(1, 28)]
    rows = [(PERSON, day, f"{80 + n % 2 * 0.3:.1f}", "kg", "scale") for n, day in enumerate(days)]
    rows[40:45] = [(*row[:2], "177.0", *row[3:]) for row in rows[40:45]]
    rows += [(PERSON, "2024-03-01", "heavy <b>", "kg", "scale")]
    rows += [("well", day, f"{60 + n % 2 * 0.3:.1f}", "kg", "clinic") for n, day in enumerate(days)]
    store_files(folder := fresh_dir(), csv_of(*rows))
    return folder


def test_the_rows_of_a_failed_check_are_one_click_away(failing):
    limits = {"max_rejected": 0.03, "max_quarantined": 0.001, "min_readings": 50}
    found = report.report_on_store(configured(failing, **limits))
    at = {(c["source"], c["metric"]): c["rows_at"] for c in found["checks"]}
    page, anchor = at["scale", "max_rejected"].split("#")
    text = (failing / "dashboards" / page).read_text()
    section = text.split(f'id="{anchor}"')[1].split("</section>")[0]
    assert section.count("<tr>") == 1 + 5  # the head, and none of the rows that did not fail
    assert section.count("<td>177.0 kg") == 5
    assert "looks like pounds read as kg" in section
    anchor = at["scale", "max_quarantined"].split("#")[1]
    section = text.split(f'id="{anchor}"')[1].split("</section>")[0]
    assert "heavy &lt;b&gt; kg" in section
    assert "bad_number" in section
    assert "max_rejected" not in section
    passed = [c for c in found["checks"] if c["status"] != "failed"]
    assert passed
    assert all(c["rows_at"] is None for c in passed)
    report.report_on_store(configured(failing, max_rejected=1, max_quarantined=1, max_rise=1))
    assert not (failing / "dashboards" / page).exists()


def test_only_what_no_row_can_show_has_no_rows(store_files, csv_of, fresh_dir):
    """A share inside an interval that is too high is of no single reading."""
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 7) for day in range(1, 28, 2)]
    rows = [(PERSON, f"{day}T07:00:00Z", "74.0", "kg", "before") for day in days]
    rows += [(PERSON, f"{day}T11:00:00Z", "71.0", "kg", "after") for day in days]  # dialysis
    store_files(folder := fresh_dir(), csv_of(*rows))
    found = report.report_on_store(configured(folder, weeks=0, min_readings=20))
    failed = [one for one in found["checks"] if one["status"] == "failed"]
    assert {"coverage_50_tolerance", "max_difference_kg"} <= {one["metric"] for one in failed}
    for one in failed:
        too_high = one["metric"].startswith("coverage") and one["observed"] > one["baseline"]
        assert (one["rows_at"] is None) == (too_high or one["source"] == "all sources")


def section_of(folder, found, source, metric):
    (at,) = (
        c["rows_at"] for c in found["checks"] if (c["source"], c["metric"]) == (source, metric)
    )
    page, anchor = at.split("#")
    text = (folder / "dashboards" / page).read_text()
    return text.split(f'id="{anchor}"')[1].split("</section>")[0]


def test_quarantined_rows_are_those_that_the_check_counted(store_files, csv_of, fresh_dir):
    """Not newer rows of other weeks; and those of a file that is read again."""
    days = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 28)]
    rows = [(PERSON, f"{day}T07:00:00Z", "80.0", "kg", "scale") for day in days]
    rows += [(PERSON, day, "heavy", "kg", "scale") for day in days[:9]]
    rows += [(PERSON, "2025-06-02", "later", "kg", "scale")]  # no source has readings of its week
    old = [(PERSON, f"2020-01-{n % 28 + 1:02}", "light", "kg", "scale") for n in range(60)]
    old.append((PERSON, "2020-01-01T07:00:00Z", "80.0", "kg", "scale"))
    store_files(folder := fresh_dir(), new := csv_of(*rows))
    store_files(folder, csv_of(*old))
    limits = {"max_quarantined": 0.001, "min_readings": 50}
    found = report.report_on_store(configured(folder, **limits))
    section = section_of(folder, found, "scale", "max_quarantined")
    assert (section.count("<td>heavy"), section.count("<td>light")) == (9, 0)
    assert "later" not in section
    store_files(folder, new)
    with closing(sqlite3.connect(folder / "weightstream.db")) as opened, opened:
        opened.execute("update runs set rows_in = 90, quarantined = 9")
    found = report.report_on_store(configured(folder, **limits))
    section = section_of(folder, found, "the newest ingest", "max_quarantined")
    assert (section.count("<td>heavy"), section.count("<td>light")) == (9, 0)


def test_what_a_reviewer_rejected_is_counted_and_shown(store_files, csv_of, fresh_dir):
    days = [f"2024-{month:02}-{day:02}T07:00:00Z" for month in (1, 2) for day in range(1, 28)]
    rows = [(PERSON, day, f"{80 + n % 2 * 0.3:.1f}") for n, day in enumerate(days)]
    store_files(folder := fresh_dir(), csv_of(*rows, ("well", days[0], "60")))
    with closing(sqlite3.connect(folder / "weightstream.db")) as opened:
        query = "select measurement_id, line from measurements where user_id = ? limit 2"
        (first, line), (second, other) = opened.execute(query, (PERSON,)).fetchall()
    config = configured(folder, max_rejected=0.01, min_readings=20)
    requests = [(first, "reject", None), (second, "assign", "well")]
    override(config, [OverrideRequest(*one, "eva", None) for one in requests])
    found = report.report_on_store(config)
    (check,) = (
        c for c in found["checks"] if (c["source"], c["metric"]) == ("scale", "max_rejected")
    )
    section = section_of(folder, found, "scale", "max_rejected")
    assert section.count("<tr>") == 1 + round(check["observed"] * check["rows"])
    assert f".csv:{line}</td>" in section
    assert f".csv:{other}</td>" in section


def test_a_reading_is_linked_where_its_page_is_or_is_about_to_be(failing):
    config = configured(failing, max_rejected=0.03, min_readings=50)

    def links(pages_follow):
        dashboards = failing / "dashboards"
        with closing(sqlite3.connect(failing / "weightstream.db")) as opened:
            found = report.write_report(opened, dashboards, config, pages_follow=pages_follow)
        section = section_of(failing, found, "scale", "max_rejected")
        return section.count('<a href="persons/')

    assert (links(pages_follow=False), links(pages_follow=True)) == (0, 5)
    page = failing / "dashboards" / "persons" / file_name(PERSON, "hash")
    page.write_text("drawn")
    assert links(pages_follow=False) == 5


def test_a_damaged_row_leaves_the_report_without_its_rows_alone(store_files, csv_of, fresh_dir):
    days = [f"2024-{month:02}-{day:02}T07:00:00Z" for month in (1, 2, 3) for day in range(1, 28)]
    rows = [(PERSON, day, f"{80 + n % 2 * 0.3:.1f}") for n, day in enumerate(days)]
    rows[40:45] = [(*row[:2], "177.0") for row in rows[40:45]]
    store_files(folder := fresh_dir(), csv_of(*rows, (PERSON, "2024-03-01", "heavy")))
    with closing(sqlite3.connect(folder / "weightstream.db")) as opened, opened:
        opened.execute("update measurements set weight_kg = 80.1 where weight_kg = 80.0")
    limits = {"max_rejected": 0.03, "max_rise": 0.01, "max_quarantined": 0.001, "min_readings": 50}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report.logger, "warning", lambda *told: warned.append(told))
        warned = []
        found = report.report_on_store(configured(folder, **limits))
    assert len(warned) == 1
    assert "is damaged" in warned[0][1]
    section = section_of(folder, found, "scale", "max_rejected")
    assert "is damaged" in section
    assert "<table>" not in section
    assert "heavy" in section_of(folder, found, "scale", "max_quarantined")


def test_without_a_store_one_sentence(tmp_path):
    done = run("--data-dir", tmp_path / "none", "--check")
    assert done.exit_code == 2
    assert "there is no store yet" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path(tmp_path / "none").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(store_files, csv_of, fresh_dir):
    folder = fresh_dir()
    store_files(folder, csv_of(("a", "2024-01-01", "80")))
    (folder / "dashboards").write_text("a file")
    done = run("--data-dir", folder)
    assert done.exit_code == 2
    assert done.stderr == f"weightstream: {folder}/dashboards: cannot be written (File exists)\n"
