"""The command line as people use it: what it prints where, its exit statuses, its sentences."""

import json
import os
import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from deployments.commands import cli
from tests.running import MAIN, TELL_MODULES, run_python

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = sorted(cli.commands)
JSON_KEYS = [
    *("run_id", "rows_in", "accepted", "rejected", "duplicates", "quarantined", "excluded"),
    *("failed", "users", "seconds", "rows_per_second", "peak_rss_mb", "store", "dashboards_index"),
]
SECONDS_KEYS = ["startup", "read", "filter", "write", "retro", "dashboards", "total"]


def test_help_lists_every_command():
    said = CliRunner().invoke(cli, ["--help"])
    assert said.exit_code == 0
    assert {"ingest", "dashboards", "export", "status", "simulate", "config"} <= set(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s+\w", said.output, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(name):
    said = CliRunner().invoke(cli, [name, "--help"])
    assert said.exit_code == 0
    command = cli.commands[name]
    if hasattr(command, "commands"):  # a group, such as `server`
        return
    assert "--config FILE" in said.output
    assert "--data-dir DIRECTORY" in said.output


def test_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = CliRunner().invoke(cli, ["--version"]).output
    assert said.endswith(f"version {project['version']}\n")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("data.min_reading = 3", "did you mean 'data.min_readings'"),
        ("data.min_readings = 0", "data.min_readings = 0"),
        ("data.timezone = 'Mars/Base'", "Mars/Base"),
        ("threading.user_pool_size = 'many'", "threading.user_pool_size = 'many'"),
        ("data = 3", "data"),
        ("data.users_file = 'nobody.txt'", "nobody.txt"),
        ("profile = 'brave'", "profile = 'brave'"),
        ("data.columns.weight = 'Gewicht'", "data.columns.weight = 'Gewicht': write a list, such"),
        ("data.date_from = 2024-02-01\ndata.date_to = 2024-01-31", "before date_from, 2024-02-01"),
        ("this is not toml", "not valid TOML"),
    ],
)
def test_a_wrong_config_is_one_sentence(tmp_path, written, sentence):
    config = tmp_path / "wrong.toml"
    config.write_text(written + "\n")
    source = tmp_path / "weights.csv"
    source.write_text("user_id,effectiveDateTime,source_type,weight,unit\nA,2024-01-01,s,80,kg\n")
    said = CliRunner().invoke(cli, ["ingest", str(source), "--config", str(config)])
    assert said.exit_code == 2
    assert said.stdout == ""
    assert said.stderr.startswith("weightstream: ")
    assert said.stderr.count("\n") == 1
    assert sentence in said.stderr
    assert str(config) in said.stderr or "nobody.txt" in said.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.flow
@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "missing.csv"),
        ("ingest", "weights.csv", "--config", "missing.toml"),
        ("ingest", "weights.csv", "--timezone", "Mars/Base"),
        ("ingest", "weights.csv", "--unit", "stone-ish"),
        ("ingest", "weights.csv", "--format", "cvs"),
        ("status", "--data-dir", "missing"),
        ("export", "out.csv", "--data-dir", "missing"),
        ("dashboards", "--data-dir", "missing"),
        ("retro", "--data-dir", "missing"),
        ("config", "--config", "missing.toml"),
    ],
    ids=" ".join,
)
def test_what_needs_no_prefect_to_be_wrong_is_said_at_once(tmp_path, arguments):
    (tmp_path / "weights.csv").write_text(
        "user_id,effectiveDateTime,source_type,weight\nA,2024-01-01,s,80\n"
    )
    said = run_python(TELL_MODULES + MAIN, *arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert said.stdout == ""
    sentence, modules = said.stderr.splitlines()
    assert sentence.startswith("weightstream: ")
    assert "prefect" not in modules.split()
    assert sorted(os.listdir(tmp_path)) == ["weights.csv"]


@pytest.mark.parametrize(
    "arguments",
    [("ingest",), ("ingest", "a.csv", "--retro", "soon"), ("nonsense",), ("export",), ("--wrong",)],
    ids=" ".join,
)
def test_wrong_usage_is_explained(arguments):
    said = CliRunner().invoke(cli, list(arguments))
    assert said.exit_code == 2
    assert said.stderr.startswith("Usage: ")
    assert "Traceback" not in said.stderr


def test_config_prints_every_value_and_its_origin(tmp_path):
    config = tmp_path / "some.toml"
    config.write_text("data.min_readings = 7\n")
    said = CliRunner().invoke(
        cli, ["config", "--config", str(config), "--data-dir", str(tmp_path / "there")]
    )
    assert said.exit_code == 0
    lines = [line.split() for line in said.stdout.splitlines()]
    assert ["min_readings", "=", "7", "#", str(config)] in lines
    assert any(line[:1] == ["data_dir"] and line[-2:] == ["command", "line"] for line in lines)
    assert any(line[:1] == ["user_pool_size"] and line[-1] == "default" for line in lines)


@pytest.fixture(scope="module")
def one_run(simulated, tmp_path_factory, prefect_home):
    """`weightstream ingest --json` of one usable and one unusable source, in its own process."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "bad.csv").write_text("this,is,no header\n1,2,3\n")
    data = folder / "data"
    source = simulated(12, 500)
    given = ("ingest", source, folder / "bad.csv", "--data-dir", data, "--json")
    return run_python(MAIN, *given), data


@pytest.mark.flow
def test_json_is_the_last_line_on_stdout(one_run):
    said, data = one_run
    assert said.stdout.count("\n") == 1
    found = json.loads(said.stdout)
    assert list(found) == JSON_KEYS
    assert list(found["seconds"]) == SECONDS_KEYS
    assert found["store"] == str(data / "weightstream.db")
    assert found["dashboards_index"] == str(data / "dashboards" / "index.html")
    assert all(Path(found[key]).is_file() for key in ("store", "dashboards_index"))
    outcomes = JSON_KEYS[2:8]
    assert found["rows_in"] == 500 == sum(found[name] for name in outcomes)
    assert found["users"] == 12
    seconds = found["seconds"]
    assert 0 < seconds["startup"] < seconds["total"]
    busy = seconds["total"] - seconds["startup"] - seconds["retro"] - seconds["dashboards"]
    assert found["rows_per_second"] == pytest.approx(500 / busy, rel=0.02)


@pytest.mark.flow
def test_partial_success_has_status_one_and_is_named(one_run):
    said, _ = one_run
    assert said.returncode == 1
    assert len(re.findall(r"^.*bad\.csv has no column", said.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in said.stderr + said.stdout
    assert "Prefect" not in said.stderr


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    source = tmp_path / "weights.csv"
    source.write_text("user_id,effectiveDateTime,source_type,weight,unit\nA,2024-01-01,s,80,kg\n")
    said = run_python(MAIN, "ingest", source, "--data-dir", tmp_path / "data")
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr.startswith("weightstream: Prefect could not run the flow")
    assert "http://127.0.0.1:9/api" in said.stderr
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("url", "named"), [("http://127.0.0.1:9/api", True), ("", False)])
def test_only_who_has_set_an_address_is_told_to_unset_it(url, named):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.commands import failed_by_prefect

    with temporary_settings({PREFECT_API_URL: url}):
        said = failed_by_prefect(RuntimeError("gone\nand more"))
    assert said.startswith("Prefect could not run the flow (gone); ")
    assert ("PREFECT_API_URL" in said) is named


STOPPED = """
import atexit, os, signal, time
from deployments import commands

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and what nohup starts this one
atexit.register(print, "what was started here is stopped")  # as Prefect does with its server

def flow(**parameters):
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)

commands.cli.command("wait")(lambda: commands.report(flow, {{}}, False))
commands.main()
"""


@pytest.mark.flow
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_run_that_is_stopped_leaves_nothing_running(name, status):
    said = run_python(STOPPED.format(name=name), "wait")
    assert said.returncode == status
    assert said.stdout == "what was started here is stopped\n"
    assert (
        said.stderr
        == "weightstream: interrupted; stored data remain, run the same command again to continue\n"
    )


HANGING = """
import os, signal, threading
from deployments import commands, ending

ending.SECONDS = 0.5

def hang():
    os.kill(os.getpid(), signal.SIGTERM)
    while True:  # as who waits for a thread that never comes, and catches what is raised meanwhile
        try:
            threading.Event().wait()
        except BaseException:
            pass

commands.cli.command("hang")(hang)
commands.main()
"""
EARLY = """
import os, signal
from deployments import commands

commands.cli.command("early")(lambda: os.kill(os.getpid(), signal.SIGTERM))
commands.main()
"""


@pytest.mark.flow
@pytest.mark.parametrize("program", [HANGING, EARLY], ids=["hang", "early"])
def test_a_command_ends_by_sigterm_whatever_it_does(program, request):
    """Before a flow runs, and where the main thread does not get on."""
    said = run_python(program, request.node.callspec.id)
    assert said.returncode == 143, said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("given", [True, False])
def test_prefect_keeps_its_records_elsewhere_where_its_home_cannot_be_written(
    tmp_path, monkeypatch, given
):
    from deployments.home import choose_home
    from weightstream.errors import PrefectError

    (tmp_path / "file").write_text("")  # nobody can make a folder in it, root neither
    monkeypatch.setenv("HOME", str(tmp_path / "file/home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file/prefect"))
    if given:
        with pytest.raises(
            PrefectError, match="prefect cannot be written, or is full; name another"
        ):
            choose_home()
        return
    monkeypatch.delenv("PREFECT_HOME")
    told = choose_home()
    home = tmp_path / f"weightstream-{os.getuid()}" / "prefect"
    assert os.environ["PREFECT_HOME"] == str(home)
    assert home.is_dir()
    assert home.parent.stat().st_mode & 0o077 == 0
    assert told.endswith(f"Prefect keeps its records in {home}")
    home.parent.chmod(0o777)  # others could have put anything there
    monkeypatch.delenv("PREFECT_HOME")
    with pytest.raises(PrefectError, match="a private temporary folder"):
        choose_home()


def test_where_threads_run_out_a_run_is_refused_in_one_sentence(monkeypatch):
    import threading

    from deployments.commands import LEAST_THREADS, check_threads
    from weightstream.errors import PrefectError

    start, left = threading.Thread.start, iter([True] * (LEAST_THREADS - 1))

    def few(thread):
        if not next(left, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    check_threads()
    monkeypatch.setattr(threading.Thread, "start", few)
    with pytest.raises(PrefectError, match="only 15 threads can be started, and a run needs 16"):
        check_threads()


@pytest.mark.parametrize(
    ("limits", "raised", "words"),
    [
        ((20, 20), [], "only 20 files can be open at once, and a run needs 64"),
        ((20, 63), [(63, 63)], "only 63 files"),
        ((20, 4096), [(1024, 4096)], None),
        ((256, -1), [(1024, -1)], None),
        ((20_000, 20_000), [], None),
        ((-1, -1), [], None),
    ],
)
def test_a_run_may_open_files_enough_or_is_refused(monkeypatch, limits, raised, words):
    import resource

    from deployments.open_files import check_files
    from weightstream.errors import PrefectError

    done = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, to: done.append(to))
    with pytest.raises(PrefectError, match=words) if words else nullcontext():
        check_files()
    assert done == raised


def test_a_home_without_room_is_not_written_to(tmp_path, monkeypatch):
    import resource

    from deployments.home import is_writable

    monkeypatch.delattr(os, "posix_fallocate", raising=False)  # as on macOS
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert is_writable(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        assert not is_writable(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("found", "counts"), [(16, [1, 1]), (79, [1, 1]), (80, [])])
def test_where_threads_are_few_arrow_starts_its_own_first(monkeypatch, found, counts):
    """It would wait without end for a thread that cannot be started later."""
    import pyarrow as pa

    from deployments.commands import check_threads

    said = []
    for name in ("set_cpu_count", "set_io_thread_count"):
        monkeypatch.setattr(pa, name, said.append)
    monkeypatch.setattr("tasks.runtime.submission.startable_threads", lambda _: found)
    check_threads()
    assert said == counts
