"""A deployment that somebody deletes while its run is under way."""

import pytest

from tests.slow.served.test_failure_drill import begun, set_state

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

HOOK = """
import os, time
if os.environ.get("SLOW"):
    import tasks.filter
    usual = tasks.filter.judge_new
    tasks.filter.judge_new = lambda *given: (time.sleep(6), usual(*given))[1]
"""


@pytest.mark.parametrize("cancelled", [False, True])
def test_its_run_ends(serve, tmp_path, cancelled):
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    data, config = tmp_path / "data", tmp_path / "some.toml"
    config.write_text("data.inbox_rest_seconds = 0.2\nschedule.inbox = ''\n")
    with serve() as served:
        served.path = str(tmp_path)
        where = ["--config", config, "--data-dir", data]
        status, said = served.run("server", "setup", *where)
        assert status == 0, said
        served.worker()
        (data / "inbox/a.csv").write_text("user_id,date,weight,unit\nP-1,2024-01-01,80,kg\n")
        run = served.deploy_run("ingest/inbox", {"SLOW": "1"})
        begun(served, run, "filter")
        number = served.ask("GET", "/deployments/name/ingest/inbox")["id"]
        served.ask("DELETE", f"/deployments/{number}")
        if cancelled:
            set_state(served, run, "CANCELLING")
        ended = "Cancelled" if cancelled else "Completed"
        assert served.ended(run, 60)["state_name"] == ended
        assert (data / "inbox/a.csv").exists() == cancelled
        status, said = served.run("server", "setup")
        assert (status, "created  deployment ingest/inbox" in said) == (0, True)
        status, said = served.run("server", "check")
        assert status == 0, said
