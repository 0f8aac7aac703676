from pathlib import Path

import numpy as np
import pytest

from weightstream import memory
from weightstream.memory import free_memory_mb, peak_rss_mb


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
GROUP = "/sys/fs/cgroup/memory."


@pytest.mark.parametrize(
    ("limit", "current", "cache", "free"),
    [
        (None, None, 0, 2000.0),
        ("max\n", "1048576\n", 0, 2000.0),
        (f"{600 << 20}\n", f"{100 << 20}\n", 0, 500.0),
        (f"{600 << 20}\n", f"{500 << 20}\n", 300, 400.0),  # page cache is given up when asked
        (f"{9000 << 20}\n", f"{100 << 20}\n", 0, 2000.0),
    ],
)
def test_the_control_group_counts_where_it_is_less(machine, limit, current, cache, free):
    machine["/proc/meminfo"] = MEMINFO
    if limit:
        stat = f"anon 1\ninactive_file {cache << 20}\nactive_file 2\n"
        machine |= {GROUP + "max": limit, GROUP + "current": current, GROUP + "stat": stat}
    assert free_memory_mb() == free


def test_without_meminfo_the_whole_memory_is_taken(machine):
    assert free_memory_mb() > 100


def test_free_memory_here():
    assert 0 < free_memory_mb() < 1e7
    assert Path("/").exists()
