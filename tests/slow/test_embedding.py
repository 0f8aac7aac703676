"""Our flows in somebody's own Prefect project, laid out as the wheel lays them out."""

import shutil
import subprocess
import sys

import pytest

from build_backend.serve_wheel import rearrange
from tests.running import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = """
import sys
import flows  # of the user's own
from prefect import flow
from weightstream.serve.flows.ingest import ingest

@flow
def nightly(folder: str, data_dir: str):
    return ingest([folder], data_dir=data_dir, dashboards=False, return_state=True)

state = nightly(*sys.argv[1:])
print(flows.MINE, state.name, state.result().counts["accepted"])
deployment = ingest.to_deployment(name="mine", parameters={"data_dir": sys.argv[2]})
print(deployment.entrypoint)
"""


def test_ingest_is_a_subflow_beside_a_flows_folder_of_the_user_s(tmp_path):
    site, mine, source = tmp_path / "site", tmp_path / "mine", tmp_path / "source"
    rearrange(ROOT, site)
    for kernel in (ROOT / "weightstream").rglob("*.nb[ic]"):  # compiling takes a minute
        target = site / kernel.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(kernel, target)
    (mine / "flows").mkdir(parents=True)
    (mine / "flows/__init__.py").write_text("MINE = 'mine'\n")
    (mine / "nightly.py").write_text(PROGRAM)
    source.mkdir()
    (source / "weights.csv").write_text(
        "user_id,date,weight,unit\na,2024-01-01,80,kg\na,2024-01-02,80.4,kg\n"
    )
    done = subprocess.run(
        [sys.executable, "nightly.py", source, tmp_path / "data"],
        cwd=mine,
        env=environment(
            PYTHONPATH=str(site),
            PREFECT_HOME=str(tmp_path / "home"),
            PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="240",
        ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert "mine Completed 2" in said
    assert said[-1].endswith("weightstream/serve/flows/ingest.py:ingest")
