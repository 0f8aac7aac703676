import csv
import errno
import os
import tomllib

import pytest

from tests.running import run
from weightstream.config_file import flatten, load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80"), ("b", "2024-01-02", "x")))
    return data_dir


def test_the_printed_configuration_can_be_read_back(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(
        "profile = 'clinical'\n[data]\nmin_date = 2000-01-31\ntimezone = 'Europe/Oslo'\n"
        "data_dir = '/srv/x'\n[sources.'https://a.b/\"c\" \U0001f600']\nnoise_kg = 0.5\n"
        "[threading]\nenabled = false\n",
        "utf-8",
    )
    printed = run("config", "--config", path)
    assert printed.exit_code == 0
    again = tmp_path / "again.toml"
    again.write_text(printed.stdout, "utf-8")
    assert tomllib.loads(printed.stdout)["threading"]["enabled"] is False
    assert load(again).config == load(path).config
    assert flatten(load(again).config) == flatten(load(path).config)


def test_the_configuration_tells_where_values_are_from(tmp_path):
    (tmp_path / "config.toml").write_text("[data]\nmax_users = 7\n")
    lines = run("config", "--data-dir", "here").stdout.splitlines()
    origin = {line.split()[0]: line.rpartition("# ")[2] for line in lines if " = " in line}
    assert origin["max_users"] == "config.toml"
    assert origin["data_dir"] == "command line"
    assert origin["min_readings"] == "default"
    assert any(line.startswith("# users_file not set") for line in lines)


def test_status_and_export(store, tmp_path):
    status = run("status", "--data-dir", store)
    assert status.exit_code == 0
    assert "bad_number" in status.stdout
    done = run("export", tmp_path / "out.csv", "--data-dir", store)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 rows in" in done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["user_id"] for row in csv.DictReader(file)] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status"], "there is no store yet"),
        (["export", "out.csv", "--data-dir", "{store}", "--user", "z"], "no person called 'z'"),
        (["export", "out.xlsx", "--data-dir", "{store}"], "must end in"),
        (["status", "--config", "missing.toml"], "this configuration file does not exist"),
        (["config", "--config", "{bad}"], "did you mean"),
        (["export", "{bad}/out.csv", "--data-dir", "{store}"], "cannot be written (Not a dir"),
        (["export", "o" * 250 + ".csv", "--data-dir", "{store}"], "File name too long"),
        (["simulate", "x.csv", "--scenario", "moon"], "moon"),
        (["simulate", "none/x.csv", "--persons", 1], "none/x.csv: cannot be written"),
        (["simulate", "x.csv", "--persons", 1, "--labels", "no/l.csv"], "cannot be written"),
        (["simulate", "x.csv", "--persons", 1, "--labels", "./x.csv"], "name two files"),
    ],
)
def test_our_errors_are_one_sentence_and_status_2(store, tmp_path, arguments, words):
    (tmp_path / "bad.toml").write_text("[data]\ntimezon = 'UTC'")
    bad = tmp_path / "bad.toml"
    done = run(*(str(text).format(store=store, bad=bad) for text in arguments))
    assert done.exit_code == 2
    assert done.stderr.startswith("weightstream: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [("erase", b"\xff"), ("export", b"\xff.csv"), ("status", "--data-dir", b"\xff")],
    ids=str,
)
def test_an_argument_that_is_no_text_is_wrong_usage(arguments):
    done = run(*(os.fsdecode(argument) for argument in arguments))
    assert done.exit_code == 2
    assert "is not UTF-8; rename it" in done.stderr


def test_simulate_writes_what_was_asked(tmp_path):
    done = run("simulate", "out.csv", "--persons", 5, "--rows", 200, "--labels", "truth.csv")
    assert done.exit_code == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 201
    assert (tmp_path / "truth.csv").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EMFILE, "Too many open files", "a.csv"), "a.csv: Too many open files"),
    ],
)
def test_an_error_of_the_system_is_one_sentence(monkeypatch, data_dir, error, said):
    def failing(*_):
        raise error

    monkeypatch.setattr("weightstream.store.backup.check", failing)
    done = run("check", "--data-dir", data_dir)
    assert (done.exit_code, done.stderr) == (2, f"weightstream: {said}; nothing more was done\n")
