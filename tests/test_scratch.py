"""Temporary folders: one that a killed process left is removed by the next, one in use stays."""

import os
import re
import signal
import subprocess
import sys
import tempfile

import pytest

from tests.running import ROOT, environment
from weightstream.scratch import scratch_folder

PACKAGES = ("weightstream", "flows", "tasks", "deployments")
HOLDER = """
import time
from weightstream.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "copy").write_text("of a person")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_private_and_ends_with_its_block(temporary):
    with scratch_folder() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(temporary):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True,
        env=environment(TMPDIR=str(temporary)),
    )  # fmt: skip
    left = holder.stdout.readline().strip()
    with scratch_folder():
        assert os.path.exists(f"{left}/copy")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with scratch_folder():
        assert not os.path.exists(left)


def test_what_was_killed_while_it_removed_its_folder_is_removed_too(temporary):
    (temporary / "weightstream-scratch-a").mkdir()
    (temporary / "weightstream-scratch-a/copy").write_text("of a person")
    with scratch_folder() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_no_other_temporary_folder_is_made():
    """Of what a killed command leaves in one, the next would remove nothing."""
    made = re.compile(r"TemporaryDirectory|mkdtemp|NamedTemporaryFile|mkstemp")
    ours = [file for name in PACKAGES for file in (ROOT / name).rglob("*.py")]
    assert [file.name for file in ours if made.search(file.read_text())] == ["scratch.py"]


def test_links_are_left_alone(temporary):
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere/.lock").write_text("")
    (temporary / "weightstream-scratch-a").symlink_to(temporary / "elsewhere")
    with scratch_folder():
        pass
    assert (temporary / "elsewhere/.lock").exists()
