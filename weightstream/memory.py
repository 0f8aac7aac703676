"""Memory: what is left, what this process took, and giving back what it no longer uses."""

import ctypes
import gc
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

_MEGABYTE = 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # <malloc.h>


def give_back() -> None:
    """Let freed memory return to the system; else every thread's share of it is kept.

    Columns of some MB are allocated and freed by many threads here. Measured at 1 M rows: 80 MB
    less at the peak with one thread, more with eight. Without glibc, only Arrow's part is done.
    What was imported until now is not searched for garbage again: Prefect alone is half a million
    objects, and lists of rows make Python look through them several times a second.
    """
    gc.freeze()
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _MEGABYTE)
        mallopt(_M_TRIM_THRESHOLD, 16 * _MEGABYTE)


def peak_rss_mb() -> float:
    """The most memory that this process has had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MEGABYTE if sys.platform == "darwin" else peak / 1024


def free_memory_mb() -> float:
    """What the machine, or the control group where it is less, could still give this process."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) / 1024
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MEGABYTE
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        kinds = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        reclaimable = int(kinds["inactive_file"])  # page cache counts as used, but is given up
    except (OSError, ValueError, KeyError):  # no such control group, or "max"
        return free
    return min(free, (limit - used + reclaimable) / _MEGABYTE)
