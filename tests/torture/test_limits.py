"""Where threads run out a run ends, in one sentence or narrower; SIGTERM ends it in ten seconds."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMITS = (22, 35, 28, 24, 32, 26, 30, 23, 34, 25, 33, 27, 31, 29)
"""In an order that tries all kinds of outcomes first."""
SECONDS = 240
CAPABILITIES = "+dac_override,+dac_read_search"
AS_ANOTHER = [
    *("setpriv", "--reuid=12345", "--clear-groups", f"--inh-caps={CAPABILITIES}"),
    *(f"--ambient-caps={CAPABILITIES}", "--bounding-set=-sys_resource,-sys_admin"),
]
"""The kernel holds nobody who is root, or may be, to a limit of processes."""
MAIN = "from deployments.commands import main; main()"


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, setpriv")
def test_threads_run_out(tmp_path, until, figure):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    statuses, hung = {}, 0
    for limit in LIMITS:
        data = tmp_path / str(limit)
        run = subprocess.Popen(
            [
                *("prlimit", f"--nproc={limit}", *AS_ANOTHER, sys.executable, "-c", MAIN),
                *("ingest", ROOT / "sample/weights.csv", "--data-dir", data, "--no-dashboards"),
            ],
            env={**os.environ, "HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "prefect"),
                 "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            _, said = run.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)
            _, said = run.communicate(timeout=10)
            hung += 1
        assert "Traceback" not in said, said
        assert run.returncode in (0, 1, 2), (limit, run.returncode, said)
        assert run.returncode != 2 or said.count("\n") == 1, said
        statuses[limit] = run.returncode
        if time.monotonic() > until:
            break
    figure(f"threads run out: limit and exit status {statuses}, hung {hung}")
    assert statuses
    assert hung == 0
