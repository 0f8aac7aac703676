"""Text for a terminal: what persons, sources and files are called may hold anything."""

import json
from typing import Any

import click

from weightstream.errors import plain


def echo(text: str, *, err: bool = False) -> None:
    """Print lines without what would move a terminal's cursor or turn its text around."""
    click.echo("\n".join(plain(line) for line in text.split("\n")), err=err)


def json_text(value: Any) -> str:
    """One line of JSON, in which everything that is not printable is written as an escape.

    It says the same as without the escapes: `\\u009b` is what it stands for.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def counted(number: int, noun: str) -> str:
    """Return a number and its noun in English: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
