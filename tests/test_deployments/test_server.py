"""`weightstream server` where there is no server, and what it says of a part."""

import pytest

from deployments.health import findings_of, still_true
from deployments.resource import Resource
from deployments.server import check_worker_folder
from flows.served import Served
from weightstream.errors import PrefectError


@pytest.mark.parametrize("name", ["setup", "check"])
def test_without_a_server_it_is_one_sentence(command, monkeypatch, name):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        said = command("server", name)
    assert said.exit_code == 2
    assert said.stderr.startswith("weightstream: no Prefect server is configured")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["setup", "check"])
def test_a_server_that_does_not_answer_is_one_sentence(command, name):
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    nowhere = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(nowhere):
        said = command("server", name)
    assert said.exit_code == 2
    assert said.stderr.startswith("weightstream: the Prefect server at http://127.0.0.1:9/api does")
    assert said.stderr.count("\n") == 1


def said(differences):
    findings = list(
        findings_of(
            Resource("limit tag:kalman", differences, lambda: None, "its stage has no limit"),
            Served(),
        )
    )
    return [finding.sentence for finding in findings if finding.wrong]


def test_a_part_is_missing_or_drifted_or_fine():
    assert said([]) == []
    assert "missing: its stage has no limit; run `weightstream server setup`" in said(None)[0]
    assert "drifted: it is 3, not 8; run `weightstream server setup`" in said(["it is 3, not 8"])[0]


def test_a_slot_is_leaked_only_if_nobody_takes_it_up_or_gives_it_back(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    looks = iter([{"tag:viz": "2 slots", "tag:kalman": "1 slot"}, {"tag:viz": "2 slots"}])
    found = still_true(lambda: next(looks, {"tag:viz": "1 slot", "tag:retro": "1 slot"}), 0.05)
    assert found == {"tag:viz": "1 slot"}
    assert still_true(dict, seconds=1_000) == {}


def test_a_machine_on_which_another_user_s_worker_was_first(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check_worker_folder()
    (tmp_path / "runner_storage").mkdir()
    check_worker_folder()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may do everything
    with pytest.raises(PrefectError, match=r"runner_storage belongs to another user.*TMPDIR"):
        check_worker_folder()
