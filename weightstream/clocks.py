"""Clocks of a process, a run and its stages."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IMPORTED = time.monotonic()


def process_seconds() -> float:
    """Return the seconds since this process started or, if unknown, since this import."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _IMPORTED
    started = started_ticks / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


class StageClock:
    """The wall time during which at least one thread worked in a stage."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._active = 0
        self._since = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._lock:
            if self._active == 0:
                self._since = time.monotonic()
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                if self._active == 0:
                    self.seconds += time.monotonic() - self._since


class RunClock:
    """The time since a run began, and since its first row was read.

    The first run of a process begins with the process, so that imports and Prefect's start count.
    waited: seconds in which it only waited for other processes, which do not count.
    """

    _first = True

    def __init__(self, waited: float = 0.0) -> None:
        already = process_seconds() - waited if RunClock._first else 0.0
        RunClock._first = False
        self._began = time.monotonic() - already
        self.startup = 0.0

    def started(self) -> None:
        """Note that reading begins."""
        self.startup = self.total

    @property
    def total(self) -> float:
        return time.monotonic() - self._began
