"""What is printed leaves a terminal as it is."""

import json

import pytest

from weightstream.errors import ConfigError, InputError
from weightstream.terminal import echo, json_text

EVIL = "a\x1b[2J\x7f\x9b31m\u202egp\u2028b"


def test_lines_without_what_moves_a_cursor(capsys):
    echo(f"first {EVIL}\nsecond Ångström 体重")
    assert capsys.readouterr().out == "first a?[2J??31m?gp?b\nsecond Ångström 体重\n"
    echo(EVIL, err=True)
    assert "\x1b" not in capsys.readouterr().err


def test_json_says_the_same_in_printable_characters():
    text = json_text({EVIL: ["Ångström", "\n"]})
    assert text.isprintable()
    assert "Ångström" in text
    assert json.loads(text) == {EVIL: ["Ångström", "\n"]}


@pytest.mark.parametrize("kind", [InputError, ConfigError])
def test_sentences_of_errors_are_fit_for_a_terminal(kind):
    assert str(kind(f"{EVIL} is damaged")) == "a?[2J??31m?gp?b is damaged"
