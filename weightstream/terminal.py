"""Text for a terminal: names of persons, sources and files may contain anything."""

import json
from typing import Any

import click

from weightstream.errors import plain


def echo(text: str, *, err: bool = False) -> None:
    """Print lines without control sequences of a terminal or changes of text direction."""
    click.echo("\n".join(plain(line) for line in text.split("\n")), err=err)


def json_text(value: Any) -> str:
    """Return one line of JSON in which every character that is not printable is escaped.

    The meaning is the same: `\\u009b` stands for that character.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def counted(number: int, noun: str) -> str:
    """Return a number and its noun in English: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
