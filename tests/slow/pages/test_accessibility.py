"""What holds for every page: it fits, and axe-core finds no fault."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize(
    "name", ["index.html", "persons/eventful.html", "quality.html", "failing.html"]
)
def test_nothing_sticks_out_at_the_side(viewer: Any, name: str, width: int) -> None:
    tab = viewer.open(name, size=(width, 800), has_touch=width < 600, is_mobile=width < 600)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1200, 1280])
def test_no_part_of_a_decision_is_out_of_sight(viewer: Any, width: int) -> None:
    tab = viewer.open("persons/eventful.html", size=(width, 800))
    assert tab.evaluate("log.scrollWidth - log.clientWidth") <= 0
    cut = "[...document.querySelectorAll('.where')].filter(e => e.scrollWidth > e.clientWidth)"
    assert tab.evaluate(f"{cut}.map(e => e.textContent)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 800)])
@pytest.mark.parametrize(
    "name",
    ["index.html", "persons/eventful.html", "persons/once.html", "quality.html", "failing.html"],
)
def test_axe_finds_no_fault(
    viewer: Any, axe: str, name: str, size: tuple[int, int], scheme: str
) -> None:
    tab = viewer.open(name, size=size, color_scheme=scheme, bypass_csp=True)
    tab.add_script_tag(content=axe)
    found = tab.evaluate("axe.run({ preload: false }).then(result => result.violations)")
    faults = [(v["id"], v["help"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found]
    assert faults == []
