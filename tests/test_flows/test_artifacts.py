"""What Prefect's UI is told of a run."""

import json
from pathlib import Path

import pytest

from flows.artifacts import passed_limits, places
from weightstream.outputs.summary import Summary

NAMED, FOREIGN = "ward-scale", "Canary-phone-of-Xanthippe"


@pytest.fixture
def artifacts(prefect_harness):
    """Of a run, by key."""
    from prefect import get_client

    def of(run_id):
        with get_client(sync_client=True) as client:
            wanted = {"limit": 200, "artifacts": {"flow_run_id": {"any_": [run_id]}}}
            found = client.request("POST", "/artifacts/filter", json=wanted).json()
        return {one["key"]: one["data"] for one in found}

    return of


def test_a_run_tells_counts_sources_and_places(ingested, csv_of, tmp_path, artifacts):
    rows = [("P-1", f"2024-01-{day:02}T07:00:00Z", "80", "kg", NAMED) for day in range(1, 21)]
    rows += [("P-2", f"2024-01-{day:02}T07:00:00Z", "90", "kg", FOREIGN) for day in range(1, 21)]
    rows[30] = ("P-2", "2024-01-11T07:00:00Z", "9", "kg", FOREIGN)
    settings = {f"sources.{NAMED}.noise_kg": 0.5}
    ran = ingested(csv_of(*rows), tmp_path / "data", settings, dashboards=True)
    told = artifacts(ran.result.run_id)
    summary, table = told["summary"], json.loads(told["sources"])
    assert "**40 rows** of 2 persons" in summary
    assert "| rejected | 1 | 2.50% |" in summary
    assert summary.count(", the slowest |") == 1
    assert str(tmp_path / "data/dashboards/index.html") in summary
    assert Path(tmp_path / "data/dashboards/quality.html").is_file()
    by_name = {row["source"]: row for row in table}
    assert by_name.pop(NAMED)["rejected"] == 0
    ((other, row),) = by_name.items()
    assert other.startswith("source ")
    assert (row["readings"], row["rejected"], row["rejected %"]) == (20, 1, 5.0)
    assert summary.index(f"| {other} | 20 | 1 | 5.0 % |") < summary.index(f"| {NAMED} |")
    assert FOREIGN not in str(told)


def test_links_lead_where_pages_are_served_and_nowhere_else():
    index = Path("/srv/store/dashboards/index.html")
    summary = Summary("run", dashboards_index=index, store=Path("/srv/store/weightstream.db"))
    told = places(summary)
    assert f"`{index}`" in told
    assert "](" not in told  # a browser opens no file from a page of Prefect's
    served = places(summary, "https://weights.example.org/pages")
    assert "[dashboards](https://weights.example.org/pages/index.html)" in served
    assert "[data quality](https://weights.example.org/pages/quality.html)" in served


def test_limits_that_are_passed_name_sources_as_the_table_does():
    quality = {
        "sources": [{"source": FOREIGN}],
        "checks": [
            {"source": FOREIGN, "status": "failed", "said": "silent for 9 days"},
            {"source": FOREIGN, "status": "passed", "said": ""},
            {"source": "the newest ingest", "status": "failed", "said": "50.0% of 2 rows"},
        ],
    }
    told = passed_limits(quality, [{"source": "source 1"}])
    assert "- source 1: silent for 9 days" in told
    assert "- the newest ingest: 50.0% of 2 rows" in told
    assert FOREIGN not in told
    assert passed_limits({}, []) == ""


def test_the_page_on_quality_counts_the_run_that_writes_it(ingested, csv_of, tmp_path):
    rows = [("P-1", f"2024-01-{day:02}T07:00:00Z", "80") for day in range(1, 21)]
    page = tmp_path / "data" / "dashboards" / "quality.json"
    settings = {"quality.max_quarantined": 0.4}
    ingested(csv_of(*rows), tmp_path / "data", settings, dashboards=True)
    first = json.loads(page.read_text())
    assert (first["total"]["rows_in"], first["breaches"]) == (20, [])
    ran = ingested(
        csv_of(rows[0], ("P-1", "2024-02-01", "x")), tmp_path / "data", settings, dashboards=True
    )
    told = json.loads(page.read_text())
    newest = told["runs"][0]
    counts = ran.result.counts
    assert {name: newest[name] for name in counts} == counts
    assert (newest["rows_in"], newest["duplicates"], newest["quarantined"]) == (2, 1, 1)
    assert (told["total"]["rows_in"], told["total"]["duplicates"]) == (22, 1)
    assert told["breaches"][0].startswith("the newest ingest: 50.0% of 2 rows")
    # It was under way when the page was written, and would have been for ever.
    assert [run["state"] for run in told["runs"]] == ["completed", "completed"]
    assert b"under way" not in page.with_name("quality.html").read_bytes()


def test_progress_of_a_long_stage_moves_to_its_end(prefect_harness, artifacts, monkeypatch):
    from prefect import flow
    from prefect.runtime import flow_run

    from tasks.runtime import progress

    shown = []
    update = progress.update_progress_artifact
    monkeypatch.setattr(progress, "ARTIFACT_SECONDS", -1.0)
    monkeypatch.setattr(
        progress,
        "update_progress_artifact",
        lambda key, progress, description: (shown.append(progress), update(key, progress)),
    )

    @flow
    def walk():
        steps = progress.Progress()
        steps.begin("write", 4, "rows")
        for _ in range(3):
            steps.advance("write", 1)
        steps.end("write")
        steps.close()
        return str(flow_run.get_id())

    run_id = walk()
    assert shown == [50.0, 75.0, 100.0]
    assert artifacts(run_id) == {"progress-write": 100.0}
