"""Drawing under a real limit of memory: nothing is killed, and all pages are there."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.running import run_python

PERSONS, READINGS = 30, 3000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(store_files: Callable, csv_of: Callable, fresh_dir: Callable) -> Path:
    """Thirty persons of 3,000 readings: drawn together, some 150 MB."""
    day = [f"20{10 + k // 300:02}-{1 + k // 25 % 12:02}-{1 + k % 25:02}" for k in range(READINGS)]
    rows = [
        (f"p{person:02}", at, f"{80 + k % 5 * 0.1:.1f}")
        for person in range(PERSONS)
        for k, at in enumerate(day)
    ]
    folder: Path = fresh_dir()
    store_files(folder, csv_of(*rows))
    return folder


DRAW = """
import resource, sqlite3, sys
from pathlib import Path
from weightstream.outputs import drawing
from weightstream.outputs.pages.page import write_assets
from weightstream.config import Config
from weightstream.memory import give_back
from weightstream.store.models import judging_on

data_dir, out, more_mb, at_a_time = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
give_back()
drawing.READINGS_AT_A_TIME = at_a_time or drawing.READINGS_AT_A_TIME
connection = sqlite3.connect(data_dir / "weightstream.db")
place = drawing.drawing_of(out, Config(), judging_on(connection, Config()))
write_assets(out)
users = [user for (user,) in connection.execute("select user_id from users order by user_id")]
drawing.draw_persons(connection, place, users[:1])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (more_mb << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
print(len(drawing.draw_persons(connection, place, users)))
"""


def drawn(store: Path, out: Path, more_mb: int, at_a_time: int) -> subprocess.CompletedProcess:
    arguments = [str(store), str(out), str(more_mb), str(at_a_time)]
    return run_python(DRAW, *arguments)


def test_a_portion_at_a_time_fits_where_all_together_do_not(store: Path, tmp_path: Path) -> None:
    done = drawn(store, tmp_path / "few", 80, 0)
    assert done.stdout.strip() == str(PERSONS), done.stderr[-500:]
    together = drawn(store, tmp_path / "all", 80, 10**9)
    assert together.returncode != 0
    assert "Error" in together.stderr


@pytest.fixture
def control_group(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a control group of so many MB, version 1 or 2, where we may."""
    made: list[Path] = []

    def make(megabytes: int) -> Path:
        for root, name in (
            (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
            (Path("/sys/fs/cgroup"), "memory.max"),
        ):
            group = root / f"weightstream-{os.getpid()}"
            try:
                group.mkdir()
                made.append(group)
                (group / name).write_text(str(megabytes << 20))
            except OSError:
                continue
            return group
        pytest.skip("no control group can be made here")

    yield make
    for group in made:
        for _ in range(100):  # until the last process in it is gone
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


RUN = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
os.execvp(sys.executable, [sys.executable, "-c", "from deployments.commands import main; main()"]
          + sys.argv[2:])
"""


def test_the_command_draws_all_in_a_small_control_group(
    store: Path, prefect_home: Path, control_group: Callable[[int], Path]
) -> None:
    """Python, Prefect and its server leave little of it; the width would be 16 without a look."""
    group = control_group(800)
    arguments = ["dashboards", "--data-dir", str(store), "--json"]
    done = run_python(RUN, group, *arguments)
    assert done.returncode == 0, done.stderr[-500:]
    assert len(list((store / "dashboards" / "persons").glob("*.html"))) == PERSONS
    control = group / "memory.oom_control"
    kills = (control if control.exists() else group / "memory.events").read_text()
    assert dict(line.split() for line in kills.splitlines())["oom_kill"] == "0"
