"""The list of persons in a browser."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from weightstream.outputs.pages.index import read_index

pytestmark = pytest.mark.slow


def test_ten_thousand_persons_open_fast_and_scroll(viewer: Any) -> None:
    tab = viewer.open("index.html")
    meter = tab.context.new_cdp_session(tab)
    meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    taken = {m["name"]: m["value"] for m in meter.send("Performance.getMetrics")["metrics"]}
    assert 0 < taken["TaskDuration"] < 0.8  # s of processor time; 0.1 to 0.2 on an idle machine
    assert tab.locator(".person").count() < 60
    assert tab.locator("#count").inner_text() == "10,000 persons"
    tab.evaluate("list.scrollTop = list.scrollHeight")
    tab.wait_for_function(
        "() => [...document.querySelectorAll('.person a')].at(-1).textContent === 'x-09993'"
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


def test_the_list_searches_sorts_and_filters(viewer: Any, dashboards: Path) -> None:
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
    limit = tab.locator("#limit")
    assert not limit.is_visible()  # nothing to choose for everyone
    tab.locator("#filter").select_option("unseen")
    assert limit.is_visible()
    seen = {row["user_id"]: row["last"] for row in read_index(dashboards / "index.html").values()}
    days = (date.fromisoformat(max(seen.values())) - date.fromisoformat(seen["once"])).days
    tab.locator("#search").fill("once")
    limit.fill(str(days))
    assert names.all_inner_texts() == ["once"]
    limit.fill(str(days + 1))
    assert names.all_inner_texts() == []
    tab.locator("#search").fill("")
    tab.locator("#filter").select_option("alert")
    assert names.all_inner_texts() == ["x-00007"]
    assert "rapid +3.1 kg in 3 d" in tab.locator(".person .badge").inner_text()
    tab.locator("#filter").select_option("rejected")
    tab.locator("#limit").fill("101")
    assert tab.locator("#count").inner_text() == "0 of 10,000 persons"


def test_what_is_chosen_stands_in_the_address_and_comes_back(viewer: Any) -> None:
    """0.1: after back or reload the list showed all, and the control said "rapid change"."""
    tab = viewer.open("index.html")
    tab.locator("#filter").select_option("unseen")
    tab.locator("#limit").fill("3")
    tab.locator("#head button", has_text="Readings").click()
    said = tab.locator("#count").inner_text()
    first = tab.locator(".person a").first.inner_text()
    assert said != "10,000 persons"
    for come_back in (tab.reload, lambda: (tab.locator(".person a").first.click(), tab.go_back())):
        come_back()
        tab.wait_for_selector("html[data-ready]")
        tab.wait_for_selector(".person a")
        assert tab.locator("#filter").input_value() == "unseen"
        assert tab.locator("#limit").input_value() == "3"
        assert tab.locator("#count").inner_text() == said
        assert tab.locator(".person a").first.inner_text() == first
    tab.locator("#filter").select_option("all")
    assert tab.locator("#count").inner_text() == "10,000 persons"


def test_tiles_are_filters(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tile = tab.locator(".tile[data-filter=alert]")
    number = tile.locator("strong").inner_text()
    tile.click()
    assert tile.get_attribute("aria-pressed") == "true"
    assert tab.locator("#count").inner_text() == f"{number} of 10,000 persons"
    assert tab.locator("#persons").get_attribute("aria-rowcount") == str(int(number) + 1)
    tile.click()
    assert tab.locator("#count").inner_text() == "10,000 persons"


def test_the_change_names_its_unit_and_its_sign(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tab.locator("#search").fill("eventful")
    assert tab.locator("#head .change_28d_kg").inner_text() == "4 weeks, kg"
    kg, share = tab.locator(".person .change_28d_kg").inner_text().split(" (")
    assert kg[0] == share[0]
    assert kg[0] in "+−"
    tab.locator("#units button[value=st]").click()
    assert tab.locator("#head .change_28d_kg").inner_text() == "4 weeks, lb"


def test_names_are_sorted_as_people_count(viewer: Any) -> None:
    tab = viewer.open("index.html")
    ranks = tab.evaluate(
        "['P10', 'P9', 'p1'].sort(new Intl.Collator('en', {numeric: true}).compare)"
    )
    assert ranks == ["p1", "P9", "P10"]
    tab.locator("#search").fill("x-0")
    names = tab.locator(".person a").all_inner_texts()
    assert names == sorted(names)


def test_the_listed_persons_can_be_taken_along(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tab.locator("#search").fill("t")
    number = int(tab.locator("#count").inner_text().split()[0])
    with tab.expect_download() as waiting:
        tab.locator("#csv").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert len(lines) == number + 1
    assert lines[0].startswith("user_id,last,level_kg,change_28d_kg")


def test_paper_holds_every_row_of_the_list(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tab.locator("#search").fill("x-000")
    assert tab.locator(".person").count() < 100
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator(".person").count() == int(tab.locator("#count").inner_text().split()[0])
    tab.evaluate("dispatchEvent(new Event('afterprint'))")


def test_nobody_fits_and_the_list_says_so(viewer: Any) -> None:
    tab = viewer.open("index.html")
    tab.locator("#search").fill("nobody is called so")
    assert tab.locator("#empty").inner_text() == "Nobody fits this search and filter."
