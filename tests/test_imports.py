import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import weightstream
from tests.running import MAIN, loaded_by

ROOT = Path(__file__).parents[1]


@pytest.mark.flow
def test_the_domain_imports_no_prefect():
    names = [
        module.name
        for module in pkgutil.walk_packages(weightstream.__path__, "weightstream.")
        if not module.name.endswith("__main__")
    ]
    assert "weightstream.store.writing" in names
    program = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    loaded = loaded_by(program, *names)
    assert not {"prefect", "tasks", "flows", "deployments"} & loaded
    assert {"pyarrow", *names} <= loaded


@pytest.mark.flow
def test_imports_point_one_way():
    pytest.importorskip("importlinter")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.flow
@pytest.mark.parametrize("command", [["status"], ["export", "out.csv"], ["config"], ["--help"]])
def test_commands_of_the_domain_do_not_wait_for_prefect(command, tmp_path):
    loaded = loaded_by(MAIN, *command, cwd=tmp_path)
    assert "deployments.commands" in loaded
    assert "prefect" not in loaded


def test_modules_are_what_their_names_say():
    """A module called `clean` would replace a function of that name in the package."""
    for name in weightstream.__dict__.get("__all__", ()):
        assert not Path(importlib.import_module("weightstream").__path__[0], f"{name}.py").exists()
