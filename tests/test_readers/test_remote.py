"""Sources by URL and by pattern."""

import pickle

import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFile

from weightstream.clean_files import CleanJob, clean_files
from weightstream.cli_files import cli
from weightstream.config import Config
from weightstream.errors import InputError
from weightstream.intake.sources import files_of
from weightstream.readers.remote import RemotePath, _folder, fetch, shown_url, version_of

CSV = b"user_id,date,weight,unit\na,2024-01-01,80,kg\n"


def test_a_url_is_read_once_and_told_by_its_name(memory, tmp_path):
    memory.pipe_file("/bucket/a.csv", CSV)
    (path,) = files_of(["memory://bucket/a.csv"])
    assert (str(path), path.name) == ("memory://bucket/a.csv", "a.csv")
    assert path.read_bytes() == CSV
    memory.rm("/bucket/a.csv")
    assert path.read_bytes() == CSV
    assert str(pickle.loads(pickle.dumps(path))) == str(path)


def test_patterns_and_folders_name_their_files(memory, tmp_path):
    for name in ("b", "a"):
        memory.pipe_file(f"/bucket/{name}.csv", CSV)
        (tmp_path / f"{name}.csv").write_bytes(CSV)
    expected = ["memory://bucket/a.csv", "memory://bucket/b.csv"]
    for source in ("memory://bucket/*.csv", "memory://bucket"):
        assert [str(path).replace("///", "//") for path in files_of([source])] == expected
    assert files_of([f"{tmp_path}/*.csv"]) == [tmp_path / "a.csv", tmp_path / "b.csv"]
    (tmp_path / "odd[1].csv").write_bytes(CSV)
    assert files_of([f"{tmp_path}/odd[1].csv"]) == [tmp_path / "odd[1].csv"]


def test_its_version_is_known_without_fetching_it(memory, monkeypatch):
    memory.pipe_file("/bucket/a.csv", CSV)
    monkeypatch.setattr(type(memory), "open", lambda *_, **__: pytest.fail("was fetched"))
    (path,) = files_of(["memory://bucket/a.csv"])
    size, first = version_of(path)
    assert size == len(CSV)
    monkeypatch.setitem(memory.store, "/bucket/a.csv", MemoryFile(memory, "/bucket/a.csv", CSV))
    assert version_of(path) != (size, first)


def test_the_copy_goes_once_it_is_read(memory, tmp_path):
    memory.pipe_file("/bucket/b.csv", CSV)
    (path,) = files_of(["memory://bucket/b.csv"])
    clean_files(CleanJob([path], tmp_path / "out.csv", Config()))
    assert list(_folder().rglob("b.csv")) == []


def test_clean_reads_a_url(memory, tmp_path):
    memory.pipe_file("/bucket/a.csv", CSV)
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(cli, ["clean", "memory://bucket/a.csv", "-o", str(out)])
    assert done.exit_code == 0, done.stderr
    assert "memory://bucket/a.csv" in out.read_text()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("memory://bucket/none.csv", "memory://bucket/none.csv does not exist"),
        ("memory://bucket/*.csv", "matches no file"),
        ("gopher://a/b.csv", "gopher"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(memory, url, words, tmp_path):
    done = CliRunner().invoke(cli, ["clean", url, "-o", str(tmp_path / "out.csv")])
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_says_so(memory, monkeypatch, tmp_path):
    class Refused(Exception):
        status = 403

    def refuse(*_, **__):
        raise Refused

    monkeypatch.setattr(type(memory), "open", refuse)
    with pytest.raises(InputError, match=r"may not be read \(403\)"):
        fetch("memory://bucket/a.csv?token=secret", tmp_path / "a")


def test_what_may_be_secret_is_not_shown():
    url = "https://me:pass@host/a/b.csv?signature=abc"
    assert shown_url(url) == str(RemotePath(url)) == "https://host/a/b.csv"
