"""A task that hangs: compiled code and a thread that waits cannot be stopped from outside, so the
run is told to have failed, its slots are given back, and its process ends."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.states import Failed

from tasks.runtime.concurrency_limits import release_slots
from tasks.runtime.context import RunContext
from weightstream.errors import StoreError
from weightstream.store.runs import end_run

logger = logging.getLogger("weightstream")
EXIT_STATUS = 1
TELLING_SECONDS = 30.0
"""What hangs may be what would be told: the store, or the server. The process ends all the same."""
HUNG = (
    "{what} did not get on for {seconds:g} s (execution.task_timeout_seconds), so that the run was "
    "ended; what was stored stays, run it again to go on"
)


class Watch:
    """Calls `hung` once if `moved` is not called for so many seconds before `over`."""

    def __init__(self, seconds: float, hung: Callable[[], None]) -> None:
        self._seconds, self._hung = seconds, hung
        self._over = threading.Event()
        self.moved()
        with suppress(RuntimeError):  # no thread can be started: then nobody watches
            in_context(self._run).start()

    def moved(self) -> None:
        self._last = time.monotonic()

    def over(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self._hung()


@contextmanager
def watched(
    context: RunContext, stage: str, batch: int | None = None
) -> Iterator[Callable[[], None]]:
    """The work of a task, which ends its process if it hangs; gives what says that it moves."""
    seconds = context.task_timeout_seconds
    if not seconds:
        yield lambda: None
        return
    what = stage if batch is None else f"{stage}: batch {batch}"
    watch = Watch(seconds, lambda: end_process(context, HUNG.format(what=what, seconds=seconds)))
    try:
        yield watch.moved
    finally:
        watch.over()


def end_process(context: RunContext, sentence: str) -> None:
    """Without a word to other threads, which would wait for the one that hangs."""
    logger.error(sentence)
    telling = in_context(lambda: report_failure(context, sentence))
    telling.start()
    telling.join(TELLING_SECONDS)
    stop_embedded_server()
    os._exit(EXIT_STATUS)


def report_failure(context: RunContext, sentence: str) -> None:
    """Say in Prefect and in the store how the run ended; Prefect then gives back its slots."""
    with suppress(Exception):  # a server that does not answer finds out by the missing heartbeat
        release_slots(context.run_id, sentence)
        client = get_client(sync_client=True)
        client.set_flow_run_state(UUID(context.run_id), Failed(message=sentence), force=True)
    with suppress(StoreError):
        end_run(context.connection, context.path, context.run, "failed", {}, {})
    context.progress.close()


def stop_embedded_server() -> None:
    """Prefect's, if this process has started one: it would outlive us."""
    if server := sys.modules.get("prefect.server.api.server"):
        server.SubprocessASGIServer().stop()


def in_context(work: Callable[[], None]) -> threading.Thread:
    """A thread that has the Prefect settings of this one."""
    return threading.Thread(target=copy_context().run, args=(work,), name="watchdog", daemon=True)
