"""What is printed leaves a terminal as it is."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from weightstream.cli_decisions import cli
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


@pytest.mark.parametrize(
    ("command", "module"),
    [(["review"], "review"), (["history", "m"], "history")],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_commands_that_tell_of_persons_print_nothing_raw(monkeypatch, command, module, as_json):
    event = SimpleNamespace(as_json=lambda: {"user_id": EVIL})
    told = {
        "review": {"review": [{"user_id": EVIL}], "reviewed": EVIL},
        "history": {"history": [event], "to_text": EVIL},
    }
    for name, value in told[module].items():
        monkeypatch.setattr(f"weightstream.outputs.{module}.{name}", lambda *_, value=value: value)
    done = CliRunner().invoke(cli, [*command, *as_json])
    assert done.exit_code == 0, done.output
    assert done.output.replace("\n", "").isprintable()
    assert "gp" in done.output
