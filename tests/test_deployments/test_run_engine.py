"""The process of a run, with Prefect's engine replaced by a program that says what it finds."""

import os
import subprocess
import sys

ENGINE = """
import gc, os, sys
print(sys.argv[1:], os.environ["FREQUENCY"], os.environ["EMPTY"], gc.isenabled(), __name__)
import pyarrow
pyarrow.array([1.5])
print("pandas" in sys.modules)
"""


def test_the_engine_has_the_settings_and_no_arguments_and_loads_little(tmp_path):
    """Prefect's engine would take an argument for the number of a flow run."""
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "__init__.py").write_text("")
    (tmp_path / "prefect" / "engine.py").write_text(ENGINE)
    found = subprocess.run(
        [sys.executable, "-m", "deployments.run_engine", "FREQUENCY=30", "EMPTY="],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "FREQUENCY": "600", "EMPTY": "worker's"},
        capture_output=True,
        text=True,
        check=True,
    )
    settings, *loaded = found.stdout.splitlines()
    assert settings.split() == ["[]", "30", "False", "__main__"]
    assert loaded == ["False"]
