"""What pages say is there in every language, and everything that is there is said."""

import json
import re
from typing import get_args

import pytest

from weightstream.config import Visualization
from weightstream.judging.explanation import HUMAN_REASON_TEXTS, LOOKS_LIKE
from weightstream.outputs.pages import page, template
from weightstream.outputs.pages.person import ACTIONS

META = {"language", "locale"}
ENGLISH_OF_PYTHON = {
    *(f"reason.{name}" for name in (*LOOKS_LIKE, *HUMAN_REASON_TEXTS)),
    *(f"override.{words}" for words in ACTIONS.values()),
}
"""Keys of what Python says in English itself."""
OTHERS = [name for name in template.languages() if name != "en"]


def texts(language):
    script = template.wording(language).decode()
    return json.loads(script[script.index("{") : script.index("};\n") + 1])


def names(text):
    return sorted(re.findall(r"\{\w+\}", text))


def scripts():
    names = (*template.asset_names(), "common.js")
    return {name: template.asset(name).decode() for name in names}


def test_the_languages_are_those_of_the_configuration():
    assert set(template.languages()) == set(
        get_args(Visualization.model_fields["language"].annotation)
    )
    assert {texts(name)["language"] for name in template.languages()} == set(template.languages())


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_untranslated(language):
    english, other = texts("en"), texts(language)
    assert other.keys() == english.keys() | ENGLISH_OF_PYTHON
    wrong = [k for k in english.keys() - META if names(other[k]) != names(english[k])]
    assert wrong == []
    assert [key for key, text in other.items() if not text.strip()] == []


def test_every_text_is_said_and_every_key_has_a_text():
    english, used = texts("en"), set()
    for content in scripts().values():
        used |= {key for key in re.findall(r'"([a-z][\w.]*)"', content) if key in english}
        used |= {key for key in re.findall(r'\bsay\("([^"]+)"', content)}
        prefixes = re.findall(r"\bsay\(`([\w.]+)\$\{", content)
        used |= {key for key in english if key.startswith(tuple(prefixes))} if prefixes else set()
        counted = re.findall(r'\bsayCount\("([^"]+)"', content)
        used |= {f"{key}.{form}" for key in counted for form in ("one", "other")}
    for name in ("person", "index"):
        markup = template.asset(f"{name}.html").decode()
        used |= set(re.findall(r'data-say(?:-label|-title|-hint)?="([^"]+)"', markup))
    assert used - english.keys() == set()
    assert english.keys() - META - used == set()


@pytest.mark.parametrize("name", ["person", "index"])
def test_a_page_without_scripts_says_the_same_in_english(name):
    markup, english = template.asset(f"{name}.html").decode(), texts("en")
    for tag in re.findall(r"<[^>]+ data-[^>]+>[^<]*", markup):
        opening, content = tag.split(">", 1)
        for kind, attribute in (
            ("label", "aria-label"),
            ("title", "title"),
            ("hint", "placeholder"),
        ):
            for key in re.findall(rf'data-say-{kind}="([^"]+)"', opening):
                assert f' {attribute}="{english[key]}"' in opening
        for key in re.findall(r'data-say="([^"]+)"', opening):
            assert content == english[key]


def test_words_come_before_the_scripts_that_say_them(tmp_path):
    page.write_assets(tmp_path, "nl")
    shared = (tmp_path / "assets" / "common.js").read_text()
    assert '"language": "nl"' in shared
    assert shared.index("window.Wording") < shared.index("root.Texts") < shared.index("root.Common")
