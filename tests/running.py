"""Commands and programs as tests run them: in this process, or in one of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from weightstream import (  # noqa: F401, they attach commands
    cli_alerts,
    cli_decisions,
    cli_files,
    cli_store,
)
from weightstream.cli import cli
from weightstream.config import Config
from weightstream.outputs.drawing import draw_index, draw_persons, drawing_of
from weightstream.outputs.pages.page import PERSONS
from weightstream.store.connection import open_writer
from weightstream.store.models import judging_on

ROOT = Path(__file__).resolve().parents[1]


def configured(data_dir: Path, **data: Any) -> Config:
    """The defaults for a data directory; keys of [data] as keywords."""
    return Config.model_validate({"data": {"data_dir": data_dir, **data}})


def run(*arguments: object) -> Result:
    """`weightstream ARGUMENTS` in this process, for commands that run no flow."""
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def draw_pages(data_dir: Path) -> None:
    """Every page of a store and their index, without Prefect and what all pages share."""
    with open_writer(data_dir) as connection:
        config = configured(data_dir)
        drawing = drawing_of(data_dir / "dashboards", config, judging_on(connection, config))
        (drawing.dashboards / PERSONS).mkdir(parents=True, exist_ok=True)
        users = [user for (user,) in connection.execute("select user_id from users order by 1")]
        rows = draw_persons(connection, drawing, users)
        draw_index(connection, drawing.dashboards, rows, drawing.naming)


def environment(**more: str) -> dict[str, str]:
    """Of a process that imports what is tested here, whatever is installed."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run_python(
    program: str, *arguments: object, cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own. more: variables of its environment."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**more),
        timeout=200,
    )


TELL_MODULES = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
MAIN = "from deployments.commands import main; main()"


def loaded_by(program: str, *arguments: object, cwd: Path = ROOT) -> set[str]:
    """Names of the modules that a program has loaded when it ends."""
    done = run_python(TELL_MODULES + program, *arguments, cwd=cwd)
    assert done.stderr.count("Traceback") == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())
