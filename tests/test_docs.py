"""The pages say what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_up_to_date(page):
    assert (ROOT / page).read_text("utf-8") == generate.PAGES[page](), "run `make docs`"


def test_config_toml_holds_the_defaults():
    from weightstream.config import Config
    from weightstream.config_file import load

    loaded = load(ROOT / "config.toml").config
    expected = Config()
    assert loaded.model_copy(update={"data": expected.data}) == expected
    assert loaded.data.model_copy(update={"data_dir": expected.data.data_dir}) == expected.data


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_what_readme_and_docs_name_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    said = "".join(page.read_text("utf-8") for page in pages)
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", said, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
