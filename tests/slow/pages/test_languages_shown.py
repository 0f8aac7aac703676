"""The pages in other languages, as a browser shows them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from weightstream.outputs.pages import page
from weightstream.outputs.pages.template import asset

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["persons/eventful.html", "persons/mirrored.html", "index.html"])
@pytest.mark.parametrize("language", ["de", "es", "fr", "nl"])
def test_nothing_on_a_page_stays_english(
    viewer: Any, dashboards: Path, tmp_path: Path, language: str, name: str
) -> None:
    folder = tmp_path / "dashboards"
    shutil.copytree(dashboards, folder)
    page.write_assets(folder, language)
    viewer.dashboards = folder
    tab = viewer.open(name)
    seen = tab.evaluate(
        """() => {
          const texts = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) texts.push(walker.currentNode.textContent.trim());
          for (const node of document.querySelectorAll("*"))
            for (const name of ["aria-label", "title", "placeholder"])
              if (node.hasAttribute(name)) texts.push(node.getAttribute(name));
          return texts;
        }"""
    )
    english, own = (json.loads(asset(f"languages/{code}.json")) for code in ("en", language))
    foreign = {
        text for key, text in english.items() if text not in own.values() and "{" not in text
    }
    assert foreign & set(seen) == set()
    assert tab.evaluate("document.documentElement.lang") == language
