"""Sources by URL and by pattern."""

import pickle
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFile

from weightstream.clean_files import CleanJob, clean_files
from weightstream.cli_files import cli
from weightstream.config import Config
from weightstream.errors import InputError
from weightstream.intake.sources import files_of, look_up
from weightstream.readers.remote import (
    RemotePath,
    _folder,
    fetch,
    shown_error,
    shown_url,
    version_of,
)

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


@pytest.fixture
def answering():
    """A server whose answer is the status that the path names."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            status = int(self.path.partition("/")[2].partition(".")[0])
            self.send_response(status)
            self.send_header("Content-Length", str(len(CSV)))
            self.end_headers()
            self.wfile.write(CSV)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "may not be read (401)"),
        (403, "may not be read (403)"),
        (404, "does not exist"),
        (410, "does not exist"),
        (500, "cannot be read (500"),
    ],
)
def test_what_a_server_answers_is_said(answering, tmp_path, status, words):
    """fsspec tells each of these as a missing file."""
    pytest.importorskip("aiohttp")
    url = f"{answering}/{status}.csv"
    with pytest.raises(InputError) as caught:
        fetch(url + "?token=secret", tmp_path / "a")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "a").exists()
    done = CliRunner().invoke(cli, ["clean", url, "-o", str(tmp_path / "out.csv")])
    assert (done.exit_code, words in done.stderr) == (2, True)


def test_an_error_that_quotes_a_url_keeps_its_secrets():
    error = OSError("GET 'https://me:pass@host/a.csv?sig=abc' failed, see (http://b/c?d=e)")
    assert shown_error(error) == "GET 'https://host/a.csv' failed, see (http://b/c)"
    assert shown_error(TimeoutError()) == "TimeoutError"


def test_a_server_that_answers_is_read(answering, tmp_path):
    pytest.importorskip("aiohttp")
    for query in ("", "?token=x&b[]=1"):  # which is no pattern
        (path,) = files_of([f"{answering}/200.csv{query}"])
        assert path.read_bytes() == CSV


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_server_that_is_not_there_is_named(scheme, tmp_path):
    pytest.importorskip("aiohttp")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}/a.csv"
        done = CliRunner().invoke(cli, ["clean", url, "-o", str(tmp_path / "out.csv")])
    assert done.exit_code == 2
    assert f"{url} does not answer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_a_cluster_leaves_beside_the_data_is_no_source(memory, tmp_path):
    left = ("_SUCCESS", ".part-0.csv.crc", "_metadata", "_committed_123", "_started_123")
    for name in ("part-0.csv", *left):
        memory.pipe_file(f"/bucket/set/{name}", CSV if name == "part-0.csv" else b"")
        (tmp_path / name).write_bytes(CSV if name == "part-0.csv" else b"\x00crc")
    assert [path.name for path in files_of(["memory://bucket/set"])] == ["part-0.csv"]
    found = look_up([str(tmp_path)])
    assert [path.name for path in found.files] == ["part-0.csv"]
    assert found.unread == []


def test_what_may_be_secret_is_not_shown():
    url = "https://me:pass@host/a/b.csv?signature=abc"
    assert shown_url(url) == str(RemotePath(url)) == "https://host/a/b.csv"
