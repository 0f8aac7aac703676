"""The words of docs/glossary.md are the words of the code."""

import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = (ROOT / "docs/glossary.md").read_text("utf-8")
PACKAGES = ("weightstream", "tasks", "flows", "deployments")
PROGRAMS = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if page.name != "glossary.md"]
TERMS = re.findall(r"\*\*([^*]+)\*\*", GLOSSARY.partition("## Retired")[0])
RETIRED = set(re.findall(r"`(\w+)`", GLOSSARY.partition("## Retired")[2]))


def names(path: Path) -> set[str]:
    """Every identifier of a program."""
    with path.open("rb") as file:
        return {token.string for token in tokenize.tokenize(file.readline) if token.type == 1}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_used(term):
    words = re.compile(r"\b" + "[ _-]?".join(map(re.escape, term.split())), re.IGNORECASE)
    assert any(words.search(path.read_text("utf-8")) for path in [*PROGRAMS, *PAGES])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_program_uses_a_retired_name(path):
    assert not names(path) & RETIRED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_uses_a_retired_name(page):
    quoted = set(re.findall(r"`(\w+)`", page.read_text("utf-8")))
    assert not quoted & RETIRED
