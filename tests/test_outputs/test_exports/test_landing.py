"""Outputs by URL."""

import json

from click.testing import CliRunner

from weightstream.cli_files import cli


def run(*arguments, status=0):
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.stderr
    return done


def test_a_file_appears_under_its_url_as_it_would_here(memory, csv_of, tmp_path):
    source = csv_of(("a", "2024-01-01", "80"))
    run("clean", source, "-o", tmp_path / "out.csv")
    run("clean", source, "-o", "memory://bucket/deep/out.csv")
    assert memory.cat("/bucket/deep/out.csv") == (tmp_path / "out.csv").read_bytes()
    assert memory.find("/bucket") == ["/bucket/deep/out.csv"]
    for command in ("read", "plot"):
        ending = "csv" if command == "read" else "html"
        run(command, source, "-o", f"memory://bucket/{command}.{ending}")
        assert memory.size(f"/bucket/{command}.{ending}") > 0


def test_a_data_set_appears_whole_and_is_replaced_when_told(memory, csv_of):
    url = "memory://bucket/judged"
    run("clean", csv_of(("a", "2024-01-01", "80")), "-o", url)
    assert len(json.loads(memory.cat("/bucket/judged/_manifest.json"))["parts"]) == 1
    other = csv_of(("b", "2024-01-01", "80"), ("b", "2024-01-02", "80.1"))
    done = run("clean", other, "-o", url, status=2)
    assert "--overwrite" in done.stderr
    run("clean", other, "-o", url, "--overwrite")
    assert json.loads(memory.cat("/bucket/judged/_manifest.json"))["counts"]["accepted"] == 2
    memory.pipe_file("/bucket/other/notes.txt", b"mine")
    done = run("clean", other, "-o", "memory://bucket/other", "--overwrite", status=2)
    assert "other content" in done.stderr
    assert memory.cat("/bucket/other/notes.txt") == b"mine"


def test_where_nothing_is_judged_or_the_copy_fails_nothing_appears(memory, csv_of, monkeypatch):
    run("clean", "memory://bucket/none.csv", "-o", "memory://bucket/out.csv", status=2)

    def fail(*_, **__):
        raise OSError("the bucket is full")

    monkeypatch.setattr(type(memory), "put_file", fail)
    done = run("clean", csv_of(("a", "2024-01-01", "8")), "-o", "memory://b/out.csv", status=2)
    assert "memory://b/out.csv: cannot be written (the bucket is full)" in done.stderr
    assert memory.find("/") == []
    done = run("clean", csv_of(("a", "2024-01-01", "8")), "-o", "gopher://b/out.csv", status=2)
    assert "gopher" in done.stderr
