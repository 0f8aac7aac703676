"""Compiled kernels are kept somewhere, wherever the package is installed."""

import os
from pathlib import Path

from tests.running import run_python

COMPILED = Path(__file__).parents[1] / "weightstream/engine/compiled.py"
PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("compiled", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from numba import config
print(module.CACHE, config.CACHE_DIR)
"""


def kept(tmp_path, **environment):
    # The one that is named looks at NUMBA_CACHE_DIR alone: as where numba's own places are closed.
    closed = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "TMPDIR": str(tmp_path)}
    done = run_python(PROGRAM, COMPILED, **closed, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_folder_of_this_user_is_used_where_numba_finds_none(tmp_path):
    folder = tmp_path / f"weightstream-{os.getuid()}"
    assert kept(tmp_path) == ["True", str(folder)]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_could_fill_is_not_used(tmp_path):
    folder = tmp_path / f"weightstream-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert kept(tmp_path) == ["False"]
