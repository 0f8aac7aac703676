"""The tables under shared/data/reports are judged as expected.csv says, where judging decides."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from weightstream.cli_files import cli


def judged(folder: Path, sources: list[Path], *options: str) -> tuple[list[dict[str, str]], int]:
    """The judged rows, and how many more were duplicates."""
    out = folder / "judged.csv"
    words = ["clean", *map(str, sources), "-o", str(out), "--overwrite", "--json", *options]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads(done.stdout.splitlines()[-1])["duplicates"]


@pytest.mark.parametrize(
    ("name", "options", "reasons", "duplicates"),
    [
        ("34-many-a-day.csv", "", {"ok": 120}, 0),
        ("30b-couple-6.csv", "", {"ok": 40, "other_person": 40}, 0),
        ("50-offset-vs-utc.csv", "", {"ok": 20}, 20),
        ("51-reexport-lb.csv", "", {"ok": 20, "repeat": 20}, 0),
        ("f-withings", "--user me --timezone UTC", {"ok": 15, "repeat": 15}, 0),
        ("f-withings", "--user me --timezone Europe/Paris", {"ok": 15}, 15),
    ],
)
def test_reasons(reports, tmp_path, name, options, reasons, duplicates):
    rows, more = judged(tmp_path, [reports / name], *options.split())
    assert Counter(row["reason"] for row in rows) == reasons
    assert more == duplicates


def test_the_order_of_files_that_tell_one_history_does_not_matter(reports, tmp_path):
    files = [reports / "f-withings" / name for name in ("measures.json", "weight.csv")]
    options = ("--user", "me", "--timezone", "UTC")
    there, back = (judged(tmp_path, some, *options)[0] for some in (files, files[::-1]))
    places = ("file", "line")
    assert [[row[n] for n in row if n not in places] for row in there] == [
        [row[n] for n in row if n not in places] for row in back
    ]


def test_a_time_of_day_that_means_unknown_leaves_the_level_of_bare_dates(reports, tmp_path):
    """Midnights and 23:59:59 are the level that the days alone give."""
    log = json.loads((reports / "79-fitbit-235959.json").read_text())
    entries = log["weight"] if isinstance(log, dict) else log
    dated = [{name: one[name] for name in one if name != "time"} for one in entries]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(dated))
    options = ("--user", "me", "--unit", "kg")
    as_written, _ = judged(tmp_path, [reports / "79-fitbit-235959.json"], *options)
    as_dates, _ = judged(tmp_path, [bare], *options)
    assert [row["level_kg"] for row in as_written] == [row["level_kg"] for row in as_dates]
    assert float(as_written[-1]["level_kg"]) == pytest.approx(80.0, abs=0.1)
