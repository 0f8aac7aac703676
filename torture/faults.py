"""Run something in a process of its own, which can be made to die at any of its commits and files.

A point is a commit, a rename, a link, a deletion or a flush. Nothing runs after it: no handler, no
`finally`, as with `kill -9`.
"""

import os
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

CALLS = ("replace", "rename", "link", "unlink", "fsync")
DIED, FAILED = 9, 70


class Points:
    """Counts the points that are passed, and dies at one of them: before it, or after it."""

    def __init__(self, at: int | None, before: bool) -> None:
        self.passed = 0
        self._at, self._before = at, before

    def through(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.passed += 1
        here = self.passed == self._at
        if here and self._before:
            os._exit(DIED)
        try:
            return call(*given, **named)
        finally:
            if here:
                os._exit(DIED)


def points_of(work: Callable[[], object], at: int | None = None, before: bool = True) -> int | None:
    """Run in a child process; return how many points it passed, None if it died at one of them.

    Raises AssertionError if it failed in another way.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            points = Points(at, before)
            hook(points)
            work()
            os.write(write, str(points.passed).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    with open(read, "rb") as told:
        passed = told.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == DIED:
        return None
    if status != 0:
        raise AssertionError(f"it ended with {status}")
    return int(passed)


def killed_after(work: Callable[[], object], seconds: float) -> bool:
    """Run in a child process, and send SIGKILL after some seconds; return whether that ended it.

    Raises AssertionError if it failed in another way.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(FAILED)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise AssertionError(f"it ended with {status}")
    return status != 0


def hook(points: Points) -> None:
    """Have this process, a child, tell `points` of everything that outlives it."""

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql in ("commit", "vacuum"):
                return points.through(super().execute, sql)  # type: ignore[no-any-return]
            return super().execute(sql, *values)

    sqlite3.connect = partial(sqlite3.connect, factory=Counted)  # type: ignore[assignment]
    for name in CALLS:
        setattr(os, name, partial(points.through, getattr(os, name)))
