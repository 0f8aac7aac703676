"""The pages' scripts by themselves: tests/javascript, in node."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2] / "javascript"


def test_what_the_scripts_say() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, so the pages' scripts are tested in browsers alone")
    files = sorted(map(str, TESTS.glob("*.test.cjs")))
    done = subprocess.run(
        [node, "--test", *files], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
