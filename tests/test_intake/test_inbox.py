"""The inbox: what is claimed, by whom, and where it goes; nothing is lost on any way."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.running import run_python
from weightstream.errors import InputError
from weightstream.intake import inbox as module
from weightstream.intake.inbox import claiming, make_folders

AGO = 3_600


@pytest.fixture
def inbox(tmp_path):
    return tmp_path / "inbox"


@pytest.fixture
def drop(inbox):
    """Put a file into the inbox, as if an hour ago."""

    def put(name: str, text: str = "x", ago: float = AGO) -> Path:
        path = inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name}")  # there at once, or not at all
        hidden.write_text(text)
        os.utime(hidden, (time.time() - ago,) * 2)
        return hidden.rename(path)

    return put


def test_the_inbox_is_made_with_what_is_above_it_and_is_its_owner_s_alone(tmp_path):
    inbox = tmp_path / "data" / "inbox"
    for _ in range(2):  # a folder that is there already is no fault
        make_folders(inbox)
    folders = [inbox, *sorted(inbox.iterdir())]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 4


@pytest.fixture(autouse=True)
def old(monkeypatch):
    """The time of a file's last change of any kind cannot be set; take its mtime for it."""

    def look(path):
        found = path.lstat()
        return found.st_mode, (found.st_size, found.st_mtime_ns, found.st_mtime_ns)

    monkeypatch.setattr(module, "_look", look)


def settled(inbox: Path, run: str = "run", **fates: str) -> list[str]:
    """One run that takes everything for good, but for the named ones; what it claimed."""
    with claiming(inbox, run, 10) as claims:
        names = [str(file.name) for file in claims.files]
        claims.finish({file.path: fates.get(file.name.stem) for file in claims.files})
    return names


def below(folder: Path) -> dict[str, str]:
    """Files by path and their text, but for the lock."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".moving"
    }


def test_files_go_to_done_or_to_failed_with_a_report(inbox, drop):
    drop("good.csv", "good")
    drop("clinic/bad.csv", "bad")
    assert settled(inbox, bad="it has no header") == ["clinic/bad.csv", "good.csv"]
    assert below(inbox) == {
        "done/good.csv": "good",
        "failed/clinic/bad.csv": "bad",
        "failed/clinic/bad.csv.report.txt": "it has no header\n",
    }
    assert settled(inbox) == []


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_replaced(inbox, drop):
    for text in ("first", "second", "third"):
        drop("a.csv", text)
        settled(inbox)
    for text in ("one", "two"):
        drop("b.csv", text)
        settled(inbox, b=text)
    assert below(inbox) == {
        "done/a.csv": "first",
        "done/a-2.csv": "second",
        "done/a-3.csv": "third",
        "failed/b.csv": "one",
        "failed/b.csv.report.txt": "one\n",
        "failed/b-2.csv": "two",
        "failed/b-2.csv.report.txt": "two\n",
    }


def test_the_longest_name_has_its_report_and_its_number(inbox, drop):
    name = "é" * 125 + ".csv"  # 254 bytes
    for text in ("one", "two"):
        drop(name, text)
        settled(inbox, **{name.removesuffix(".csv"): text})
    found = below(inbox)
    assert sorted(found.values()) == ["one", "one\n", "two", "two\n"]
    reports = [path for path in found if ".report" in path]
    assert len(reports) == 2
    assert all(path.startswith("failed/ééé") for path in found)


@pytest.mark.parametrize(
    "name", [".hidden.csv", ".hidden/a.csv", "a.csv.part", "A.CSV.TMP", "a.crdownload", "a.csv~"]
)
def test_hidden_and_partial_names_are_left_alone(inbox, drop, name):
    drop(name)
    assert settled(inbox) == []
    assert list(below(inbox)) == [name]


def test_a_file_that_still_grows_is_left_alone_and_one_that_rests_meanwhile_is_not(
    inbox, drop, monkeypatch
):
    growing, resting = drop("growing.csv", ago=1), drop("resting.csv", ago=1)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        with growing.open("a") as file:
            file.write("more")

    monkeypatch.setattr("time.sleep", sleep)
    assert settled(inbox) == ["resting.csv"]
    assert slept == [10]
    assert growing.read_text() == "xmore"
    assert not resting.exists()


def test_nothing_is_waited_for_where_all_is_old_or_nothing_is_there(inbox, drop, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waited"))
    assert settled(inbox) == []
    drop("a.csv")
    assert settled(inbox) == ["a.csv"]


def test_a_file_of_tomorrow_rests_too(inbox, drop, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    drop("a.csv", ago=-86_400)
    assert settled(inbox) == ["a.csv"]


def test_a_file_that_changes_while_it_is_read_waits_again(inbox, drop):
    drop("a.csv", "half")
    with claiming(inbox, "run", 10) as claims:
        (file,) = claims.files
        file.path.write_text("half and half")
        assert claims.finish({file.path: None}) == 1
    assert below(inbox) == {"a.csv": "half and half"}


def test_links_go_to_failed_unfollowed(inbox, drop, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "weights.csv").write_text("not for the inbox")
    drop("a.csv")
    (inbox / "file.csv").symlink_to(secret / "weights.csv")
    (inbox / "folder").symlink_to(secret)
    os.mkfifo(inbox / "pipe")
    with claiming(inbox, "run", 10) as claims:
        assert [str(file.name) for file in claims.files] == ["a.csv"]
        assert claims.problems == ["3 links or devices are in the inbox's failed folder"]
    assert (secret / "weights.csv").read_text() == "not for the inbox"
    assert {path.name for path in (inbox / "failed").iterdir()} == {
        *("file.csv", "folder", "pipe"),
        *("file.csv.report.txt", "folder.report.txt", "pipe.report.txt"),
    }


@pytest.mark.parametrize("name", [".claimed", "done", "failed"])
def test_the_inbox_is_refused_where_its_own_folders_lead_elsewhere(inbox, drop, tmp_path, name):
    drop("a.csv")
    (tmp_path / "elsewhere").mkdir()
    (inbox / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is not a folder"):
        settled(inbox)
    assert (inbox / "a.csv").exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_folder_can_say_whose_readings_a_file_holds(inbox, drop):
    drop("user=P-17/2024/export.csv")
    drop("clinic/all.csv")
    with claiming(inbox, "run", 10) as claims:
        assert {str(f.name): f.user for f in claims.files} == {
            "clinic/all.csv": None,
            "user=P-17/2024/export.csv": "P-17",
        }
        assert list(claims.people.values()) == ["P-17"]


def test_all_goes_back_when_the_run_fails(inbox, drop):
    drop("a.csv")
    drop("b/c.csv")
    claimed = []

    def run():
        with claiming(inbox, "run", 10) as claims:
            claimed.extend(claims.files)
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        run()
    assert len(claimed) == 2
    assert list(below(inbox)) == ["a.csv", "b/c.csv"]
    assert list((inbox / ".claimed").glob("run*")) == []


def killed_at_work(inbox: Path) -> None:
    """A run in a process of its own that claims and dies without a word."""
    program = (
        "import os, sys; from pathlib import Path; from weightstream.intake.inbox import claiming\n"
        "with claiming(Path(sys.argv[1]), 'dead', 0) as claims: os._exit(len(claims.files))"
    )
    said = run_python(program, inbox)
    assert said.returncode == 2


def test_what_a_killed_run_had_claimed_is_taken_over(inbox, drop):
    drop("a.csv")
    drop("b/c.csv")
    killed_at_work(inbox)
    assert not (inbox / "a.csv").exists()
    assert settled(inbox) == ["a.csv", "b/c.csv"]
    assert list(below(inbox)) == ["done/a.csv", "done/b/c.csv"]


def test_what_kills_every_run_goes_to_failed_in_the_end(inbox, drop):
    drop("a.csv")
    drop("b.csv")
    for _ in range(3):
        killed_at_work(inbox)
    drop("new.csv")
    assert settled(inbox) == ["new.csv"]
    assert {"failed/a.csv", "failed/b.csv", "done/new.csv"} <= set(below(inbox))
    assert "3 runs were killed" in (inbox / "failed/a.csv.report.txt").read_text()


def test_of_a_live_run_nothing_is_taken(inbox, drop):
    drop("a.csv")
    with claiming(inbox, "one", 10) as one:
        drop("b.csv")
        with claiming(inbox, "two", 10) as two:
            assert [str(file.name) for file in two.files] == ["b.csv"]
            two.finish({file.path: None for file in two.files})
        one.finish({file.path: None for file in one.files})
    assert list(below(inbox)) == ["done/a.csv", "done/b.csv"]


def test_two_processes_on_one_inbox_never_share_a_file(inbox, drop):
    for number in range(300):
        drop(f"{number % 7}/{number}.csv", str(number))
    program = (
        "import sys; from pathlib import Path; from weightstream.intake.inbox import claiming\n"
        "for run in range(20):\n"
        "    with claiming(Path(sys.argv[1]), sys.argv[2], 0) as claims:\n"
        "        for file in claims.files: print(file.path.read_text())\n"
        "        claims.finish({file.path: None for file in claims.files})\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(inbox), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for number in range(300, 400):
        drop(f"{number}.csv", str(number))
        time.sleep(0.002)
    read = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    settled(inbox)
    taken = [*read[0], *read[1]]
    assert len(taken) == len(set(taken))
    assert sorted(below(inbox / "done").values(), key=int) == [str(n) for n in range(400)]


def test_a_claim_that_its_owner_is_removing_stops_nobody(inbox):
    """Between the end of its owner and that of its folders another run may come upon it."""
    claim, ended = inbox / ".claimed" / "other-0", threading.Event()
    claim.parent.mkdir(parents=True)

    def make_and_remove():
        while not ended.is_set():
            with suppress(OSError):  # the run that came upon it removes it too
                (claim / "0/1/2").mkdir(parents=True)
            for folder in (claim / "0/1/2", claim / "0/1", claim / "0", claim):
                with suppress(OSError):
                    folder.rmdir()

    other = threading.Thread(target=make_and_remove)
    other.start()
    try:
        for _ in range(300):
            assert settled(inbox) == []
    finally:
        ended.set()
        other.join()


def test_an_inbox_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the inbox cannot be used"):
        settled(tmp_path / "file" / "inbox")


@pytest.mark.parametrize("swapped", ["clinic", "done", "failed", ".claimed"])
def test_a_folder_that_becomes_a_link_meanwhile_moves_nothing_elsewhere(
    inbox, drop, tmp_path, monkeypatch, swapped
):
    """Whoever may drop files may do so between any two looks of ours."""
    elsewhere = tmp_path / "store"
    elsewhere.mkdir()
    for name in ("a.csv", "weightstream.db", ".owner"):
        (elsewhere / name).write_text("of the store")
    drop("clinic/a.csv")
    drop("clinic/weightstream.db", "bad")
    look = module.at_rest

    def at_rest(*given):
        dropped = look(*given)
        (inbox / swapped).rename(tmp_path / "was")
        (inbox / swapped).symlink_to(elsewhere)
        return dropped

    monkeypatch.setattr(module, "at_rest", at_rest)
    with suppress(InputError):
        settled(inbox, weightstream="bad")
    assert below(elsewhere) == {
        "a.csv": "of the store", "weightstream.db": "of the store", ".owner": "of the store",
    }  # fmt: skip


def test_a_file_with_a_second_name_elsewhere_is_not_read(inbox, drop, tmp_path):
    """Such as a hard link to a file that the service may read and who dropped it may not."""
    kept = tmp_path / "kept.csv"
    kept.write_text("of somebody else")
    drop("a.csv")
    os.link(kept, inbox / "b.csv")
    with claiming(inbox, "run", 0) as claims:
        assert [str(file.name) for file in claims.files] == ["a.csv"]
    assert "a hard link" in (inbox / "failed/b.csv.report.txt").read_text()
    assert kept.read_text() == "of somebody else"
