"""Processes that draw do not outlive the one that they draw for, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

DRAW = """
import sys, time
from pathlib import Path
from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import judging_of
from weightstream.outputs.drawing import drawing_of
from weightstream.outputs.drawing_processes import drawing_processes

config = Config()
drawing = drawing_of(Path(sys.argv[1]), config, judging_of(config, PRIOR))
with drawing_processes(Path(sys.argv[1]), drawing, 2) as processes:
    print(*processes._executor._processes, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_they_end_with_it(tmp_path, how):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRAW, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as drawing:
        assert drawing.stdout is not None
        workers = [psutil.Process(int(one)) for one in drawing.stdout.readline().split()]
        assert len(workers) == 2
        helpers = psutil.Process(drawing.pid).children(recursive=True)
        drawing.send_signal(how)
        drawing.wait(60)
    _, alive = psutil.wait_procs([*workers, *helpers], timeout=60)
    assert not alive
