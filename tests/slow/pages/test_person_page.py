"""The page of a person in a browser."""

import shutil
from math import nan
from pathlib import Path
from typing import Any

import pytest

from weightstream.judging.explanation import explain
from weightstream.outputs.pages import page
from weightstream.outputs.pages.person import Person
from weightstream.outputs.pages.template import VERSION
from weightstream.schema import REASONS

pytestmark = pytest.mark.slow

EVENTFUL = "persons/eventful.html"


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
    tab.locator("#chart").evaluate("chart => chart.scrollIntoView({ block: 'center' })")
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
    tab.mouse.move(at[0] - 1, at[1])
    tab.wait_for_timeout(500)  # the chart looks at a pointer that has come in at its next move
    tab.mouse.move(*at)
    hover = tab.locator("#chart .hoverlayer .hovertext").first
    hover.wait_for()
    text = hover.text_content().replace(" ", "")  # its lines are broken anywhere
    lo, hi = (eventful.columns[f"expected_{end}_kg"][row] for end in ("lo", "hi"))
    kg = eventful.columns["weight_kg"][row]
    said = f"rejected: expected {lo:.1f}-{hi:.1f} kg; {kg:.1f} looks like pounds read as kg: "
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
    level = round(eventful.columns["level_kg"][-1], 3)
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
    drawn = len(shown_readings(tab))
    assert 800 < drawn < 2000  # of readings that cover each other one is drawn


def test_what_happened_is_marked(viewer: Any) -> None:
    tab = viewer.person("eventful")
    said = tab.locator("#summary p").first.inner_text()
    assert "in 4 weeks (" in said
    assert "Since 2 Mar 2022: " in said
    alert = tab.locator("#summary .alert").inner_text()
    assert "Unusual change: −3.1 kg in 7 days" in alert
    assert "at most 0.5 false alerts a year" in alert
    notes = tab.evaluate("chart.layout.annotations.map(a => a.text)")
    assert any("level shift −4.0 kg" in note for note in notes)
    assert any("days<br>no reading" in note for note in notes)
    assert any(name.startswith("Projected for ") for name in facts(tab))
    keys = tab.locator("#legend .key").all_inner_texts()
    assert {"a reviewer decided", "alert"} <= {*keys}
    few = viewer.person("once").locator("#legend .key").all_inner_texts()
    assert "a reviewer decided" not in few
    bands = tab.evaluate("chart.data.filter(t => t.yaxis === 'y2' && t.fill).map(t => t.y.length)")
    assert bands[0] > 100  # the rate's interval
    log = tab.locator("#log tbody").inner_text()
    while tab.locator("#log button.more").count():
        tab.locator("#log button.more").click()
        log = tab.locator("#log tbody").inner_text()
    assert "Set to accepted by Dr Berg on 2024-05-01: seen" in log
    assert "Before (causal): rejected, looks like two digits swapped: 81.0 kg" in log
    rejected = len(tab.evaluate("chart.data.find(t => t.name === 'rejected').customdata"))
    tab.locator("#legend .chip", has_text="As first decided").click()
    tab.wait_for_function(
        "n => chart.data.find(t => t.name === 'rejected').customdata.length > n", arg=rejected
    )
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


def test_copies_are_a_class_of_their_own(viewer: Any) -> None:
    """0.1 showed "41 rejected (34.2 %)" in red, 40 of them copies."""
    tab = viewer.person("mirrored")
    assert facts(tab)["Copies"] == "40"
    readings = tab.locator("#facts .fact", has_text="Readings").first
    assert "1 rejected (0.8\u00a0%)" in readings.inner_text()
    copies = [n for n in range(120) if n % 3 == 1 and n != 50]
    assert set(copies).isdisjoint(shown_readings(tab))
    tab.locator("#legend .chip", has_text="copies (").click()
    assert set(copies) <= {*shown_readings(tab)}
    tab.locator("#which button[value=rejected]").click()
    assert tab.locator("#log tbody tr").count() == 1
    tab.locator("#which button[value=copies]").click()
    assert tab.locator("#log tbody tr").count() == 40
    assert tab.locator("#log tbody .verdict").first.inner_text() == "copy"
    assert viewer.person("once").locator("#which button[value=copies]").is_hidden()


def test_the_zone_and_the_sources_clock_are_named(viewer: Any) -> None:
    """0.1 named no zone, and showed 06:03+01:00 as 05:03."""
    tab = viewer.person("mirrored")
    assert tab.locator("#log th").first.inner_text() == "Time (Europe/Oslo)"
    about = tab.locator("#about").inner_text()
    assert "Times in Europe/Oslo" in about
    assert " by weightstream " in about
    assert "UTC+05:30" in tab.locator("#log td").first.inner_text()


def test_a_click_on_a_decision_shows_its_reading_whatever_is_hidden(viewer: Any) -> None:
    tab = viewer.person("mirrored")
    tab.locator("#which button[value=copies]").click()
    tab.locator("#log td[data-label=Time] button").last.click()
    tab.locator("#chart .hoverlayer .hovertext").first.wait_for()
    assert "copy" in tab.locator("#spoken").inner_text()
    assert tab.evaluate("location.hash.length") == 17
    tab.reload()  # the address leads back to it
    tab.locator("#chart .hoverlayer .hovertext").first.wait_for()


def test_each_decision_offers_its_command(viewer: Any, eventful: Person) -> None:
    tab = viewer.person("eventful")
    tab.locator("#log .correct summary").first.click()
    command = tab.locator("#log .correct code").first.inner_text()
    opposite = {"accepted": "reject", "rejected": "accept"}[eventful.columns["verdict"][-1]]
    name = eventful.columns["measurement_id"][-1]
    assert command == f"weightstream override {name} {opposite} --by NAME"


def test_an_arrow_points_to_what_it_should_have_been_while_pointed_at(viewer: Any) -> None:
    tab = viewer.person("eventful")
    assert tab.locator("#hint path").count() == 0
    tab.locator("#which button[value=rejected]").click()
    row = tab.locator("#log tbody tr", has_text="pounds read as kg").first
    row.locator("button.link").first.click()
    tab.locator("#hint path").wait_for(state="attached")
    tab.locator("#legend .chip", has_text="what it should have been").click()
    shown = "chart.data.find(t => t.name === 'what it should have been').x.length"
    assert tab.evaluate(shown) >= 3  # all of them


def test_what_is_seen_can_be_taken_along(viewer: Any, eventful: Person) -> None:
    tab = viewer.person("eventful")
    with tab.expect_download() as waiting:
        tab.locator("#csv").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert lines[0].startswith("measurement_id,effective_at,source,weight_kg,verdict")
    assert len(lines) == 201
    with tab.expect_download() as waiting:
        tab.locator("#png").click()
    assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("kg", "digits", "said"),
    [(92.35, 1, "92.4"), (0.95, 1, "1.0"), (92.349, 1, "92.3"), (1.005, 2, "1.01")],
)
def test_a_number_is_rounded_once(viewer: Any, kg: float, digits: int, said: str) -> None:
    """0.1: 92.35 was 92.3."""
    tab = viewer.person("once")
    assert tab.evaluate("([kg, digits]) => Words.fixed(kg, digits)", [kg, digits]) == said


def test_the_band_follows_what_is_known_in_a_gap(
    viewer: Any, dashboards: Path, make_person: Any
) -> None:
    """0.1: two readings nine years apart had a solid line and two kg around it."""
    person = make_person(2, 8, "nine-years")
    person.columns["effective_at"][:] = ["2015-05-01T07:00:00Z", "2024-05-01T07:00:00Z"]
    name = page.file_name(person.user_id, "id")
    page.write_page(dashboards / page.PERSONS / name, page.person_page(person))
    tab = viewer.person("nine-years")
    assert tab.evaluate("Columns.prepare(Common.data()).gaps") == [1]
    widest = tab.evaluate(
        """(() => {
          const ground = t => t.fill === "toself" && t.yaxis === "y" && t.x.length > 9;
          const level = chart.data.find(ground);
          const y = level.y.filter(v => v !== null);
          return Math.max(...y) - Math.min(...y);
        })()"""
    )
    assert widest > 14
    solid = tab.evaluate(
        "chart.data.find(t => t.name?.startsWith('level,')).y.filter(v => v !== null)"
    )
    assert len(solid) <= 2
    assert "days<br>no reading" in str(tab.evaluate("chart.layout.annotations.map(a => a.text)"))


def test_paper_is_white_and_holds_everything(viewer: Any) -> None:
    tab = viewer.person("eventful", color_scheme="dark")
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.wait_for_function("() => chart.layout.paper_bgcolor === '#ffffff'")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("chart.layout.width") == 680
    log = tab.locator("#log")
    assert log.evaluate("e => e.scrollHeight - e.clientHeight") <= 1
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    tab.wait_for_function("() => chart.layout.paper_bgcolor === '#171e26'")


def test_forced_colours_keep_what_colour_says(viewer: Any) -> None:
    tab = viewer.person("eventful", forced_colors="active")
    adjust = "e => getComputedStyle(e).forcedColorAdjust"
    assert tab.locator("#legend svg").first.evaluate(adjust) == "none"
    assert tab.locator("#units [aria-pressed=true]").evaluate(adjust) == "none"


@pytest.mark.parametrize("library", [None, b"not a script(", b"window.Plotly = {};"])
def test_decisions_are_listed_without_the_charts_library(
    browser: Any, dashboards: Path, tmp_path: Path, library: bytes | None
) -> None:
    """Missing, not readable, or broken."""
    shutil.copytree(dashboards, tmp_path / "pages")
    script = tmp_path / "pages" / "assets" / "plotly.min.js"
    script.unlink()
    if library is not None:
        script.write_bytes(library)
    with browser.new_context(offline=True) as context:
        tab = context.new_page()
        tab.goto((tmp_path / "pages" / EVENTFUL).as_uri())
        tab.wait_for_selector("html[data-ready]", timeout=20_000)
        assert tab.locator("#log tbody tr").count() > 50


def test_without_javascript_the_page_says_so_at_its_top(viewer: Any) -> None:
    context = viewer.browser.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    path = viewer.dashboards / page.PERSONS / page.file_name("once", "id")
    tab.goto(path.as_uri())
    note = tab.locator("noscript")
    assert "JavaScript" in note.inner_text()
    assert note.bounding_box()["y"] < 200


def test_many_rejected_are_a_caution(viewer: Any, dashboards: Path, make_person: Any) -> None:
    person = make_person(20, 8, "mostly-wrong")
    person.columns["verdict"][:18] = ["rejected"] * 18
    person.columns["reason"][:18] = ["outlier"] * 18
    name = page.file_name(person.user_id, "id")
    page.write_page(dashboards / page.PERSONS / name, page.person_page(person))
    tab = viewer.person("mostly-wrong")
    assert "Caution: " in tab.locator("#summary").inner_text()
    assert "Caution" not in viewer.person("daily").locator("#summary").inner_text()


@pytest.mark.parametrize(("name", "zone"), [(EVENTFUL, "Europe/Oslo"), ("index.html", "UTC")])
def test_a_page_tells_its_time_zone_and_what_drew_it_when(
    viewer: Any, name: str, zone: str
) -> None:
    """0.1 named neither: 06:03+01:00 stood as 05:03."""
    told = viewer.open(name).locator("#about").inner_text()
    assert f"Times in {zone} · drawn " in told
    assert f"by weightstream {VERSION}" in told
