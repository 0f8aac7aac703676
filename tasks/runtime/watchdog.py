"""End a run whose task hangs.

Compiled code and a waiting thread cannot be stopped from outside. So the run is recorded as failed,
its slots on the Prefect server are released, and its process ends.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.states import Failed

from tasks.runtime.concurrency_limits import release_slots, runs_in_process
from tasks.runtime.context import RunContext
from weightstream.errors import StoreError
from weightstream.store.runs import end_run

logger = logging.getLogger("weightstream")
EXIT_STATUS = 1
REPORT_SECONDS = 30.0
"""The process ends even if the report does not: the store or the server may be what hangs."""
HUNG = (
    "{what} made no progress for {seconds:g} s (execution.task_timeout_seconds), so the run was "
    "ended; stored data remain, run it again to continue"
)


class Watch:
    """Calls `hung` once if nothing moves for so many seconds before `end`.

    last_moved: when the work last made progress, in seconds of time.monotonic.
    """

    def __init__(
        self, seconds: float, hung: Callable[[], None], last_moved: Callable[[], float]
    ) -> None:
        self._seconds, self._hung, self._last_moved = seconds, hung, last_moved
        self._started = time.monotonic()
        self._ended = threading.Event()
        with suppress(RuntimeError):  # no thread can be started: then nobody watches
            in_context(self._run).start()

    def end(self) -> None:
        """Stop watching: the work is over."""
        self._ended.set()

    def _run(self) -> None:
        while (left := self._deadline() - time.monotonic()) > 0:
            if self._ended.wait(left):
                return
        self._hung()

    def _deadline(self) -> float:
        return max(self._started, self._last_moved()) + self._seconds


@contextmanager
def watched(context: RunContext, name: str, batch: int | None = None) -> Iterator[None]:
    """End the process if the task inside hangs.

    A task of the whole run makes progress whenever its stage does; a batch is done within the time
    or it hangs.
    """
    seconds = context.settings.config.execution.task_timeout_seconds
    if not seconds:
        yield
        return
    what = name if batch is None else f"{name}: batch {batch}"
    hung = partial(end_process, context, HUNG.format(what=what, seconds=seconds))
    progress = context.tallies.progress
    watch = Watch(seconds, hung, lambda: progress.moved(name) if batch is None else 0.0)
    try:
        yield
    finally:
        watch.end()


def end_process(context: RunContext, sentence: str) -> None:
    """End this process without waiting for its threads, one of which hangs."""
    logger.error(sentence)
    reporting = in_context(lambda: report_failure(context, sentence))
    reporting.start()
    reporting.join(REPORT_SECONDS)
    stop_embedded_server()
    os._exit(EXIT_STATUS)


def report_failure(context: RunContext, sentence: str) -> None:
    """Record in Prefect and in the store how the run ended, and release its slots."""
    run_id, store = context.settings.run_id, context.store
    with suppress(Exception):  # a server that does not answer notices the missing heartbeat
        release_slots(run_id, sentence)
        client = get_client(sync_client=True)
        for run in reversed(runs_in_process(client, run_id)):
            client.set_flow_run_state(UUID(run), Failed(message=sentence), force=True)
    with suppress(StoreError):
        end_run(store.connection, store.path, store.run, "failed", {}, {})
    context.tallies.progress.close()


def stop_embedded_server() -> None:
    """Stop a server that Prefect has started in this process: unlike ours, it would outlive us."""
    if server := sys.modules.get("prefect.server.api.server"):
        server.SubprocessASGIServer().stop()


def in_context(work: Callable[[], None]) -> threading.Thread:
    """Return a thread that has the Prefect settings of this one."""
    return threading.Thread(target=copy_context().run, args=(work,), name="watchdog", daemon=True)
