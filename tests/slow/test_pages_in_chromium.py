"""The pages in a real browser, from disk, with the network cut."""

import os
import runpy
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kaleido import PageGenerator

from weightstream.charts import image, index, page
from weightstream.charts.alerts import Alert
from weightstream.charts.outlook import Outlook
from weightstream.charts.person import EarlierDecision, Override, Person

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = "axe-core@4.14.1"
HOSTILE = "<script>document.title='hacked'</script>"

made_up_person = runpy.run_path(
    str(Path(__file__).parents[1] / "test_charts" / "conftest.py"), run_name="people"
)["made_up_person"]


def eventful_person() -> Person:
    """A person to whom everything happened that a page can show."""
    person = made_up_person(200, 1, "eventful")
    ids, at = person.columns["measurement_id"], person.columns["effective_at"]
    level = person.columns["level_kg"][-1]
    days = range(7, 57, 7)
    return replace(
        person,
        overrides=[Override(ids[50], "accepted", "Dr Berg", "2024-05-01T10:00:00Z", "seen")],
        earlier=[EarlierDecision(ids[60], 1, "causal", "rejected", "digit_swap", 81.0)],
        alerts=[Alert(at[-3], "change", 7.0, -3.1, 0.97)],
        outlook=Outlook(
            -0.9,
            -0.2,
            list(days),
            [level - 0.05 * d for d in days],
            [level - 0.05 * d - 1 for d in days],
            [level - 0.05 * d + 1 for d in days],
        ),
    )


@pytest.fixture(scope="module")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboards")
    page.write_assets(folder)
    people = [
        eventful_person(),
        made_up_person(1, 2, "once"),
        made_up_person(3, 3, "thrice"),
        made_up_person(2000, 4, "daily"),
        made_up_person(30, 5, HOSTILE),
    ]
    people[4].columns["source"][:] = [HOSTILE] * 30
    for person in people:
        name = page.file_name(person.user_id, "id")
        page.write_page(folder / page.PERSONS / name, page.person_page(person, "Europe/Oslo"))
    rows = [index.index_row(person, "id") for person in people]
    many = [rows[0] | {"user_id": f"x-{k:05d}", "alert": None} for k in range(10_000 - len(rows))]
    page.write_page(folder / "index.html", index.index_page(rows + many))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    with playwright.sync_playwright() as play:
        started = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


class Viewer:
    """Opens pages with the network cut; nothing may complain or ask for more than files."""

    def __init__(self, browser: Any, dashboards: Path) -> None:
        self.browser, self.dashboards = browser, dashboards
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def open(self, name: str, size: tuple[int, int] = (1280, 900), **options: Any) -> Any:
        viewport = {"width": size[0], "height": size[1]}
        context = self.browser.new_context(viewport=viewport, offline=True, **options)
        context.set_default_timeout(120_000)  # a machine may be busy
        tab = context.new_page()
        tab.on("request", lambda request: self.asked.append(request.url))
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        tab.goto((self.dashboards / name).as_uri())
        tab.wait_for_selector("html[data-ready]")
        return tab

    def person(self, user_id: str, **options: Any) -> Any:
        return self.open(f"{page.PERSONS}/{page.file_name(user_id, 'id')}", **options)


@pytest.fixture
def viewer(browser: Any, dashboards: Path) -> Iterator[Viewer]:
    viewer = Viewer(browser, dashboards)
    yield viewer
    for context in browser.contexts:
        context.close()
    assert viewer.complaints == []
    assert [url for url in viewer.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def shown_readings(tab: Any) -> list[int]:
    """Rows of the readings that the chart draws."""
    return tab.evaluate("document.getElementById('chart').data.flatMap(t => t.customdata || [])")


def facts(tab: Any) -> dict[str, str]:
    boxes = tab.locator("#facts .fact").all()
    return {b.locator(".name").inner_text(): b.locator("strong").inner_text() for b in boxes}


@pytest.mark.parametrize(("user_id", "readings"), [("once", 1), ("thrice", 3), ("eventful", 200)])
def test_every_reading_is_drawn(viewer: Viewer, user_id: str, readings: int) -> None:
    tab = viewer.person(user_id)
    assert sorted(shown_readings(tab)) == list(range(readings))
    assert facts(tab)["Readings"] == str(readings)
    drawn = tab.locator("#chart .xy .points path.point").count()
    assert drawn >= readings  # alerts and arrows come on top


def test_a_mouse_over_a_rejected_reading_reads_out_why(viewer: Viewer) -> None:
    person = eventful_person()
    row = max(i for i, r in enumerate(person.columns["reason"]) if r == "unit_lb_as_kg")
    suggested = person.columns["suggested_kg"][row]
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
    text = hover.text_content()
    assert "rejected" in text
    assert "Pounds entered as kilograms" in text
    assert f"probably {suggested:.1f} kg" in text


def test_the_keyboard_reaches_every_reading(viewer: Viewer) -> None:
    tab = viewer.person("thrice")
    tab.locator("#chart").focus()
    heard = []
    for _ in range(4):
        tab.keyboard.press("ArrowLeft")
        heard.append(tab.locator("#spoken").inner_text())
    kg = [f"{v:.1f} kg" for v in made_up_person(3, 3).columns["weight_kg"]]
    assert [text[: len(kg[0])] for text in heard] == [kg[2], kg[1], kg[0], kg[0]]


def test_sources_and_rejected_readings_can_be_switched_off(viewer: Viewer) -> None:
    person = eventful_person()
    tab = viewer.person("eventful")
    tab.locator("#legend .chip", has_text="patient-device").click()
    others = [i for i, s in enumerate(person.columns["source"]) if s != "patient-device"]
    assert sorted(shown_readings(tab)) == others
    tab.locator("#legend .chip", has_text="patient-device").click()
    tab.locator("#legend .chip", has_text="rejected (").click()
    accepted = [i for i, v in enumerate(person.columns["verdict"]) if v == "accepted"]
    assert sorted(shown_readings(tab)) == accepted


def test_units_change_everywhere_and_are_remembered(viewer: Viewer) -> None:
    level = round(eventful_person().columns["level_kg"][-1], 2)
    tab = viewer.person("eventful")
    tab.locator("#units button[value=lb]").click()
    assert facts(tab)["Level"] == f"{level * 2.2046226218:.1f} lb"
    assert tab.locator("#chart .ytitle").text_content() == "weight, lb"
    assert " lb" in tab.locator("#log tbody td").nth(1).inner_text()
    tab.locator("#units button[value=st]").click()
    stones, pounds = divmod(round(level * 2.2046226218, 1), 14)
    assert facts(tab)["Level"] == f"{stones:.0f} st {pounds:.1f} lb"
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert " st " in facts(tab)["Level"]


def test_a_range_zooms_in_time_and_fits_the_weight(viewer: Viewer) -> None:
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


def test_what_happened_is_marked(viewer: Viewer) -> None:
    tab = viewer.person("eventful")
    assert "Losing" in tab.locator("#summary").inner_text()
    assert "Unusual change: −3.1 kg in 7 days" in tab.locator("#summary .alert").inner_text()
    notes = tab.evaluate("chart.layout.annotations.map(a => a.text)")
    assert any("level shift −4.0 kg" in note for note in notes)
    assert any("days<br>no reading" in note for note in notes)
    assert "In 4 weeks" in facts(tab)
    log = tab.locator("#log tbody").inner_text()
    while tab.locator("#log button.more").count():
        tab.locator("#log button.more").click()
        log = tab.locator("#log tbody").inner_text()
    assert "Set to accepted by Dr Berg on 2024-05-01: seen" in log
    assert "Before (causal): rejected, two digits swapped; probably 81.0 kg" in log
    rejected = len(tab.evaluate("chart.data.find(t => t.name === 'rejected').customdata"))
    tab.locator("#legend .chip", has_text="As first decided").click()
    now = len(tab.evaluate("chart.data.find(t => t.name === 'rejected').customdata"))
    assert now == rejected + 1


def test_the_list_of_decisions_can_show_the_rejected_alone(viewer: Viewer) -> None:
    person = eventful_person()
    tab = viewer.person("eventful")
    tab.locator("#which button[value=rejected]").click()
    rows = tab.locator("#log tbody tr")
    assert rows.count() == person.columns["verdict"].count("rejected")
    assert "weights.csv:" in rows.first.inner_text()


def test_times_are_local(viewer: Viewer) -> None:
    person = made_up_person(3, 3)
    first = person.columns["effective_at"][1]
    assert first.endswith("Z")
    hour = (int(first[11:13]) + 1) % 24  # Oslo in winter
    tab = viewer.person("thrice")
    assert f", {hour:02d}:{first[14:16]}" in tab.locator("#log").inner_text()


def test_dark_is_dark_and_stays(viewer: Viewer) -> None:
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


def test_a_name_is_text_and_nothing_else(viewer: Viewer) -> None:
    tab = viewer.person(HOSTILE)
    assert tab.locator("h1").inner_text() == HOSTILE
    assert tab.title() == f"{HOSTILE} · weightstream"
    tab.locator("#chart").focus()
    tab.keyboard.press("ArrowLeft")
    assert HOSTILE in tab.locator("#chart .hoverlayer").text_content()
    fleet = viewer.open("index.html")
    fleet.locator("#search").fill("script")
    assert fleet.locator(".person a").first.inner_text() == HOSTILE
    fleet.locator(".person a").first.click()
    fleet.wait_for_selector("html[data-ready]")
    assert fleet.title() == f"{HOSTILE} · weightstream"


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", ["index.html", "persons/eventful.html"])
def test_nothing_sticks_out_at_the_side(viewer: Viewer, name: str, width: int) -> None:
    tab = viewer.open(name, size=(width, 800), has_touch=width < 600, is_mobile=width < 600)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_ten_thousand_persons_open_fast_and_scroll(viewer: Viewer) -> None:
    started = time.perf_counter()
    tab = viewer.open("index.html")
    assert time.perf_counter() - started < 2.0
    assert tab.locator(".person").count() < 60
    assert tab.locator("#count").inner_text() == "10,000 persons"
    tab.evaluate("list.scrollTop = list.scrollHeight")
    tab.wait_for_function(
        "() => [...document.querySelectorAll('.person a')].at(-1).textContent === 'x-09994'"
    )
    usual = tab.evaluate(
        """async () => {
          const took = [];
          for (let top = 0; top < 200000; top += 4000) {
            const before = performance.now();
            list.scrollTop = top;
            list.dispatchEvent(new Event("scroll"));
            list.getBoundingClientRect();
            took.push(performance.now() - before);
            await new Promise(requestAnimationFrame);
          }
          return took.sort((a, b) => a - b)[took.length >> 1];
        }"""
    )
    assert usual < 50  # ms a screenful; about 5 on an idle machine


def test_the_list_searches_sorts_and_filters(viewer: Viewer) -> None:
    tab = viewer.open("index.html")
    names = tab.locator(".person a")
    tab.locator("#search").fill("THRICE")
    assert names.all_inner_texts() == ["thrice"]
    tab.locator("#search").fill("")
    head = tab.locator("#head button", has_text="Readings")
    head.click()
    assert names.first.inner_text() == "daily"
    assert head.locator("xpath=..").get_attribute("aria-sort") == "descending"
    head.click()
    assert names.first.inner_text() == "once"
    tab.locator("#filter").select_option("alert")
    assert names.all_inner_texts() == ["eventful"]
    assert "−3.1 in 7 d" in tab.locator(".person .badge").inner_text()
    tab.locator("#filter").select_option("rejected")
    tab.locator("#limit").fill("101")
    assert tab.locator("#count").inner_text() == "0 of 10,000 persons"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so there is no axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(folder), AXE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.is_file():
        pytest.skip(f"npm could not fetch axe-core: {done.stderr.strip()[-200:]}")
    return source.read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 800)])
@pytest.mark.parametrize("name", ["index.html", "persons/eventful.html", "persons/once.html"])
def test_axe_finds_no_fault(
    viewer: Viewer, axe: str, name: str, size: tuple[int, int], scheme: str
) -> None:
    tab = viewer.open(name, size=size, color_scheme=scheme, bypass_csp=True)
    tab.add_script_tag(content=axe)
    found = tab.evaluate("axe.run({ preload: false }).then(result => result.violations)")
    faults = [(v["id"], v["help"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found]
    assert faults == []


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_pictures_of_several_persons(tmp_path: Path) -> None:
    people = [made_up_person(n, n, f"p{n}") for n in (1, 3, 40)]
    drawn = image.draw_pictures([(p, tmp_path / f"{p.user_id}.png") for p in people], tabs=2)
    assert (drawn.drawn, drawn.failed, drawn.restarts, drawn.problem) == (3, [], 0, None)
    assert {png_size(path) for path in tmp_path.iterdir()} == {(1650, 960)}
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_a_figure_that_cannot_be_drawn_costs_only_itself(tmp_path: Path) -> None:
    broken = made_up_person(5, 1, "broken")
    broken.columns["effective_at"][:] = [None] * 5  # figure.js cannot read it
    people = [made_up_person(5, 2, "a"), broken, made_up_person(5, 3, "b")]
    drawn = image.draw_pictures([(p, tmp_path / f"{p.user_id}.png") for p in people], tabs=1)
    assert drawn.drawn == 2
    assert [path.name for path, _ in drawn.failed] == ["broken.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_a_figure_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = tmp_path / "hang.js"
    hang.write_text(
        "const build = Figure.build;"
        "Figure.build = (d, v) => { while (d.user === 'slow') ; return build(d, v); };"
    )

    def with_hang(**scripts: Any) -> PageGenerator:
        scripts["others"].append((hang.as_uri(), "utf-8"))
        return PageGenerator(**scripts)

    monkeypatch.setattr(image, "PageGenerator", with_hang)
    people = [made_up_person(5, k, name) for k, name in enumerate(["a", "slow", "b"])]
    pictures = tmp_path / "png"
    pictures.mkdir()
    drawn = image.draw_pictures(
        [(p, pictures / f"{p.user_id}.png") for p in people], tabs=1, timeout=8.0
    )
    assert drawn.drawn == 2
    assert [(path.name, why) for path, why in drawn.failed] == [
        ("slow.png", "took longer than 8 s")
    ]
    assert drawn.restarts >= 1


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_a_browser_that_dies_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Watched(image.Kaleido):
        async def open(self) -> None:
            await super().open()
            started.append(self)

    monkeypatch.setattr(image, "Kaleido", Watched)
    pulled = threading.Event()

    def people() -> Iterator[tuple[Person, Path]]:
        for k in range(30):
            if k == 20:
                pulled.set()
            yield made_up_person(50, k, f"p{k}"), tmp_path / f"p{k}.png"

    def kill() -> None:
        pulled.wait(60)
        os.killpg(started[0].subprocess.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    drawn = image.draw_pictures(people(), tabs=1)
    killer.join()
    assert (drawn.drawn, drawn.failed, drawn.restarts) == (30, [], 1)
    assert len(list(tmp_path.glob("*.png"))) == 30
