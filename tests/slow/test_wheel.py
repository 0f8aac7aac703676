"""The package as anyone installs it: a wheel, in an environment of its own."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def wheel(place):
    command = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place, ROOT]
    subprocess.run([sys.executable, *command], check=True)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(place, wheel):
    """Its bin/; the wheel and what it depends on, without extras."""
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    python = place / "venv/bin/python"
    done = run(python, "-m", "pip", "install", "-q", wheel)
    if done.returncode:
        pytest.skip(f"pip could not install the dependencies: {done.stderr[-300:]}")
    (site,) = place.glob("venv/lib/python*/site-packages")
    take_kernels(site)
    return place / "venv/bin"


def take_kernels(site):
    """Ours, which numba takes for those of the sources there if these are as old: compiling them
    again takes a minute. That they are compiled anywhere is asked below, of a read-only place."""
    for path in (ROOT / "weightstream").rglob("*"):
        there = site / path.relative_to(ROOT)
        if path.suffix in (".nbi", ".nbc"):
            there.parent.mkdir(exist_ok=True)
            shutil.copy2(path, there)
        elif path.suffix == ".py":
            shutil.copystat(path, there)


@pytest.fixture(scope="module")
def source(place):
    path = place / "weights.csv"
    path.write_text("user_id,date,weight,unit\na,2024-01-01,80,kg\na,2024-01-02,80.4,kg\n")
    return path


@pytest.fixture(scope="module")
def sdist(place):
    """Made as installers make it: from what MANIFEST.in takes."""
    program = f"import serve_wheel; print(serve_wheel.build_sdist({str(place)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "build_backend")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return place / done.stdout.splitlines()[-1]


def found_python(minor):
    named = [shutil.which(f"python3.{minor}")]
    named += sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    for program in filter(None, named):
        said = subprocess.run([program, "-c", "import sys, ensurepip"], capture_output=True)
        if said.returncode == 0:
            return program
    return None


OTHERS = [minor for minor in (11, 12, 13) if (3, minor) != sys.version_info[:2]]


@pytest.fixture(scope="module", params=OTHERS, ids="3.{}".format)
def other_python(request, place, sdist):
    """The bin/ of another Python's environment, with what the source distribution builds."""
    program = found_python(request.param)
    if program is None:
        pytest.skip(f"there is no Python 3.{request.param} here")
    folder = place / f"other-{request.param}"
    subprocess.run([program, "-m", "venv", folder], check=True)
    done = run(folder / "bin/python", "-m", "pip", "install", "-q", sdist)
    if done.returncode:
        pytest.skip(f"pip could not install the dependencies: {done.stderr[-300:]}")
    return folder / "bin"


def run(program, *arguments, cwd=None, **options):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PREFECT", "NUMBA"))
    }
    environment |= options.pop("env", {})
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, env=environment,
        cwd=cwd, **options,
    )  # fmt: skip


def test_the_wheel_claims_one_name_and_has_its_data(wheel):
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        scripts = next(name for name in names if name.endswith("entry_points.txt"))
        commands = archive.read(scripts).decode()
        flow = archive.read("weightstream/serve/flows/ingest.py").decode()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"weightstream"}
    for name in ("py.typed", "serve/prefect.yaml", "serve/prefect.toml", "serve/config.toml"):
        assert f"weightstream/{name}" in names
    assert "weightstream.serve.deployments.commands:main" in commands
    assert "from weightstream.serve.tasks" in flow


def test_files_are_judged_beside_a_flows_folder_of_the_users_own(environment, place, source):
    mine = place / "mine"
    (mine / "flows").mkdir(parents=True)
    (mine / "flows/__init__.py").write_text("raise SystemExit('mine')")
    for number, program in enumerate(["weightstream", "python"]):
        module = ["-m", "weightstream"] if program == "python" else []
        out = place / f"out{number}.csv"
        done = run(
            environment / program, *module, "clean", source, "-o", out, "--pages",
            place / f"pages{number}", cwd=mine, env={"PYTHONPATH": "."},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with out.open(newline="") as file:
            assert [row["verdict"] for row in csv.DictReader(file)] == ["accepted"] * 2
        assert (place / f"pages{number}/index.html").exists()


def test_what_an_extra_brings_is_named(environment, place, source):
    for arguments in (["ingest", source], ["server", "check"]):
        done = run(environment / "weightstream", *arguments, cwd=place)
        assert done.returncode == 2
        assert "pip install 'weightstream[serve]'" in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1
    picture = ["plot", source, "-o", place / "a.png"]
    assert "weightstream[png]" in run(environment / "weightstream", *picture, cwd=place).stderr


@pytest.mark.long
def test_other_pythons_read_what_this_one_reads(other_python, place, source):
    """Kernels are compiled elsewhere: a minute for each Python."""
    for number, command in enumerate((["weightstream"], ["python", "-m", "weightstream"])):
        program, *module = command
        out = place / f"read{number}.csv"
        done = run(
            other_python / program, *module, "read", source, "-o", out, "--overwrite", cwd=place
        )
        assert done.returncode == 0, done.stderr
        assert len(out.read_text().splitlines()) == 3
    program = "import weightstream as w; w.clean({'a': 1})"
    done = run(other_python / "python", "-c", program, cwd=place, env={"NUMBA_DISABLE_JIT": "1"})
    assert "a dict is not a frame" in done.stderr


@pytest.mark.long
def test_a_place_that_nobody_may_write_to_is_no_hindrance(environment, place, source):
    """Kernels go into the temporary folder, and are found there again."""
    folder, cache = environment.parent, place / "tmp"
    cache.mkdir()
    out = place / "readonly.csv"
    script = (
        f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && "
        f"{environment}/weightstream clean {source} -o {out} --overwrite"
    )
    for kernels in environment.parent.rglob("weightstream/**/*.nb[ic]"):
        kernels.unlink()
    for number in range(2):
        done = run(
            "unshare", "--mount", "sh", "-c", script, cwd=place,
            env={"HOME": "/proc/none", "TMPDIR": str(cache)},
        )  # fmt: skip
        if number == 0 and "Operation not permitted" in done.stderr:
            pytest.skip("no name space of one's own may be made here")
        assert done.returncode == 0, done.stderr
        assert ("compiling the engine" in done.stderr) == (number == 0)
        assert "Traceback" not in done.stderr
    assert list(cache.rglob("*.nbi"))
