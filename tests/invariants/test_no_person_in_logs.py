"""No user id, weight, source or cell of a file reaches Prefect: its logs, database or results.

Every canary is a text that stands nowhere else; each must be in the input, and nowhere in what
Prefect keeps or prints. Failures are the likelier leak: exceptions quote what they choke on.
"""

import logging
import time

import pytest

USER, OTHER_USER, TYPED_USER = "Canary-Quetzal-7791", "Canary-Ibis-4460", "Canary-Osprey-9035"
WEIGHT, SOURCE, CELL = "83.51977", "scale-of-aunt-Xanthippe", "not-a-weight-Zyzzyva"
CANARIES = (USER, OTHER_USER, TYPED_USER, WEIGHT, SOURCE, CELL)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text(
        "user_id,effectiveDateTime,source_type,weight,unit\n"
        f"{USER},2024-01-01T07:00:00Z,{SOURCE},{WEIGHT},kg\n"
        f"{OTHER_USER},2024-01-02T07:00:00Z,{SOURCE},91.2,kg\n"
        f"{USER},2024-01-03T07:00:00Z,{SOURCE},{CELL},kg\n"
    )
    return path


@pytest.fixture
def kept(prefect_harness, capfd, caplog):
    """All that Prefect's folders, the terminal and the loggers have taken in so far."""
    caplog.set_level(logging.DEBUG)

    def read() -> bytes:
        time.sleep(4)  # the server records logs, task runs and events in batches
        files = [path for path in prefect_harness.home.rglob("*") if path.is_file()]
        assert prefect_harness.database in files
        out, err = capfd.readouterr()
        return b"".join(path.read_bytes() for path in files) + (out + err + caplog.text).encode()

    return read


def assert_no_person(kept: bytes, sign_of_life: str) -> None:
    assert sign_of_life.encode() in kept
    leaked = [canary for canary in CANARIES if canary.encode() in kept]
    assert not leaked


@pytest.mark.parametrize("file_names", ["hash", "id"])
def test_of_a_good_run(ingested, source, tmp_path, kept, file_names):
    settings = {"visualization.file_names": file_names}
    report = tmp_path / "report.json"
    ran = ingested(source, tmp_path / "data", settings, dashboards=True, json_report=str(report))
    assert ran.result.counts["accepted"] == 2
    assert CELL in report.read_text()  # the one place where a person asked for it
    assert_no_person(kept(), ran.result.run_id)


def test_of_a_person_named_on_the_command_line(command, tmp_path, kept):
    path = tmp_path / "weights.csv"
    path.write_text("timestamp,weight,unit\n2024-01-01T07:00:00Z,80,kg\n")
    ran = command("ingest", path, "--user", TYPED_USER, "--data-dir", tmp_path / "data")
    assert ran.exit_code == 0, ran.output
    assert TYPED_USER in (tmp_path / "data/dashboards/index.html").read_text()
    assert_no_person(kept(), "Completed")


PLACES = {
    "read": ("weightstream.pipeline", "take_in"),
    "filter": ("tasks.filter", "judge_new"),
    "smooth": ("tasks.smooth", "judge_stored"),
    "write": ("tasks.write", "commit"),
    "draw": ("tasks.draw", "draw_persons"),
    "quarantine": ("flows.ingest", "store_quarantine"),
    "index": ("flows.dashboards", "draw_index"),
    "plan": ("weightstream.intake.sources", "plan"),
}


def test_of_an_error_that_quotes_a_person(command, source, tmp_path, kept, monkeypatch):
    def fail(*given, **also):
        raise KeyError(f"{USER} {WEIGHT} {CELL} of {SOURCE}")

    said = b""
    for place, (module, name) in PLACES.items():
        with monkeypatch.context() as patched:
            patched.setattr(f"{module}.{name}", fail)
            ran = command("ingest", source, "--data-dir", tmp_path / place, "--retro", "inline")
        assert ran.exit_code in (1, 2), place
        assert "KeyError" in ran.output, place
        said += ran.output.encode()
    assert_no_person(kept() + said, "KeyError")
