"""The page of a person in a browser."""

from math import nan
from pathlib import Path
from typing import Any

import pytest

from weightstream.judging.explanation import explain
from weightstream.outputs.pages import page
from weightstream.outputs.pages.person import Person
from weightstream.schema import REASONS

pytestmark = pytest.mark.slow


def shown_readings(tab: Any) -> list[int]:
    """Rows of the readings that the chart draws."""
    return tab.evaluate("document.getElementById('chart').data.flatMap(t => t.customdata || [])")


def facts(tab: Any) -> dict[str, str]:
    boxes = tab.locator("#facts .fact").all()
    return {b.locator(".name").inner_text(): b.locator("strong").inner_text() for b in boxes}


@pytest.mark.parametrize(("user_id", "readings"), [("once", 1), ("thrice", 3), ("eventful", 200)])
def test_every_reading_is_drawn(viewer: Any, user_id: str, readings: int) -> None:
    tab = viewer.person(user_id)
    assert sorted(shown_readings(tab)) == list(range(readings))
    assert facts(tab)["Readings"] == str(readings)
    drawn = tab.locator("#chart .xy .points path.point").count()
    assert drawn >= readings  # alerts and arrows come on top


def test_a_mouse_over_a_rejected_reading_reads_out_why(viewer: Any, eventful: Person) -> None:
    row = max(i for i, r in enumerate(eventful.columns["reason"]) if r == "unit_lb_as_kg")
    suggested = eventful.columns["suggested_kg"][row]
    tab = viewer.person("eventful")
    at = tab.evaluate(
        """row => {
          const chart = document.getElementById("chart"), box = chart.getBoundingClientRect();
          for (const trace of chart.data) {
            const k = (trace.customdata || []).indexOf(row);
            if (k < 0) continue;
            const { xaxis, yaxis } = chart._fullLayout;
            const x = xaxis._offset + xaxis.d2p(trace.x[k]);
            const y = yaxis._offset + yaxis.d2p(trace.y[k]);
            return [box.x + x, box.y + y];
          }
        }""",
        row,
    )
    tab.mouse.move(*at)
    hover = tab.locator("#chart .hoverlayer .hovertext").first
    hover.wait_for()
    text = hover.text_content().replace(" ", "")  # its lines are broken anywhere
    lo, hi = (eventful.columns[f"expected_{end}_kg"][row] for end in ("lo", "hi"))
    kg = eventful.columns["weight_kg"][row]
    said = f"rejected: expected {lo:.1f}-{hi:.1f} kg; {kg:.1f} looks like pounds taken for kg: "
    assert f"{said}{suggested:.1f} kg; probability 0.990".replace(" ", "") in text


@pytest.mark.parametrize("reason", REASONS)
def test_the_list_tells_why_in_the_words_of_the_export(
    viewer: Any, dashboards: Path, make_person: Any, reason: str
) -> None:
    """The page writes the sentence itself, for its units: here it is held against the other."""
    person = make_person(2, 8, f"why-{reason}".replace("_", "-"))
    columns = person.columns
    columns["verdict"][:] = ["accepted" if reason == "ok" else "rejected"] * 2
    columns["reason"][:] = [reason] * 2
    columns["suggested_kg"][:] = [83.04, None]
    columns["p_valid"][:] = [0.0004, None]
    columns["expected_lo_kg"][1] = columns["expected_hi_kg"][1] = None
    name = page.file_name(person.user_id, "id")
    page.write_page(dashboards / page.PERSONS / name, page.person_page(person))
    tab = viewer.person(person.user_id)
    said = tab.locator("#log tbody tr td[data-label=Why]").all_inner_texts()
    figures = ("weight_kg", "expected_lo_kg", "expected_hi_kg", "suggested_kg", "p_valid")
    told = [
        explain(reason, *(nan if columns[key][i] is None else columns[key][i] for key in figures))
        for i in (1, 0)
    ]
    assert said == told


def test_the_keyboard_reaches_every_reading(viewer: Any, make_person: Any) -> None:
    tab = viewer.person("thrice")
    tab.locator("#chart").focus()
    heard = []
    for _ in range(4):
        tab.keyboard.press("ArrowLeft")
        heard.append(tab.locator("#spoken").inner_text())
    kg = [f"{v:.1f} kg" for v in make_person(3, 3).columns["weight_kg"]]
    assert [text[: len(kg[0])] for text in heard] == [kg[2], kg[1], kg[0], kg[0]]


def test_no_two_sources_look_the_same(viewer: Any) -> None:
    looks = viewer.person("once").evaluate(
        """Object.values(Figure.THEMES).map(theme => Array.from({ length: 21 },
             (_, s) => Object.values(Figure.sourceLook(theme, s)).join()))"""
    )
    assert [len(set(theme)) for theme in looks] == [21, 21]


def test_sources_and_rejected_readings_can_be_switched_off(viewer: Any, eventful: Person) -> None:
    tab = viewer.person("eventful")
    tab.locator("#legend .chip", has_text="patient-device").click()
    others = [i for i, s in enumerate(eventful.columns["source"]) if s != "patient-device"]
    assert sorted(shown_readings(tab)) == others
    tab.locator("#legend .chip", has_text="patient-device").click()
    tab.locator("#legend .chip", has_text="rejected (").click()
    accepted = [i for i, v in enumerate(eventful.columns["verdict"]) if v == "accepted"]
    assert sorted(shown_readings(tab)) == accepted


def test_units_change_everywhere_and_are_remembered(viewer: Any, eventful: Person) -> None:
    level = round(eventful.columns["level_kg"][-1], 2)
    tab = viewer.person("eventful")
    tab.locator("#units button[value=lb]").click()
    assert facts(tab)["Level"] == f"{level * 2.2046226218:.1f} lb"
    assert tab.locator("#chart .ytitle").text_content() == "weight, lb"
    assert " lb" in tab.locator("#log tbody td").nth(1).inner_text()
    tab.locator("#units button[value=st]").click()
    stones, pounds = divmod(round(level * 2.2046226218, 1), 14)
    assert facts(tab)["Level"] == f"{stones:.0f} st {pounds:.1f} lb"
    marks = tab.evaluate("[chart.layout.yaxis.tickvals, chart.layout.yaxis.ticktext]")
    assert len(marks[0]) > 2
    for at, text in zip(*marks, strict=True):  # stones have 14 pounds, not ten tenths
        stones, _, pounds = text.partition(" st")
        assert int(stones) + int(pounds or 0) / 14 == pytest.approx(at)
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert " st " in facts(tab)["Level"]


def test_a_range_zooms_in_time_and_fits_the_weight(viewer: Any) -> None:
    tab = viewer.person("daily")
    whole = tab.evaluate("chart.layout.yaxis.range[1] - chart.layout.yaxis.range[0]")
    tab.locator("#ranges button[value='30']").click()
    start, end = tab.evaluate("chart.layout.xaxis.range")
    assert 30 <= (end - start) / 86_400_000 <= 40
    assert tab.evaluate("chart.layout.yaxis.range[1] - chart.layout.yaxis.range[0]") < whole
    assert 0 < len(shown_readings(tab)) < 100
    box = tab.locator("#chart").bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 150)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 150, steps=5)
    tab.mouse.up()
    tab.wait_for_function("end => chart.layout.xaxis.range[1] < end", arg=end)
    assert tab.locator("#ranges button[aria-pressed=true]").count() == 0
    tab.locator("#ranges button[value=all]").click()
    assert len(shown_readings(tab)) == 2000


def test_what_happened_is_marked(viewer: Any) -> None:
    tab = viewer.person("eventful")
    assert "Losing" in tab.locator("#summary").inner_text()
    alert = tab.locator("#summary .alert").inner_text()
    assert "Unusual change: −3.1 kg in 7 days" in alert
    assert "at most 0.5 false alerts a year" in alert
    notes = tab.evaluate("chart.layout.annotations.map(a => a.text)")
    assert any("level shift −4.0 kg" in note for note in notes)
    assert any("days<br>no reading" in note for note in notes)
    assert "In 4 weeks" in facts(tab)
    keys = tab.locator("#legend .key").all_inner_texts()
    assert {"what it should have been", "a person decided", "unusual change"} <= {*keys}
    few = viewer.person("once").locator("#legend .key").all_inner_texts()
    assert "a person decided" not in few
    bars = tab.evaluate("chart.data.filter(t => t.marker?.symbol === 'line-ew-open').map(t => t.y)")
    assert bars == [[-0.9, -0.2]]  # the rate's interval
    log = tab.locator("#log tbody").inner_text()
    while tab.locator("#log button.more").count():
        tab.locator("#log button.more").click()
        log = tab.locator("#log tbody").inner_text()
    assert "Set to accepted by Dr Berg on 2024-05-01: seen" in log
    assert "Before (causal): rejected, looks like two digits swapped: 81.0 kg" in log
    rejected = len(tab.evaluate("chart.data.find(t => t.name === 'rejected').customdata"))
    tab.locator("#legend .chip", has_text="As first decided").click()
    now = len(tab.evaluate("chart.data.find(t => t.name === 'rejected').customdata"))
    assert now == rejected + 1


def test_the_list_of_decisions_can_show_the_rejected_alone(viewer: Any, eventful: Person) -> None:
    tab = viewer.person("eventful")
    tab.locator("#which button[value=rejected]").click()
    rows = tab.locator("#log tbody tr")
    assert rows.count() == eventful.columns["verdict"].count("rejected")
    assert "weights.csv:" in rows.first.inner_text()


def test_times_are_local(viewer: Any, make_person: Any) -> None:
    person = make_person(3, 3)
    first = person.columns["effective_at"][1]
    assert first.endswith("Z")
    hour = (int(first[11:13]) + 1) % 24  # Oslo in winter
    tab = viewer.person("thrice")
    assert f", {hour:02d}:{first[14:16]}" in tab.locator("#log").inner_text()


def test_dark_is_dark_and_stays(viewer: Any) -> None:
    tab = viewer.person("thrice", color_scheme="light")
    color = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(color)
    tab.locator("#theme").click()
    assert tab.evaluate(color) != light
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert tab.evaluate(color) != light
    assert tab.evaluate("chart.layout.paper_bgcolor") == "#171e26"
    follows = viewer.person("thrice", color_scheme="dark")
    assert follows.evaluate(color) == tab.evaluate(color)


def test_a_name_is_text_and_nothing_else(viewer: Any, hostile: str) -> None:
    tab = viewer.person(hostile)
    assert tab.locator("h1").inner_text() == hostile
    assert tab.title() == f"{hostile} · weightstream"
    tab.locator("#chart").focus()
    tab.keyboard.press("ArrowLeft")
    assert hostile in tab.locator("#chart .hoverlayer").text_content()
    fleet = viewer.open("index.html")
    fleet.locator("#search").fill("script")
    assert fleet.locator(".person a").first.inner_text() == hostile
    fleet.locator(".person a").first.click()
    fleet.wait_for_selector("html[data-ready]")
    assert fleet.title() == f"{hostile} · weightstream"
