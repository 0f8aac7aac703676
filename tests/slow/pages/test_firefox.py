"""The pages in Firefox: sizes, themes, keyboard, paper, forced colours, and axe-core."""

import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PROGRAM = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
PERSON = "persons/eventful.html"
PAGES = ["index.html", PERSON, "quality.html"]
SIZES = [(390, 800), (820, 1100), (1440, 900)]
LIGHT = {"layout.css.prefers-color-scheme.content-override": 1}
DARK = {"layout.css.prefers-color-scheme.content-override": 0}
FORCED = {"browser.display.document_color_use": 2}
LEFT, TAB = "\ue012", "\ue004"


def started(tmp_path_factory: pytest.TempPathFactory, prefs: dict[str, Any]) -> Iterator[Any]:
    if PROGRAM is None:
        pytest.skip("no Firefox on this machine")
    pytest.importorskip("websockets", reason="websockets is not installed")
    from tests.slow.pages.firefox import firefox

    with firefox(PROGRAM, tmp_path_factory.mktemp("firefox") / "profile", prefs) as browser:
        yield browser


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from started(tmp_path_factory, LIGHT)


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from started(tmp_path_factory, DARK)


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from started(tmp_path_factory, FORCED)


@pytest.fixture
def themed(request: pytest.FixtureRequest) -> Any:
    """The browser of a theme; nothing may complain."""
    browser = request.getfixturevalue(request.param)
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []


def sheets(pdf: bytes) -> int:
    """How many pages a PDF has, whose objects stand in compressed streams."""
    found = 0
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        with suppress(zlib.error):
            found += len(re.findall(rb"/Type */Page\b", zlib.decompress(stream)))
    return found


@pytest.mark.parametrize("themed", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_at_three_sizes_and_axe_finds_no_fault(
    themed: Any, dashboards: Path, axe: str, name: str
) -> None:
    for size in SIZES:
        themed.open(dashboards / name, size)
        assert themed.evaluate("document.documentElement.scrollWidth") <= size[0]
        themed.evaluate(f"(() => {{ {axe}; window.axe = axe; }})()")
        found = themed.evaluate("axe.run({ preload: false }).then(r => r.violations)")
        assert [(fault["id"], fault["help"]) for fault in found] == []


@pytest.mark.parametrize("themed", ["light"], indirect=True)
def test_every_reading_is_drawn(themed: Any, dashboards: Path) -> None:
    themed.open(dashboards / PERSON)
    rows = themed.evaluate("document.getElementById('chart').data.flatMap(t => t.customdata || [])")
    assert sorted(rows) == list(range(200))
    assert themed.evaluate("document.querySelectorAll('#chart .xy .point').length") >= 200


@pytest.mark.parametrize("themed", ["light"], indirect=True)
def test_the_keyboard_alone_reaches_readings_and_filters(themed: Any, dashboards: Path) -> None:
    themed.open(dashboards / PERSON)
    focused = "document.activeElement && document.activeElement.id"
    for _ in range(60):
        themed.press(TAB)
        if themed.evaluate(focused) == "chart":
            break
    assert themed.evaluate(focused) == "chart"
    themed.press(LEFT, LEFT)
    assert "kg" in themed.evaluate("document.getElementById('spoken').textContent")
    themed.open(dashboards / "index.html")
    reached = []
    for _ in range(20):
        themed.press(TAB)
        reached.append(themed.evaluate("document.activeElement.dataset.filter || ''"))
        if themed.evaluate(focused) == "search":
            break
    assert {"all", "alert", "losing", "rejected"} <= set(reached)
    themed.press(*"x-0001")
    assert themed.evaluate("location.hash") == "#search=x-0001"
    assert themed.evaluate("document.getElementById('count').textContent") == "10 of 10,000 persons"


@pytest.mark.parametrize("themed", ["light"], indirect=True)
def test_paper_is_white_and_holds_the_whole_list(themed: Any, dashboards: Path) -> None:
    themed.open(dashboards / PERSON)
    themed.evaluate("document.getElementById('theme').click()")
    paper = "document.getElementById('chart').layout.paper_bgcolor"
    assert themed.evaluate(paper) == "#171e26"
    themed.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert themed.evaluate(paper) == "#ffffff"
    themed.evaluate("dispatchEvent(new Event('afterprint'))")
    assert themed.evaluate(paper) == "#171e26"
    themed.evaluate("document.getElementById('theme').click()")
    width = "document.getElementById('chart')._fullLayout.width"
    before = themed.evaluate(width)
    assert sheets(themed.print()) >= 4  # 100 decisions do not fit on three
    themed.evaluate("new Promise(done => setTimeout(done, 500))")
    assert themed.evaluate(width) == before  # the screen is as it was


@pytest.mark.parametrize("themed", ["forced"], indirect=True)
def test_forced_colours_keep_marks_and_say_what_is_pressed(themed: Any, dashboards: Path) -> None:
    themed.open(dashboards / PERSON)
    assert themed.evaluate("matchMedia('(forced-colors: active)').matches")
    fills = themed.evaluate(
        "[...document.querySelectorAll('#legend .chip.series path')]"
        ".map(path => getComputedStyle(path).fill)"
    )
    assert len(set(fills)) >= 4
    colour = "getComputedStyle(document.querySelector('#units [aria-pressed={}]')).backgroundColor"
    assert themed.evaluate(colour.format("true")) != themed.evaluate(colour.format("false"))
