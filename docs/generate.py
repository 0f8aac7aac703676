"""Write the pages that are made from the code: those in PAGES.

`make docs` runs it; tests/test_docs.py fails if a page is out of date.
"""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from sqlite_utils import Database

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from worked_examples import EXAMPLES, Example  # noqa: E402

from deployments.commands import cli  # noqa: E402
from tests.reports.cases import cases, render  # noqa: E402
from weightstream.config import PROFILES, Config, Source  # noqa: E402
from weightstream.schema import EXPORT, QUARANTINE_REASONS, REASONS  # noqa: E402
from weightstream.store.descriptions import TABLES  # noqa: E402
from weightstream.store.migrations import migrations  # noqa: E402

MANY_READINGS, SHOWN_FIRST, SHOWN_LAST = 20, 1, 30
"""Of a long example only so many readings are shown."""
NOTE = "<!-- made by docs/generate.py (`make docs`); change the code instead -->\n"


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return f'"{value}"'


def keys(model: type[BaseModel], values: BaseModel) -> Iterator[tuple[str, Any, str]]:
    """Name, default and description of the plain keys of a section."""
    for name, field in model.model_fields.items():
        value = getattr(values, name)
        if not isinstance(value, BaseModel | dict):
            yield name, value, field.description or ""


def sections(values: BaseModel, prefix: str = "") -> Iterator[tuple[str, BaseModel]]:
    yield prefix, values
    for name in type(values).model_fields:
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            yield from sections(value, f"{prefix}.{name}".lstrip("."))


def config_toml() -> str:
    lines = [
        "# Every key of weightstream, with its default and unit. A file may contain any of them;"
    ]
    lines += ["# `weightstream config` prints the values in force and where each comes from."]
    for name, values in sections(Config()):
        if not name:
            head: list[str] = []
        else:
            head = ["", f"[{name}]"]
        for key, value, text in keys(type(values), values):
            written = f"{key} = {toml_value(value)}" if value is not None else f"# {key} ="
            head.append(f"{written}  # {one_line(text)}" if text else written)
        if len(head) > 2 or not name:
            lines += head
    lines += ["", "# One table for each source of which you know more than the priors do:"]
    lines += ['# [sources."patient-device"]']
    lines += [f"# {key} =  # {one_line(text)}" for key, _, text in keys(Source, Source())]
    return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    return " ".join(text.split())


def configuration() -> str:
    lines = [
        NOTE,
        "# Configuration\n",
        "A profile overrides the defaults, a file the profile, and an option the file. "
        "Unknown keys are errors.\n",
    ]
    pairs = [*sections(Config()), ("sources.NAME", Source())]
    for name, values in pairs:
        rows = list(keys(type(values), values))
        if rows:
            lines += [f"## {name or 'top level'}\n", "| key | default | |", "| --- | --- | --- |"]
            for key, value, text in rows:
                shown = f"`{toml_value(value)}`" if value is not None else "not set"
                lines.append(f"| `{key}` | {shown} | {one_line(text)} |")
            lines.append("")
    lines.append("## Profiles\n")
    for name, values_of in PROFILES.items():
        said = ", ".join(f"`{'.'.join(k)} = {toml_value(v)}`" for k, v in values_of.items())
        lines.append(f"- `{name}`: {said or 'the defaults'}")
    return "\n".join(lines) + "\n"


def commands() -> str:
    lines = [NOTE, "# Commands\n"]
    context = click.Context(cli, info_name="weightstream", **cli.context_settings)
    for path, help_text in helps(cli, context):
        lines += [f"## {path}\n", "```", help_text, "```", ""]
    return "\n".join(lines)


def helps(group: click.Group, parent: click.Context) -> Iterator[tuple[str, str]]:
    """Each command of a group, and of the groups in it, with its help."""
    for name in group.list_commands(parent):
        command = group.commands[name]
        context = click.Context(command, info_name=name, parent=parent)
        yield context.command_path, command.get_help(context)
        if isinstance(command, click.Group):
            yield from helps(command, context)


def store() -> str:
    database = Database(sqlite3.connect(":memory:"))
    migrations.apply(database)
    lines = [NOTE, "# The store\n", (ROOT / "docs/store-notes.md").read_text("utf-8")]
    for table in sorted(database.table_names()):
        if not table.startswith(("_", "sqlite")):
            lines += [f"## {table}\n", f"{TABLES[table][0]}.\n"]
            lines += ["```sql", database[table].schema, "```", ""]
    for view in sorted(database.view_names()):
        lines += [f"## {view} (view)\n", f"{TABLES[view][0]}.\n"]
        lines += ["```sql", database.view(view).schema, "```", ""]
    lines += ["## Export columns\n", ", ".join(f"`{name}`" for name in EXPORT.names), ""]
    lines += ["## Reasons\n", "Of decisions: " + ", ".join(f"`{name}`" for name in REASONS), ""]
    lines += ["Of quarantine: " + ", ".join(f"`{name}`" for name in QUARANTINE_REASONS), ""]
    return "\n".join(lines)


def examples() -> str:
    """Return the page of worked examples."""
    lines = [NOTE, "# Worked examples\n"]
    lines.append(
        "Each example shows a person's readings and what retro decides. A test runs every one.\n"
    )
    for example in EXAMPLES:
        lines += [f"## {example.title}\n", f"{example.text}\n"]
        lines += ["| when | kg | verdict | reason | suggested kg |", "| --- " * 5 + "|"]
        lines += [f"| {' | '.join(row)} |" for row in example_rows(example)]
        lines.append("")
    return "\n".join(lines)


def example_rows(example: Example) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each reading; of a long series only the start and the end."""
    many = len(example.readings) > MANY_READINGS
    for at, (when, (_, kg)) in enumerate(zip(example.times, example.readings, strict=True)):
        if many and SHOWN_FIRST <= at < len(example.readings) - SHOWN_LAST:
            if at == SHOWN_FIRST:
                yield "…", "…", "…", "", ""
            continue
        rejected = at in example.rejected
        suggested = example.suggested.get(at)
        yield (
            when,
            f"{kg:g}",
            "uncertain" if at in example.uncertain else "rejected" if rejected else "accepted",
            f"`{example.rejected[at]}`" if rejected and example.rejected[at] else "",
            f"{suggested:.1f}" if suggested is not None else "",
        )


def my_file() -> str:
    return NOTE + "\n" + render(cases())


PAGES = {
    "config.toml": config_toml,
    "docs/configuration.md": configuration,
    "docs/commands.md": commands,
    "docs/examples.md": examples,
    "docs/my-file.md": my_file,
    "docs/store.md": store,
}

if __name__ == "__main__":
    if "--check" in sys.argv:
        old = [path for path, make in PAGES.items() if (ROOT / path).read_text("utf-8") != make()]
        sys.exit(f"run `make docs`: {', '.join(old)} say another thing than the code" if old else 0)
    for path, make in PAGES.items():
        (ROOT / path).write_text(make(), "utf-8")
