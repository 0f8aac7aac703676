"""`weightstream erase`: remove a person from the data directory, and keep later data out.

docs/erasure.md says what is removed and what remains.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from weightstream.config import Config
from weightstream.erasing.holdings import (
    ADVICE,
    Held,
    Unfit,
    folder_of,
    holdings,
    mentions,
    take_out,
)
from weightstream.erasing.places import OtherNames, files_of_others, linked_files, waits
from weightstream.erasing.tombstones import check_of, key_of, make_key
from weightstream.errors import ConfigError, StoreError
from weightstream.intake.inbox import USER_FOLDER
from weightstream.intake.tombstones import SHORT_ID, token
from weightstream.outputs.drawing import (
    draw_index,
    draw_persons,
    drawing_of,
    erase_pages,
    pages_that_say,
)
from weightstream.outputs.report import write_report
from weightstream.parsing.coded import blank, trimmed
from weightstream.readers import ReadOptions
from weightstream.store import erasing, queries
from weightstream.store.connection import STORE_NAME, existing, open_writer
from weightstream.store.erasing import holds_id
from weightstream.store.locks import ALONE_SECONDS, exclusive_lock
from weightstream.store.models import judging_on
from weightstream.store.overriding import apply_pending


@dataclass
class Erased:
    """The result of an erasure. rows: by table. files: done, or possible. left: not erased, and
    why."""

    rows: dict[str, int]
    files: dict[Path, str] = field(default_factory=dict)
    left: dict[Path, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        counts = ", ".join(f"{count:,} of {table}" for table, count in self.rows.items())
        lines = [
            f"erased: {counts or 'no rows'}; rows of this person that arrive later are left out"
        ]
        lines += [f"{path}: {done}" for path, done in self.files.items()]
        lines += [f"left: {path}: {why}" for path, why in self.left.items()]
        if self.stale:
            lines.append(f"learnt with this person: {', '.join(self.stale)}; `weightstream learn`")
        return "\n".join(lines)


def erase_person(
    config: Config, user: str, rewrite: bool = False, in_advance: bool = False
) -> Erased:
    """Erase a person. Waits up to a minute for runs, and lets none begin until it has ended.

    rewrite: also take the rows out of source files under the data directory and the inbox.
    in_advance: keep out a person of whom nothing is stored yet. An erasure that was cut short is
    finished by running it again.
    Raises ConfigError for an unknown person or a blank id, StoreError, RunsUnderWay.
    """
    data_dir = config.data.data_dir.absolute()
    existing(data_dir)
    user_id, path = trimmed(user), data_dir / STORE_NAME
    if blank(pa.array([user_id]))[0]:
        raise ConfigError(f"{user!r} is not an id; name the person to erase")
    with open_writer(data_dir, exclusive_lock) as connection:
        key = key_of(connection, data_dir)
        erased = Erased(erasing.rows_of(connection, user_id))
        before = key and erasing.erased_at(connection, token(key, user_id))
        if not (erased.rows or before or in_advance):
            raise ConfigError(
                f"the store {path} has no person called {user_id!r}; use --in-advance to leave "
                "out rows that arrive later"
            )
        key = key or make_key(data_dir)
        theirs = token(key, user_id)
        left = erasing.delete_person(connection, path, user_id, theirs, check_of(key))
        apply_pending(connection, path, config)
        names = {user_id, *left.names} if len(user_id) >= SHORT_ID else {*left.names}
        with _told(erased, data_dir / "dashboards"):
            erase_pages(data_dir / "dashboards", user_id)
            _redraw(connection, config, left.persons, names)
        shutil.rmtree(data_dir / "spill", ignore_errors=True)
        _sweep(connection, config, user_id, rewrite, left.files, erased)
        erasing.nothing_left(connection, path, theirs)
        erasing.scrub(connection, path, time.monotonic() + ALONE_SECONDS)
        erasing.finish(connection, path, theirs)
        erased.stale = queries.stale_models(connection)
    return erased


@contextmanager
def _told(erased: Erased, dashboards: Path) -> Iterator[None]:
    """List the pages as left where they cannot be written: the erasure goes on."""
    try:
        yield
    except (OSError, ConfigError, StoreError) as error:
        reason = getattr(error, "strerror", None) or error
        erased.left[dashboards] = f"pages cannot be written again ({reason})"


def _redraw(
    connection: sqlite3.Connection, config: Config, neighbours: list[str], texts: set[str]
) -> None:
    """Draw the pages of some persons again, and those that name a file called after the person.

    Also the report on quality: a source that only the person had is not in it any more.
    """
    dashboards = config.data.data_dir.absolute() / "dashboards"
    if (dashboards / "quality.json").exists():
        write_report(connection, dashboards, config)  # it names sources
    persons = sorted({*neighbours, *pages_that_say(dashboards, texts)})
    if persons and (dashboards / "index.html").exists():
        drawing = drawing_of(dashboards, config, judging_on(connection, config))
        rows = draw_persons(connection, drawing, persons)
        draw_index(connection, dashboards, rows, drawing.naming)


def _sweep(
    connection: sqlite3.Connection,
    config: Config,
    user_id: str,
    rewrite: bool,
    digests: Mapping[str, int],
    erased: Erased,
) -> None:
    """Take the person out of exports under the data directory, and out of sources if asked.

    digests: SHA-256 to size of the files that the store had the person's rows from.
    """
    data_dir, inbox = config.data.data_dir.absolute(), config.data.inbox_dir
    options, names = ReadOptions(columns=config.data.columns), OtherNames()

    def closed(folder: Path) -> None:
        erased.left[folder] = ADVICE["closed"]

    files = files_of_others(data_dir, inbox, closed)
    for held in holdings(files, user_id, options, digests):
        if held.ours or (rewrite and held.rewritable and not waits(held.path, inbox)):
            names.count(held.path)
            if made := _take_out(held, user_id, options, erased):
                erasing.rename_content(connection, data_dir / STORE_NAME, *made)
        elif waits(held.path, inbox):
            erased.files[held.path] = "waits to be read; this person's rows will be left out"
        elif not held.rewritable:
            erased.left[held.path] = ADVICE[held.kind]
        else:
            what = f"{held.rows:,} rows of this person" if held.rows else "nobody else"
            erased.files[held.path] = f"holds {what}; --rewrite removes them"
    linked = linked_files(data_dir, inbox, closed)
    for held in holdings(linked, user_id, options, digests):
        erased.left[held.path] = ADVICE["linked"]
    erased.left |= {path: ADVICE["other name"] for path in names.remaining()}
    _look_at_names(data_dir, inbox, user_id, rewrite, erased)


def _take_out(
    held: Held, user_id: str, options: ReadOptions, erased: Erased
) -> tuple[str, str] | None:
    """Take the person out of a file; returns a source's digests before and after, if it stays."""
    if held.ours and held.others == 0:
        _delete(held.path, "deleted, since it was an export of this person alone", erased)
    elif held.kind == "whole":
        _delete(held.path, "deleted, since it held nobody else", erased)
    elif made := _rewrite(held, user_id, options, erased):
        if mentions(held, user_id):
            erased.left[held.path] = ADVICE["mentioned"]
        return None if held.ours else made
    return None


def _delete(path: Path, done: str, erased: Erased) -> None:
    try:
        path.unlink()
    except OSError as error:
        erased.left[path] = f"cannot be deleted ({error.strerror})"
    else:
        erased.files[path] = done


def _rewrite(
    held: Held, user_id: str, options: ReadOptions, erased: Erased
) -> tuple[str, str] | None:
    """Rewrite a file without the rows; returns its digests before and after, None if it failed."""
    try:
        digests = take_out(held, user_id, options)
    except Unfit:
        erased.left[held.path] = ADVICE["other"]
    except OSError as error:
        erased.left[held.path] = f"cannot be written ({error.strerror})"
    except Exception:  # whatever a reader trips over must not stop the erasure
        erased.left[held.path] = ADVICE["unsearchable"]
    else:
        erased.files[held.path] = f"{held.rows:,} rows removed"
        return digests
    return None


def _look_at_names(
    data_dir: Path, inbox: Path, user_id: str, rewrite: bool, erased: Erased
) -> None:
    """Remove the person's empty folders of the inbox; list other paths that hold the id."""
    for folder in sorted(inbox.rglob(f"{USER_FOLDER}*"), reverse=True):
        if folder_of(folder, user_id):
            with suppress(OSError):  # not empty, or no folder
                folder.rmdir()
    for path in files_of_others(data_dir, inbox, lambda _: None):
        root = inbox if path.is_relative_to(inbox) else data_dir
        named = path in erased.left or (path in erased.files and not rewrite)
        if not named and not waits(path, inbox) and holds_id(str(path.relative_to(root)), user_id):
            erased.left[path] = ADVICE["name"]
