"""Build backend: setuptools, but in a wheel the folders that start flows are `weightstream.serve`.

`flows`, `tasks` and `deployments` stand at the top of the repository, where Prefect and people look
for them. Installed under these names they would overwrite, or be hidden by, folders of the same
name in anyone's project.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401, the hooks that need no change
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

SERVE = ("flows", "tasks", "deployments")
DATA = ("prefect.yaml", "prefect.toml", "config.toml")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
_NAMES = "|".join(SERVE)
_IMPORT = re.compile(rf"^(\s*(?:from|import)\s+)({_NAMES})\b", re.MULTILINE)
_COMMAND = re.compile(rf'"({_NAMES})\.')
_PICTURE = re.compile(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n", re.MULTILINE)
_LINK = re.compile(r"\[([^]]*)\]\((?!https?:)[^)]*\)")


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None
) -> str:
    """See PEP 517. The metadata are written anew, whatever metadata_directory holds."""
    folder = os.path.abspath(wheel_directory)
    with rearranged():
        return build_meta.build_wheel(folder, config_settings)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """See PEP 517."""
    folder = os.path.abspath(metadata_directory)
    with rearranged():
        return build_meta.prepare_metadata_for_build_wheel(folder, config_settings)


@contextmanager
def rearranged() -> Iterator[None]:
    """Work in a copy of the tree in which everything is below `weightstream`."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="weightstream-wheel-") as name:
        rearrange(before, Path(name))
        os.chdir(name)
        try:
            yield
        finally:
            os.chdir(before)


def rearrange(source: Path, target: Path) -> None:
    """Copy the tree at source to target, with SERVE and DATA inside weightstream/serve."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(source / "weightstream", target / "weightstream", ignore=ignored)
    serve = target / "weightstream" / "serve"
    serve.mkdir()
    (serve / "__init__.py").write_text('"""Prefect\'s side: flows, tasks, deployments."""\n')
    for folder in SERVE:
        shutil.copytree(source / folder, serve / folder, ignore=ignored)
    for file in serve.rglob("*.py"):
        file.write_text(_IMPORT.sub(r"\1weightstream.serve.\2", file.read_text("utf-8")), "utf-8")
    for name in DATA:
        shutil.copy(source / name, serve)
    for name in BESIDE:
        shutil.copy(source / name, target)
    page = target / "README.md"  # on an index, links into the repository lead nowhere
    page.write_text(_LINK.sub(r"\1", _PICTURE.sub("", page.read_text("utf-8"))), "utf-8")
    project = target / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(_COMMAND.sub(r'"weightstream.serve.\1.', text), "utf-8")
