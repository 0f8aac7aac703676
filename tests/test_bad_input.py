"""Bad files and bad stores: one clear sentence, the right exit status, nothing half-written."""

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HEADER = b"user_id,effectiveDateTime,source_type,weight,unit\n"
GOOD = HEADER + b"".join(
    b"A,2024-01-%02dT07:00:00Z,scale,80.%d,kg\n" % (day, day % 10) for day in range(1, 29)
)
BRIEFLY = ("--no-dashboards", "--retro", "off")
MILLION_COLUMNS = b",".join([HEADER.strip(), *(b"c%d" % n for n in range(1_000_000))]) + b"\n"

UNUSABLE = {
    "missing": (None, "does not exist"),
    "empty": (b"", "is empty"),
    "blank": (b"\n\n\n", "is empty"),
    "binary": (bytes(range(256)) * 40, "no format|not a text table"),
    "wrong header": (b"name,when,how much\nA,2024-01-01,80\n", "no column for weight"),
    "no header": (GOOD.removeprefix(HEADER), "no header"),
    "no unit": (b"user_id,timestamp,weight\nA,2024-01-01,80\n", "no column for unit"),
    "a column twice": (
        b"user_id,date,weight_kg,weight_kg\nA,2024-01-01,80,81\n",
        "several columns called",
    ),
    "truncated gzip": (gzip.compress(GOOD * 50)[:-20], "truncated gzip"),
    "damaged gzip": (b"\x1f\x8bnot gzip at all", "gzip"),
    "a million columns": (MILLION_COLUMNS, "more than 10,000 columns"),
    "a folder": ("folder", "is a folder|holds no file"),
    "a pipe": ("pipe", "not a regular file"),
}


def make(path: Path, content: bytes | str | None) -> Path:
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        assert isinstance(content, bytes)
        path.write_bytes(content)
    return path


def one_sentence(stderr: str) -> str:
    """What the command says when it can do nothing: one line, of ours."""
    assert "Traceback" not in stderr
    said = [line for line in stderr.splitlines() if " | " not in line]  # Prefect's own, in-process
    (line,) = [line for line in said if line.startswith("weightstream: ")]
    return line


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_source_alone_is_refused(command, tmp_path, kind):
    content, sentence = UNUSABLE[kind]
    source = make(tmp_path / "bad.csv", content)
    ran = command("ingest", source, "--data-dir", tmp_path / "data", *BRIEFLY)
    assert ran.exit_code == 2, ran.output
    said = ran.stderr
    assert "Traceback" not in said + ran.stdout
    assert re.search(rf"{re.escape(str(source))}.*({sentence})", said), said
    store = tmp_path / "data" / "weightstream.db"
    if store.exists():
        with sqlite3.connect(store) as connection:
            for table in ("measurements", "decisions", "users", "quarantine"):
                assert not connection.execute(f"select count(*) from {table}").fetchone()[0]


def test_unusable_sources_do_not_stop_the_other(command, exported, tmp_path):
    bad = []
    for number, (content, _) in enumerate(UNUSABLE.values()):
        bad.append(make(tmp_path / f"bad-{number:02}.csv", content))
    good, data = make(tmp_path / "good.csv", GOOD), tmp_path / "data"
    ran = command("ingest", *bad, good, "--data-dir", data, *BRIEFLY, "--json")
    assert ran.exit_code == 1, ran.output
    for path, (_, sentence) in zip(bad, UNUSABLE.values(), strict=True):
        said = rf"^failed: {re.escape(str(path))}.*({sentence})"
        assert len(re.findall(said, ran.stderr, re.MULTILINE)) == 1, sentence
    counts = json.loads(ran.stdout.splitlines()[-1])
    assert (counts["rows_in"], counts["accepted"] + counts["rejected"]) == (28, 28)
    assert exported(data).count(b"\n") == 29


def test_what_was_read_of_a_file_that_breaks_later_does_not_count(ingested, exported, tmp_path):
    """Which order its dates have shows only at its end: rows before are taken back."""
    ambiguous = b"".join(b"B,%02d/03/2024,s,90,kg\n" % (day + 1) for day in range(12))
    before = b"B,NULL,s,90,kg\n" * 300_000  # more than a block of what is read at a time
    bad = make(tmp_path / "bad.csv", HEADER + before + ambiguous)
    good = make(tmp_path / "good.csv", GOOD)
    ran = ingested([bad, good], tmp_path / "data", retro="off")
    assert ran.state.name == "Degraded"
    assert ran.result.rows_in == sum(ran.result.counts.values()) == 28
    with sqlite3.connect(tmp_path / "data" / "weightstream.db") as connection:
        assert connection.execute("select user_id from users").fetchall() == [("A",)]
        assert connection.execute("select count(*) from quarantine").fetchone() == (0,)


ODD = {
    "BOM": b"\xef\xbb\xbf" + GOOD,
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "no line end at the end": GOOD.removesuffix(b"\n"),
    "gzip": gzip.compress(GOOD),
    "semicolons": GOOD.replace(b",", b";"),
    "blank lines": GOOD.replace(b"\n", b"\n\n"),
}


def test_odd_ways_to_write_a_file_change_nothing(ingested, exported, tmp_path):
    odd = [make(tmp_path / f"{number}.csv", content) for number, content in enumerate(ODD.values())]
    ran = ingested(odd, tmp_path / "data", retro="off")
    counts = ran.result.counts
    assert ran.state.name == "Completed", ran.result.problems
    assert ran.result.rows_in == 28 * len(ODD)
    assert (counts["accepted"] + counts["rejected"], counts["duplicates"]) == (28, 28 * 5)
    ingested(make(tmp_path / "good.csv", GOOD), tmp_path / "plain", retro="off")
    assert exported(tmp_path / "data") == exported(tmp_path / "plain")


ODD_ROWS = {
    "quoted newline": (b'A,2024-02-01,"a\nscale",80,kg\n', 1, 1),
    "other encoding": ("B\xe4r,2024-02-01,scale,80,kg\n".encode("latin-1"), 0, 1),
    "1 MB cell": (b"A,2024-02-01," + b"x" * (1 << 20) + b",80,kg\n", 1, 1),
    "1 MB number": (b"A,2024-02-01,s," + b"8" * (1 << 20) + b",kg\n", 1, 1),
    "NUL in the user": (b"A\x00,2024-02-01,s,80,kg\n", 1, 1),
    "NUL in the number": (b"A,2024-02-01,s,8\x000,kg\n", 1, 1),
    "quote never closed": (b'A,2024-02-01,"s,80,kg\n' * 3, 3, 3),
    "too many cells": (b"A,2024-02-01,s,80,kg,and,more\n", 1, 1),
    "too few cells": (b"A,2024-02-01,s\n", 1, 1),
}


def test_an_odd_row_costs_no_other(ingested, tmp_path):
    """Each odd row in a file of its own, with 28 good rows of a person of its own on both sides."""
    paths = []
    for number, (rows, _, _) in enumerate(ODD_ROWS.values()):
        good = GOOD.replace(b"\nA,", b"\nA%d," % number)
        paths.append(make(tmp_path / f"{number}.csv", good + rows + good[len(HEADER) :]))
    ran = ingested(paths, tmp_path / "data", retro="off")
    assert ran.state.name == "Completed", ran.result.problems
    query = "select name, rows_in, quarantined, duplicates from files"
    with sqlite3.connect(tmp_path / "data" / "weightstream.db") as connection:
        found = {name: counts for name, *counts in connection.execute(query)}
    for number, (kind, (_, quarantined, rows)) in enumerate(ODD_ROWS.items()):
        expected = [56 + rows, quarantined, 28]
        assert found[f"{number}.csv"] == expected, kind
    assert sum(ran.result.counts.values()) == ran.result.rows_in


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(store: Path) -> Iterator[None]:
    """Another process holds the store's write lock."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store)], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


def test_a_store_locked_by_another_process(command, exported, tmp_path, monkeypatch):
    from weightstream.store import connection

    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.5)
    source, data = make(tmp_path / "good.csv", GOOD), tmp_path / "data"
    arguments = ("ingest", source, "--data-dir", data, *BRIEFLY)
    assert command(*arguments).exit_code == 0
    before = exported(data)
    make(source, GOOD.replace(b"A,", b"B,"))
    with held(data / "weightstream.db"):
        ran = command(*arguments)
    assert ran.exit_code == 2
    assert "locked by another process" in one_sentence(ran.stderr)
    assert exported(data) == before
    assert command(*arguments).exit_code == 0
    assert exported(data).count(b"\n") == 57


def test_a_store_that_is_locked_halfway(ingested, simulated, exported, tmp_path, monkeypatch):
    from tasks import write as stage
    from weightstream.store import connection

    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.5)
    commit, calls = stage.commit, iter(range(1_000))

    def commit_while_held(writer, path, *others):
        if next(calls) == 2:
            with held(path):
                commit(writer, path, *others)
        else:
            commit(writer, path, *others)

    source, data = simulated(12, 750), tmp_path / "data"
    one_by_one = {"execution.users_per_task": 1}
    with monkeypatch.context() as patched:
        patched.setattr(stage, "commit", commit_while_held)
        ran = ingested(source, data, one_by_one)
    assert ran.state.name == "Failed"
    assert "locked by another process" in str(ran.result)
    with sqlite3.connect(data / "weightstream.db") as reader:
        assert reader.execute("select count(*) from users").fetchone() == (2,)
    assert ingested(source, data).state.name == "Completed"
    ingested(source, tmp_path / "undisturbed")
    assert exported(data) == exported(tmp_path / "undisturbed")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
        ).returncode
    )
    if not mounted:
        pytest.skip("only root can mount a file system to fill")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)])


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.fixture(scope="module")
def undisturbed():
    """The export of a run with space enough, once there was one."""
    return []


@pytest.mark.parametrize("size", ["16k", "400k", "3m"])
def test_a_full_disk(command, simulated, exported, tmp_path, undisturbed, size):
    """Too small for an empty store, for the measurements, for the pages."""
    source, disk, config = simulated(40, 4000), tmp_path / "disk", tmp_path / "few-tasks.toml"
    config.write_text("execution.users_per_task = 16\n")
    with small_disk(disk, size):
        arguments = ("ingest", source, "--config", config, "--data-dir", disk / "data")
        ran = command(*arguments)
        assert ran.exit_code in (1, 2)
        assert "Traceback" not in ran.stderr + ran.stdout
        assert re.search("no space left|has space", ran.stdout + ran.stderr, re.IGNORECASE)
        if ran.exit_code == 2:
            one_sentence(ran.stderr)
        remount(disk, "size=200m")
        again = command(*arguments)
        assert again.exit_code == 0, again.output
        assert not [*disk.glob("**/*.tmp"), *disk.glob("data/spill/*")]
        written = exported(disk / "data")
    if not undisturbed:
        assert command(*arguments[:-1], tmp_path / "data").exit_code == 0
        undisturbed.append(exported(tmp_path / "data"))
    assert written == undisturbed[0]


def test_a_disk_that_fills_while_the_input_is_partitioned(ingested, simulated, tmp_path):
    source, disk = simulated(40, 4000), tmp_path / "disk"
    with small_disk(disk, "400k"):
        ran = ingested(source, disk / "data", {"data.spill_rows": 500}, retro="off")
        assert ran.state.name == "Failed"
        assert "no space left" in str(ran.result).lower()
        remount(disk, "size=100m")
        assert ingested(source, disk / "data", retro="off").state.name == "Completed"
        assert not [*disk.glob("data/spill/*")]


def test_a_read_only_folder(command, exported, tmp_path):
    source, disk = make(tmp_path / "good.csv", GOOD), tmp_path / "disk"
    with small_disk(disk, "100m"):
        arguments = ("ingest", source, *BRIEFLY, "--data-dir")
        remount(disk, "ro")
        ran = command(*arguments, disk / "new")
        assert ran.exit_code == 2
        assert str(disk / "new") in one_sentence(ran.stderr)
        remount(disk, "rw")
        assert command(*arguments, disk / "old").exit_code == 0
        before = exported(disk / "old")
        remount(disk, "ro")
        ran = command(*arguments, disk / "old")
        assert ran.exit_code == 2
        assert str(disk / "old") in one_sentence(ran.stderr)
        remount(disk, "rw")
        assert command(*arguments, disk / "old").exit_code == 0
        assert exported(disk / "old") == before


def test_a_store_that_is_none(command, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "weightstream.db").write_bytes(b"something else, and longer than a header" * 100)
    source = make(tmp_path / "good.csv", GOOD)
    for arguments in (("ingest", source), ("status",), ("export", tmp_path / "out.csv")):
        ran = command(*arguments, "--data-dir", data)
        assert ran.exit_code == 2
        assert "not a weightstream store" in one_sentence(ran.stderr)
    assert (data / "weightstream.db").read_bytes().startswith(b"something else")
