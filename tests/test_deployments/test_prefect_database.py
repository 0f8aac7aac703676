"""Prefect's database, copied from a template instead of migrated."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deployments import prefect_database
from deployments.prefect_database import copy_new, file_of, make_database, revision, template_of


def made(file: Path, newest: str, *rows: str) -> Path:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("create table alembic_version (version_num text)")
        connection.execute("insert into alembic_version values (?)", [newest])
        connection.execute("create table flow (name text)")
        connection.executemany("insert into flow values (?)", [(row,) for row in rows])
    return file


def names(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("select name from flow")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of Prefect without a database, whose template is to be in the same folder."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    template = tmp_path / "template.db"
    monkeypatch.setattr(prefect_database, "template_of", lambda version: template)
    monkeypatch.setattr(prefect_database, "migrate", lambda: pytest.fail("migrated"))
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
        yield tmp_path


def test_the_first_database_is_migrated_and_kept_as_the_template(home, monkeypatch):
    file = home / "prefect.db"
    monkeypatch.setattr(prefect_database, "migrate", lambda: made(file, "b"))
    assert make_database()
    assert revision(home / "template.db") == [("b",)]
    assert {path.name for path in home.iterdir()} == {"prefect.db", "template.db"}


def test_later_ones_are_copied(home):
    made(home / "template.db", "b")
    assert make_database()
    assert revision(home / "prefect.db") == [("b",)]
    assert {path.name for path in home.iterdir()} == {"prefect.db", "template.db"}


def test_one_that_is_there_is_left_as_it_is(home):
    made(home / "template.db", "b")
    made(home / "prefect.db", "b", "mine")
    assert make_database()
    assert names(home / "prefect.db") == ["mine"]


def test_an_older_one_is_for_prefect_to_migrate(home):
    made(home / "template.db", "b")
    made(home / "prefect.db", "a", "mine")
    assert not make_database()
    assert names(home / "prefect.db") == ["mine"]


def test_one_that_is_there_without_a_template_is_prefects(home):
    """It may hold runs, which no template may."""
    made(home / "prefect.db", "b", "mine")
    assert not make_database()
    assert not (home / "template.db").exists()


def emptied(content: bytes) -> bytes:
    return b""


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def overwritten(content: bytes) -> bytes:
    return content[:4096] + bytes(len(content) - 4096)


@pytest.mark.parametrize("damage", [emptied, cut_short, overwritten])
def test_a_damaged_template_is_made_again_and_reaches_no_home(home, monkeypatch, damage):
    file, template = home / "prefect.db", made(home / "template.db", "b")
    template.write_bytes(damage(template.read_bytes()))
    monkeypatch.setattr(prefect_database, "migrate", lambda: made(file, "b"))
    assert make_database()
    assert (revision(file), revision(template)) == ([("b",)], [("b",)])
    assert {path.name for path in home.iterdir()} == {"prefect.db", "template.db"}


def test_one_with_a_run_of_another_command_is_no_template(home, monkeypatch):
    file = home / "prefect.db"
    monkeypatch.setattr(prefect_database, "migrate", lambda: made(file, "b", "of another"))
    assert not make_database()
    assert {path.name for path in home.iterdir()} == {"prefect.db"}


def test_the_template_is_kept_where_its_folder_can_be_written(tmp_path, monkeypatch):
    ours, private = (tmp_path / name / "__pycache__" for name in ("ours", "private"))
    ours.mkdir(parents=True)
    private.parent.mkdir()
    monkeypatch.setattr(prefect_database, "__file__", str(ours.parent / "prefect_database.py"))
    monkeypatch.setattr(prefect_database, "own_temporary_folder", lambda: private.parent)
    assert template_of("3") == ours / "prefect-3.db"
    monkeypatch.setattr(prefect_database.os, "access", lambda path, _: path != ours)  # root's
    assert template_of("3") == private / "prefect-3.db"


def test_what_fails_is_for_prefect_to_report(home):
    (home / "template.db").write_bytes(b"no database")
    (home / "prefect.db").write_bytes(b"no database either")
    assert not make_database()


def test_nothing_is_copied_over_another_or_beside_the_log_of_a_lost_one(tmp_path):
    template = made(tmp_path / "template.db", "b")
    there = made(tmp_path / "there.db", "b", "mine")
    with pytest.raises(FileExistsError):
        copy_new(template, there)
    assert names(there) == ["mine"]
    (tmp_path / "lost.db-wal").write_bytes(b"of the lost one")
    with pytest.raises(FileExistsError):
        copy_new(template, tmp_path / "lost.db")
    assert not (tmp_path / "lost.db").exists()


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:////home/me/.prefect/prefect.db", "/home/me/.prefect/prefect.db"),
        ("sqlite+aiosqlite:///relative.db", "relative.db"),
        ("sqlite+aiosqlite:///file::memory:?cache=shared&uri=true", None),
        ("sqlite+aiosqlite:///:memory:", None),
        ("sqlite+aiosqlite:////a.db?timeout=3", None),
        ("postgresql+asyncpg://me@host/prefect", None),
    ],
)
def test_only_a_plain_sqlite_file_is_ours_to_make(url, file):
    assert file_of(url) == (None if file is None else Path(file))
