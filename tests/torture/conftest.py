"""What `make torture` needs: how long it may take, and where its figures go."""

import os
import time

import pytest

FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def until():
    """When to stop: a share of the time that there is for all (WEIGHTSTREAM_TORTURE_SECONDS)."""
    return time.monotonic() + float(os.environ.get("WEIGHTSTREAM_TORTURE_SECONDS", "1200")) / 14


@pytest.fixture
def figure(request):
    """Tell a figure at the end of the session."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)
