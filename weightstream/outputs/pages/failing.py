"""The page of rows because of which checks failed. It needs no script."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from weightstream.outputs.failing_rows import FailingRow
from weightstream.outputs.pages.template import template

FAILING_PAGE = "failing.html"
HEAD = ("Person", "Time", "Received", "Verdict, or reason", "File, line")
Section = tuple[str, Mapping[str, Any], Sequence[FailingRow] | str]
"""Its anchor, the failed check (checks.as_json), and rows of it, or why they cannot be shown."""


def failing_page(sections: Iterable[Section], page_of: Callable[[str], str | None]) -> bytes:
    """Return the HTML of rows of failed checks.

    page_of: the address of a person's page, if there is one.
    """
    before, after = template("failing", "Rows of failed checks")
    content = "".join(_section(*section, page_of) for section in sections)
    return before.replace(b"{{sections}}", content.encode()) + b"null" + after


def _section(
    anchor: str,
    check: Mapping[str, Any],
    rows: Sequence[FailingRow] | str,
    page_of: Callable[[str], str | None],
) -> str:
    title = f"<bdi>{escape(check['source'])}</bdi>: {escape(check['metric'])}"
    return (
        f'<section class="card" id="{anchor}"><h2>{title}</h2>'
        f"<p>{escape(check['said'])}. Next step: {_with_code(check['to_do'])}.</p>"
        f"{_left_out(rows) if isinstance(rows, str) else _table(anchor, rows, page_of)}"
        "</section>\n"
    )


def _left_out(why: str) -> str:
    return f"<p><strong>The rows are left out</strong>: {_with_code(why)}</p>"


def _table(anchor: str, rows: Sequence[FailingRow], page_of: Callable[[str], str | None]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
    body = "".join(_row(row, page_of(row.user_id) if row.user_id else None) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Rows of {anchor}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _with_code(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


_CODE = re.compile("`([^`]+)`")


def _row(row: FailingRow, page: str | None) -> str:
    person = f"<bdi>{escape(row.user_id)}</bdi>" if row.user_id else "–"
    if page:
        person = f'<a href="{escape(page)}#{escape(row.measurement_id)}">{person}</a>'
    cells = (row.at, row.received, row.said, f"{row.file}:{row.line}")
    return f"<tr><td>{person}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
