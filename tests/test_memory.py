from pathlib import Path

import numpy as np
import pytest

from tests.running import run_python
from weightstream import memory
from weightstream.memory import free_memory_mb, peak_rss_mb

ROOT = Path(__file__).parent.parent


def test_the_peak_rises_with_what_is_held():
    before = peak_rss_mb()
    held = np.ones(int((before + 80) * 2**20 / 8))
    assert peak_rss_mb() > before + 60
    del held
    assert peak_rss_mb() > before + 60


@pytest.fixture
def machine(monkeypatch):
    files = {}

    def read_text(path):
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(memory.Path, "read_text", read_text)
    return files


MEMINFO = "MemTotal:       8000000 kB\nMemAvailable:    2048000 kB\nHugePages_Total:       0\n"
OWN = {
    1: "/sys/fs/cgroup/memory/machine/run-7/",
    2: "/sys/fs/cgroup/machine/run-7/",
}
LINES = {1: "5:cpu:/x\n4:memory:/machine/run-7\n0::/\n", 2: "0::/machine/run-7\n"}
NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def group(version, above, limit, used, cache):
    """Files of the control group so many levels above the process's own."""
    folder = OWN[version]
    for _ in range(above):
        folder = folder.rstrip("/").rpartition("/")[0] + "/"
    limit_name, used_name, cached = NAMES[version]
    stat = f"anon 1\n{cached} {cache << 20}\nactive_file 2\n"
    return {folder + limit_name: limit, folder + used_name: used, folder + "memory.stat": stat}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("above", [0, 1, 2])
@pytest.mark.parametrize(
    ("limit", "used", "cache", "free"),
    [
        ("max\n", f"{1 << 20}\n", 0, 2000.0),
        ("9223372036854771712\n", f"{1 << 20}\n", 0, 2000.0),
        (f"{600 << 20}\n", f"{100 << 20}\n", 0, 500.0),
        (f"{600 << 20}\n", f"{500 << 20}\n", 300, 400.0),  # page cache is given up when asked
        (f"{9000 << 20}\n", f"{100 << 20}\n", 0, 2000.0),
    ],
)
def test_a_control_group_counts_where_it_is_less(machine, version, above, limit, used, cache, free):
    machine |= {"/proc/meminfo": MEMINFO, "/proc/self/cgroup": LINES[version]}
    machine |= group(version, above, limit, used, cache)
    assert free_memory_mb() == free


def test_of_several_groups_the_tightest_counts(machine):
    machine |= {"/proc/meminfo": MEMINFO, "/proc/self/cgroup": LINES[2]}
    machine |= group(2, 0, f"{900 << 20}", "0", 0) | group(2, 1, f"{700 << 20}", "0", 0)
    assert free_memory_mb() == 700


def test_without_control_groups_the_machine_counts(machine):
    machine["/proc/meminfo"] = MEMINFO
    assert free_memory_mb() == 2000


def test_a_limit_of_the_address_space_counts():
    code = (
        "import resource, sys; from weightstream.memory import free_memory_mb\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "used = pages * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (80 << 20), resource.RLIM_INFINITY))\n"
        "before = free_memory_mb(); held = bytearray(30 << 20); print(before, free_memory_mb())"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    before, after = map(float, done.stdout.split())
    assert 70 < before <= 80
    assert 25 < before - after < 40


def test_without_meminfo_the_whole_memory_is_taken(machine):
    assert free_memory_mb() > 100


def test_free_memory_here():
    assert 0 < free_memory_mb() < 1e7
    assert Path("/").exists()
