"""Sources and outputs of `weightstream clean` that are no resting files."""

import csv
import gzip
import io

import pytest
from click.testing import CliRunner

from tests.running import run
from weightstream import cli_outcomes  # noqa: F401, it attaches the command
from weightstream.clean_files import CleanJob, clean_files
from weightstream.cli import cli
from weightstream.config import Config
from weightstream.readers import remote

GOOD = ("a", "2024-01-01T07:00:00Z", "80.0")


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def piped():
    """`weightstream ARGUMENTS` with bytes on standard input."""

    def piped(content, *arguments):
        remote._place("-").unlink(missing_ok=True)  # a process reads its standard input once
        return CliRunner().invoke(cli, [str(one) for one in arguments], input=content)

    return piped


def test_rows_come_and_go_through_pipes(piped, simulated, tmp_path):
    source = simulated(12, 900)
    assert run("clean", source, "-o", tmp_path / "out.csv").exit_code == 0
    expected = [{**row, "file": "standard input"} for row in rows_of(tmp_path / "out.csv")]
    for content in (source.read_bytes(), gzip.compress(source.read_bytes())):
        done = piped(content, "clean", "-", "-o", "-")
        assert done.exit_code == 0, done.stderr
        assert list(csv.DictReader(io.StringIO(done.stdout))) == expected
        assert "900 rows of 12 persons" in done.stderr
    read = piped(source.read_bytes(), "read", "-", "-o", "-")
    assert len(read.stdout.splitlines()) == 901
    outcomes = run("outcomes", source, "-o", "-", "--at", 84)
    assert len(list(csv.DictReader(io.StringIO(outcomes.stdout)))) == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clean", "-", "-o", "-", "--json"], "name a file"),
        (["plot", "-", "-o", "-"], "name a .html or .png file"),
        (["clean", "-", "-o", "{dir}/out", "--dask", "local"], "standard input"),
        (["clean", "{source}", "-o", "{dir}/out.csv", "--dask", "local"], "without an ending"),
        (["clean", "{source}", "-o", "-", "--dask", "local"], "without an ending"),
    ],
)
def test_what_no_pipe_can_be_is_one_sentence(piped, arguments, words, csv_of, tmp_path):
    pytest.importorskip("distributed")
    folder, source = tmp_path / "here", csv_of(GOOD)
    folder.mkdir()
    named = [text.format(dir=folder, source=source) for text in arguments]
    done = piped(source.read_bytes(), *named)
    assert done.exit_code == 2
    assert words in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert list(folder.iterdir()) == []


def test_a_source_that_changes_while_it_is_read_is_refused_as_a_whole(csv_of, tmp_path):
    growing, still = tmp_path / "growing.csv", csv_of(GOOD)
    growing.write_text(still.read_text().replace("\na,", "\nb,"))

    def grow(rows):
        with growing.open("a") as file:
            file.write("b,2024-01-02T07:00:00Z,81.0,kg,scale\n")

    for files, status in (([growing, still], 1), ([growing], 2)):
        job = CleanJob(files, tmp_path / f"out{status}.csv", Config())
        summary, _ = clean_files(job, on_rows=grow)
        assert summary.exit_status == status
        assert f"{growing} changed while it was read" in summary.problems[0]
    assert [row["user_id"] for row in rows_of(tmp_path / "out1.csv")] == ["a"]
    assert not (tmp_path / "out2.csv").exists()
