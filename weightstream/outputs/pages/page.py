"""One person's readings and decisions as a small HTML page, and the files that pages share.

A page holds the numbers; the scripts that draw them are in assets/, once beside all pages. So pages
stay small, and an improved drawing applies to old pages too. Nothing comes from a network.
"""

import hashlib
import html
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import orjson

from weightstream.intake.partition import alive
from weightstream.outputs.pages.person import Person, person_data
from weightstream.outputs.pages.template import (
    ENGLISH,
    PLOTLY,
    SHARED,
    asset,
    asset_names,
    shared_script,
    template,
)

PERSONS = "persons"


def person_page(person: Person, timezone: str = "UTC") -> bytes:
    """HTML of one person; times are shown in `timezone` (IANA name).

    About 115 bytes a reading. Raises KeyError where a column of the export is missing.
    """
    name = html.escape(person.user_id).encode()
    data = embedded(person_data(person, timezone))
    return _HEAD.replace(b"{{user}}", name) + data + _FOOT


def embedded(data: Any) -> bytes:
    """Return JSON for a script element: no text in it can close the element."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY).replace(b"<", b"\\u003c")


def file_name(user_id: str, naming: Literal["hash", "id"]) -> str:
    """Name of a person's page, safe on any file system; no two ids share one.

    "hash": 24 hex digits of BLAKE2b. "id": the id where it is short and plain, else what is plain
    of it, `~` and a hash.
    """
    raw = user_id.encode("utf-8", "surrogatepass")
    if naming == "hash":
        return hashlib.blake2b(raw, digest_size=12).hexdigest() + ".html"
    if _PLAIN_ID.fullmatch(user_id) and not _RESERVED.fullmatch(user_id):
        return user_id + ".html"
    # Ids that differ only in case or accents share a name on some file systems: hash them apart.
    readable = re.sub(r"[^a-z0-9]+", "-", user_id.lower())[:40].strip("-")
    return f"{readable or 'person'}~{hashlib.blake2b(raw, digest_size=8).hexdigest()}.html"


def write_assets(dashboards: Path, language: str = "en") -> None:
    """Create the folders (mode 0700) and the files that all pages share, plotly.js among them.

    language: of what the pages of persons and their list say.
    """
    for folder in (dashboards, dashboards / PERSONS, dashboards / "assets"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in asset_names():
        write_page(dashboards / "assets" / name, asset(name))
    write_page(dashboards / "assets" / SHARED, shared_script(language))
    write_page(dashboards / "assets" / ENGLISH, shared_script())
    write_page(dashboards / "assets" / "plotly.min.js", PLOTLY.read_bytes())


def write_page(path: Path, content: bytes) -> bool:
    """Replace a file atomically, mode 0600. Returns False, without writing, if it is the same."""
    with suppress(FileNotFoundError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # Buffered: the system may write less than it is given.
        with open(descriptor, "wb") as handle:
            handle.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return True


def remove_pages(dashboards: Path, keep: Iterable[str]) -> int:
    """Delete person pages not in `keep`, their pictures, and what a killed run left.

    keep: names of pages. Returns how many files went.
    """
    kept = {Path(name).with_suffix(ending).name for name in keep for ending in (".html", ".png")}
    removed = 0
    for entry in os.scandir(dashboards / PERSONS):
        unfinished = _TEMPORARY.search(entry.name)
        if entry.name not in kept and not (unfinished and alive(int(unfinished[1]))):
            os.unlink(entry.path)
            removed += 1
    return removed


_TEMPORARY = re.compile(r"\.(\d+)-\d+\.tmp$")
_PLAIN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # device names on Windows
_HEAD, _FOOT = template("person", "{{user}}", "../")
