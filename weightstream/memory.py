"""Memory: how much is free, how much this process took, and returning what is no longer used."""

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

_MEGABYTE = 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # <malloc.h>


def give_back() -> None:
    """Make freed memory return to the system instead of staying with each thread.

    Many threads allocate and free columns of some MB here. Measured at 1 M rows: 80 MB less at the
    peak with one thread, more with eight. Without glibc, only Arrow's part is done. Objects that
    exist now are not searched for garbage again: Prefect alone has half a million, and lists of
    rows would make Python search them several times a second. From here on it searches, if that
    was off while modules were imported.
    """
    gc.freeze()
    gc.enable()
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _MEGABYTE)
        mallopt(_M_TRIM_THRESHOLD, 16 * _MEGABYTE)


def peak_rss_mb() -> float:
    """Return the peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MEGABYTE if sys.platform == "darwin" else peak / 1024


def private_mb() -> float:
    """Return the resident memory that this process does not share; all of it if unknown."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return peak_rss_mb()
    private = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(kilobytes) for _, kilobytes, _ in private) / 1024


def free_memory_mb() -> float:
    """Return the memory that this process can still get, by the machine and each limit on it.

    Limits: those of its control groups (version 1 or 2, its own and those around it) and of its
    address space (ulimit -v). Page cache counts as free: it is given up when asked.
    """
    return min([_machine(), *_control_groups(), *_address_space()])


def _machine() -> float:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) / 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MEGABYTE


@dataclass(frozen=True)
class _Files:
    """How a version of control groups calls its files; `cache`: a line of memory.stat."""

    root: Path
    limit: str
    used: str
    cache: str


_VERSION_1 = _Files(
    Path("/sys/fs/cgroup/memory"),
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)
_VERSION_2 = _Files(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file")


def _control_groups() -> Iterator[float]:
    """Free memory of each group that has a limit."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        files = _VERSION_2 if not controllers else _VERSION_1
        if controllers and "memory" not in controllers.split(","):
            continue
        own = files.root / path.lstrip("/")
        # In a container the path may be that of the machine, of which only the root is seen.
        for group in (own, *own.parents):
            if group.is_relative_to(files.root):
                yield from _control_group(group, files)


def _control_group(group: Path, files: _Files) -> Iterator[float]:
    with suppress(OSError, ValueError, KeyError):  # no such group, or "max"
        limit = int((group / files.limit).read_text())
        used = int((group / files.used).read_text())
        kinds = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        yield (limit - used + int(kinds[files.cache])) / _MEGABYTE


def _address_space() -> Iterator[float]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        yield limit / _MEGABYTE - pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE
