"""A command that dies at any commit, and runs again, ends as an undisturbed one."""

import itertools
import shutil
import sqlite3

import pytest

from weightstream.config import Config
from weightstream.erasing.erasure import erase_person
from weightstream.store import connection as door
from weightstream.store.connection import STORE_NAME
from weightstream.store.overriding import OverrideRequest, override


class Killed(BaseException):
    pass


class Dying(sqlite3.Connection):
    """A connection whose process dies at its n-th commit, before it or after it."""

    commits_left = 0
    before = True

    def execute(self, sql, *values):
        if Dying.commits_left < 0:
            raise Killed  # nothing runs in a dead process, handlers of errors included
        if sql != "commit":
            return super().execute(sql, *values)
        Dying.commits_left -= 1
        if Dying.commits_left >= 0:
            return super().execute(sql)
        if not Dying.before:
            super().execute(sql)
        raise Killed


def configured(data_dir):
    return Config.model_validate({"data": {"data_dir": data_dir}})


def content(data_dir):
    """What a store says, without the numbers, ids and times of runs."""
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        columns = "select user_id, effective_at, measurement_id, "
        found = [
            connection.execute(f"{query} order by 1, 2, 3, 4").fetchall()
            for query in (
                f"{columns} version, verdict, reason, level_kg, stage from decisions",
                f"{columns} raw_weight from measurements",
                f"{columns} action, assigned_to, withdrawn_at is null from overrides",
                "select user_id, dirty, readings, rejected, level_kg from users",
                "select user_id, settled, basis, state from user_states",
                "select token is null, finished_at is null, left_to_do, 0 from erasures",
            )
        ]
    connection.close()
    return found


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("command", ["override", "erase"])
def test_any_commit(store, decide, id_of, monkeypatch, tmp_path, command, before):
    if command == "erase":  # of somebody with whom a reading was exchanged
        decide(store, id_of(store, "80.20"), "assign", "b")
        run = lambda data_dir: erase_person(configured(data_dir), "a")  # noqa: E731
    else:
        which = OverrideRequest(id_of(store, "80.20"), "assign", "b", "eva", None)
        run = lambda data_dir: override(configured(data_dir), [which])  # noqa: E731
    shutil.copytree(store, undisturbed := tmp_path / "undisturbed")
    run(undisturbed)
    expected = content(undisturbed)
    connect = sqlite3.connect
    for commits in itertools.count():
        shutil.copytree(store, data_dir := tmp_path / str(commits))
        Dying.commits_left, Dying.before = commits, before
        with monkeypatch.context() as dying:
            dying.setattr(door.sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Dying))
            try:
                run(data_dir)
            except Killed:
                died = True
            else:
                died = False
        run(data_dir)
        assert content(data_dir) == expected, f"died at commit {commits}"
        if not died:
            break
    assert commits > 3
