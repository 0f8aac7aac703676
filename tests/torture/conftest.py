"""What `make torture` needs: how long it may take, and where its figures go."""

import os
import time

import pytest

FIGURES = pytest.StashKey[list[str]]()


SHARES = {"test_permutations": 4.0, "test_threads_run_out": 2.0, "test_kills_at_any_moment": 0.5}
"""Of the time, by test; the others, most of them kills of one command, have 1.0 each."""
ALL = 26.0


@pytest.fixture
def until(request):
    """When to stop: a share of the time that there is for all (WEIGHTSTREAM_TORTURE_SECONDS)."""
    seconds = float(os.environ.get("WEIGHTSTREAM_TORTURE_SECONDS", "1200"))
    return time.monotonic() + seconds * SHARES.get(request.node.originalname, 1.0) / ALL


@pytest.fixture
def figure(request):
    """Tell a figure at the end of the session."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)
