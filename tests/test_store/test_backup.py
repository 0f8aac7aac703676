"""A backup is made and restored as docs/operations.md says, while somebody writes."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from weightstream.store.connection import open_writer

ROOT = Path(__file__).resolve().parents[2]


def blocks() -> list[str]:
    """The commands of the section."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    section = page.partition("## Backup and restore")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def as_written(tmp_path):
    """Run commands of the page in folders of the test's; services are stopped and started here."""

    def run(block):
        commands = (
            block.replace(".venv/bin", os.path.dirname(sys.executable))
            .replace("/srv/weightstream", str(tmp_path / "srv"))
            .replace("/backup", str(tmp_path / "backup"))
            .replace("systemctl", "true")
        )
        done = subprocess.run(["sh", "-euc", commands], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    (tmp_path / "backup").mkdir()
    return run


def test_what_was_committed_is_restored_and_what_follows_is_the_same(
    as_written, store_files, csv_of, course, exported, rows_of, tmp_path
):
    store = tmp_path / "srv"
    store_files(store, csv_of(*course))
    saved = exported(store)
    backup, restore = blocks()
    with open_writer(store) as writer:
        writer.execute("begin immediate")
        writer.execute("delete from measurements")
        as_written(backup)
        writer.execute("rollback")
    copy = tmp_path / "backup/weightstream.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    # The store is lost, and a WAL of later times lies beside it.
    later, log = csv_of(("c", "2024-03-01", "70.0")), store / "weightstream.db-wal"
    reader = sqlite3.connect(store / "weightstream.db")
    reader.execute("select 1 from users").fetchall()
    store_files(store, later)
    left = log.read_bytes()
    reader.close()
    assert left
    log.write_bytes(left)
    (store / "weightstream.db").write_bytes(b"\0" * 4096)
    as_written(restore)
    assert exported(store) == saved
    assert rows_of(store, "pragma integrity_check") == [("ok",)]
    assert stat.S_IMODE((store / "weightstream.db").stat().st_mode) == 0o600
    other = tmp_path / "undisturbed"
    store_files(other, csv_of(*course))
    for folder in (store, other):
        store_files(folder, later)
    assert exported(store) == exported(other)
