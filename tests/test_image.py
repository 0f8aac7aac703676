"""The image and the services around it, as far as can be said without an engine for containers."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from deployments.commands import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def steps():
    """(instruction, text) of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]


def copied(steps, folder):
    """Do what COPY does, from what .dockerignore lets through."""
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for instruction, text in steps:
        if instruction == "COPY":
            *sources, target = text.split()
            assert set(sources) <= let_through
            for source in sources:
                place = ROOT / source
                if place.is_dir():
                    ignored = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(place, folder / target, ignore=ignored)
                else:
                    shutil.copy(place, folder / target)


def test_all_that_the_program_needs_is_copied(steps, tmp_path):
    copied(steps, tmp_path)
    for folder in ("weightstream", "tasks", "flows", "deployments"):
        ours = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*.py")}
        assert ours <= {p.relative_to(tmp_path) for p in (tmp_path / folder).rglob("*.py")}
    for name in ("prefect.toml", "prefect.yaml", "config.toml"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


def test_it_runs_as_nobody_in_particular(steps):
    said = dict(steps)
    assert int(said["USER"]) > 0
    assert json.loads(said["ENTRYPOINT"]) == ["weightstream"]
    assert f"--uid {said['USER']}" in " ".join(text for _, text in steps)


def test_services_run_commands_that_there_are(services):
    group, name, *options = services["worker"]["command"]
    command = cli.commands[group].commands[name]
    parent = cli.make_context("weightstream", [group], resilient_parsing=True)
    assert command.make_context(name, options, parent=parent).params["data_dir"]
    assert services["server"]["entrypoint"][:3] == ["prefect", "server", "start"]


def test_services_wait_for_each_other_and_speak_to_each_other(services):
    assert services["server"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["worker"]["depends_on"]["server"]["condition"] == "service_healthy"
    assert services["worker"]["environment"]["PREFECT_API_URL"] == "http://server:4200/api"
    database = services["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    said = services["database"]["environment"]
    assert (
        f"{said['POSTGRES_USER']}:${{POSTGRES_PASSWORD}}@database/{said['POSTGRES_DB']}" in database
    )
    assert all(port.startswith("127.0.0.1:") for port in services["server"]["ports"])


def test_what_is_installed_there_is_what_is_tested_here():
    def pinned(name):
        return set(re.findall(r"^[\w.-]+==[^ \\]+", (ROOT / name).read_text(), re.MULTILINE))

    image, ours = pinned("requirements-serve.lock"), pinned("requirements.lock")
    assert any(one.startswith("prefect==") for one in image)
    assert image <= ours, "run `make lock`"
