"""The pages' scripts before eslint and TypeScript's compiler, as npm has them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from weightstream.outputs.pages import template

pytestmark = pytest.mark.slow

TOOLS = ("typescript@5.9.3", "eslint@9.39.1", "@eslint/js@9.39.1")
SETTINGS = Path(__file__).parents[2] / "javascript"
TSC = [
    *("--allowJs", "--checkJs", "--noEmit", "--skipLibCheck", "--strict", "false"),
    *("--target", "es2023", "--lib", "es2023,dom,dom.iterable"),
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, the tools and what they are told."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so nothing checks the pages' scripts")
    folder = tmp_path_factory.mktemp("scripts")
    command = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(folder), *TOOLS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode:
        pytest.skip(f"npm could not fetch {', '.join(TOOLS)}: {done.stderr.strip()[-200:]}")
    for name in [*template.asset_names(), "common.js", "texts.js", "picture.js"]:
        (folder / name).write_bytes(template.asset(name))
    for name in ("eslint.config.mjs", "globals.d.ts"):
        shutil.copy(SETTINGS / name, folder / name)
    return folder


def run(folder: Path, tool: str, *arguments: str) -> str:
    """What a tool complains of."""
    command = [str(folder / "node_modules" / ".bin" / tool), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_eslint_finds_nothing(checked: Path) -> None:
    assert run(checked, "eslint", *sorted(path.name for path in checked.glob("*.js"))) == ""


def test_types_are_right(checked: Path) -> None:
    scripts = sorted(path.name for path in checked.glob("*.js"))
    assert run(checked, "tsc", *TSC, *scripts, "globals.d.ts") == ""
    (checked / "wrong.js").write_text('document.getElementById("log").quite("wrong");')
    assert "quite" in run(checked, "tsc", *TSC, "wrong.js", "globals.d.ts")
