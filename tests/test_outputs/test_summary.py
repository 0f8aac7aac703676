import json
import re
from pathlib import Path

import pytest

from weightstream.outputs.summary import Summary
from weightstream.schema import OUTCOMES, RETRO_COUNTS

SECONDS = {
    "startup": 4.0,
    "read": 1.0,
    "filter": 2.0,
    "write": 3.0,
    "retro": 1.0,
    "dashboards": 5.0,
}


def summary(**changes):
    counts = dict(zip(OUTCOMES, (900, 50, 20, 20, 7, 3), strict=True))
    given = {"rows_in": 1000, "counts": counts, "users": 9, "seconds": SECONDS | {"total": 20.0}}
    return Summary("run-1", **given | {"peak_rss_mb": 123.456, "sources": 2} | changes)


def test_the_line_of_json_is_that_of_the_contract():
    line = summary(store=Path("/d/weightstream.db")).to_json()
    assert "\n" not in line
    read = json.loads(line)
    assert list(read) == [
        "run_id", "rows_in", "accepted", "rejected", "duplicates", "quarantined", "excluded",
        "failed", "users", "seconds", "rows_per_second", "peak_rss_mb", "store",
        "dashboards_index",
    ]  # fmt: skip
    assert list(read["seconds"]) == [*SECONDS, "total"]
    assert (read["store"], read["dashboards_index"]) == ("/d/weightstream.db", None)
    assert sum(read[name] for name in OUTCOMES) == read["rows_in"]


RETRO = dict(zip(RETRO_COUNTS, (9, 1200, 7, 11, 3), strict=True))


def test_what_retro_did_is_read_by_persons_and_machines():
    told = summary(retro=RETRO, sources=0)
    assert json.loads(told.to_json())["retro"] == RETRO
    line = next(line for line in told.to_text().splitlines() if line.startswith("retro: "))
    assert re.findall(r"\b\d[\d,.]*\b", line) == ["1,200", "9", "7", "11", "3", "0.1"]
    assert "| rejected to accepted | 11 |" in told.to_markdown()
    assert "retro:" not in summary().to_text()
    assert "retro" not in json.loads(summary(retro=RETRO).to_json())  # that line is the contract's


@pytest.mark.parametrize(("total", "rate"), [(20.0, 100.0), (10.0, 0.0), (9.0, 0.0)])
def test_the_rate_leaves_out_startup_retro_and_drawing(total, rate):
    assert summary(seconds=SECONDS | {"total": total}).rows_per_second == rate


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 0),
        ({"problems": ["batch 3 failed"]}, 1),
        ({"problems": ["x is empty"], "unusable_sources": 1}, 1),
        ({"problems": ["x is empty", "y too"], "unusable_sources": 2}, 2),
        ({"sources": 0}, 0),
    ],
)
def test_exit_status(changes, status):
    assert summary(**changes).exit_status == status


def test_what_a_person_reads():
    text = summary(
        store=Path("/d/weightstream.db"), dashboards_index=Path("/d/i.html"), problems=["batch 3"]
    ).to_text()
    assert text.splitlines()[0] == "1,000 rows of 9 persons"
    assert text.splitlines()[-1] == "dashboards: /d/i.html"
    assert "failed: batch 3" in text
    for name in OUTCOMES:
        assert name in text


def test_the_artifact_tells_shares():
    text = summary(problems=["batch 3"]).to_markdown()
    assert "| accepted | 900 | 90.00% |" in text
    assert "batch 3" in text
    assert "| accepted | 0 | 0.00% |" in Summary("run").to_markdown()
