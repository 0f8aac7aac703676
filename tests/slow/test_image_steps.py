"""The Dockerfile's steps, done here in a folder: what they install runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_image import copied, steps  # noqa: F401, a fixture

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]


def test_the_steps_give_a_program_that_serves(steps, tmp_path):  # noqa: F811
    copied(steps, tmp_path)
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "PREFECT"))}
    environment["NUMBA_DISABLE_JIT"] = "1"  # compiling takes a minute, and is tested elsewhere
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for instruction, text in steps:
        if instruction == "RUN" and "useradd" not in text:
            done = subprocess.run(
                ["sh", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr[-2000:]
    for arguments in (["server", "serve", "--help"], ["--version"]):
        program = [tmp_path / ".venv/bin/weightstream", *arguments]
        done = subprocess.run(program, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    program = [
        tmp_path / ".venv/bin/python",
        "-c",
        "import psycopg, asyncpg, prefect, flows.ingest",
    ]
    subprocess.run(program, env=environment, check=True)
