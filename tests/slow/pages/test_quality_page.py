"""The page on data quality in a browser."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def document(dashboards: Path) -> Any:
    return json.loads((dashboards / "quality.json").read_text())


def cells(tab: Any, table: str, row: int) -> list[str]:
    return tab.locator(f"#{table} tbody tr").nth(row).locator("td").all_inner_texts()


def drawn(tab: Any) -> dict[str, list[float]]:
    return dict(tab.evaluate("chart.data.map(t => [t.name, t.y])"))


def test_the_list_of_persons_leads_here_and_back(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tab.locator("header a", has_text="Data quality").click()
    tab.wait_for_selector("html[data-ready]")
    assert tab.title() == "Data quality · weightstream"
    tab.locator("header a").click()
    tab.wait_for_selector("#persons")


def test_every_source_has_its_figures(viewer: Any, document: Any, hostile: str) -> None:
    tab = viewer.open("quality.html")
    assert {cells(tab, "sources", row)[0] for row in (0, 1)} == {hostile, "scale"}
    assert tab.title() == "Data quality · weightstream"  # nothing of the name ran
    for row, source in enumerate(document["sources"]):
        shown = cells(tab, "sources", row)
        assert shown[1] == str(source["readings"])
        coverage = source["plausibility"]["coverage_95"]
        assert shown[7].replace("\u00a0", " ") == f"{coverage * 100:.1f} %"
    failed = tab.locator("#limits tr", has_text="✗ failed").all_inner_texts()
    assert len(failed) == len(document["breaches"]) > 0
    for check in document["checks"]:
        if check["status"] == "failed":
            to_do = check["to_do"].replace("`", "")  # commands are shown as code
            assert any(check["said"] in text and to_do in text for text in failed)
    assert "not checked" in tab.locator("#limits").inner_text()


def test_a_source_and_a_measure_are_chosen(viewer: Any, document: Any, hostile: str) -> None:
    tab = viewer.open("quality.html")
    total = document["total"]
    series = drawn(tab)
    plausible = total["plausibility"]
    known = plausible["rejected"] + plausible["copies"]
    assert sum(series["accepted"]) == total["readings"] - known
    assert sum(series["quarantined"]) == 1
    tab.locator("#sources button", has_text="script").click()
    (source,) = (s for s in document["sources"] if s["source"] == hostile)
    series = drawn(tab)
    assert "quarantined" not in series
    seen = sum(sum(series[name]) for name in ("accepted", "copies", "rejected") if name in series)
    assert seen == source["readings"]
    reasons = source["plausibility"]["rejected_reasons"]
    rows = tab.locator("#reasons tbody tr").all_inner_texts()
    assert len(rows) == len(reasons)
    tab.locator("#measure").select_option("coverage")
    assert set(drawn(tab)) == {"inside 95 %", "inside 50 %"}
    assert all(0 <= share <= 1 for share in drawn(tab)["inside 95 %"])
    tab.locator("#measure").select_option("difference")
    weeks = document["weeks"]
    of_source = [i for i, name in enumerate(weeks["source"]) if name == hostile]
    assert drawn(tab)["difference"] == pytest.approx([weeks["difference_kg"][i] for i in of_source])
    tab.locator("summary").click()
    assert cells(tab, "weeks", 0)[0] == weeks["week"][of_source[-1]]


def test_runs_say_what_they_changed(viewer: Any, document: Any) -> None:
    tab = viewer.open("quality.html")
    (run,) = document["runs"]
    assert cells(tab, "runs", 0)[1] == run["kind"]
    assert cells(tab, "runs", 0)[10] == str(run["revised"])


def test_the_chart_follows_the_theme(viewer: Any) -> None:
    tab = viewer.open("quality.html", color_scheme="light")
    tab.locator("#theme").click()
    assert tab.evaluate("chart.layout.paper_bgcolor") == "#171e26"
