"""The list of persons in a browser."""

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from weightstream.outputs.pages.index import read_index

pytestmark = pytest.mark.slow


def test_ten_thousand_persons_open_fast_and_scroll(viewer: Any) -> None:
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
    assert names.all_inner_texts() == ["eventful"]
    assert "−3.1 in 7 d" in tab.locator(".person .badge").inner_text()
    tab.locator("#filter").select_option("rejected")
    tab.locator("#limit").fill("101")
    assert tab.locator("#count").inner_text() == "0 of 10,000 persons"
