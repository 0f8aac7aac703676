"""Submit one task for many batches to a task runner of the stage's pool size; gather the states."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias, cast

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.states import State
from prefect.task_runners import ThreadPoolTaskRunner

logger = logging.getLogger("weightstream")
RUNNER_LOGGER = "prefect.task_runner.threadpool"
Done: TypeAlias = "SimpleQueue[tuple[int, PrefectFuture[Any]]]"


def log_no_dead_locks() -> None:
    """Keep Prefect from warning that tasks may wait for each other for ever.

    It does if a task follows others in a pool of one thread. Those that ours follow have ended.
    """
    logging.getLogger(RUNNER_LOGGER).addFilter(_is_no_dead_lock)


def _is_no_dead_lock(record: logging.LogRecord) -> bool:
    return "may lead to dead-locks" not in record.getMessage()


def submit_batches(
    task: Task[..., Any],
    run: str,
    batches: Iterable[int],
    pool_size: int,
    has_memory: Callable[[], bool] = lambda: True,
    after: Sequence[State] = (),
) -> Iterator[tuple[int, State]]:
    """Yield (batch, final state) as batches end, in any order; pool_size 0: one by one, here.

    At most pool_size batches are under way or wait to be gathered. While one is, the next is taken
    only if there is memory for it. Where the process cannot start so many threads, fewer run, and
    the log says so. after: of tasks that have ended, which Prefect's graph shows them to follow.
    """
    waiting = iter(batches)
    if threads := usable_threads(task.name, pool_size):
        log_no_dead_locks()
        with ThreadPoolTaskRunner[Any](max_workers=threads) as runner:
            yield from gather(task, run, runner, waiting, threads, has_memory, after)
    else:
        for batch in waiting:
            yield batch, state_of(task, run, batch, after=after)


def state_of(task: Task[..., Any], run: str, *batch: int, after: Sequence[State] = ()) -> State:
    """Run a task in this thread; return its final state. after: see submit_batches."""
    return cast(State, task(run, *batch, return_state=True, wait_for=cast(Any, after)))


@contextmanager
def submit_in_background(
    task: Task[..., Any], run: str, threads: bool, after: Sequence[State] = ()
) -> Iterator[Callable[[], State]]:
    """Run a task of the whole run beside the caller; yield a function that waits for its state.

    Without threads, or if none can be started, the task runs when it is waited for.
    """
    if not usable_threads(task.name, int(threads)):
        yield lambda: state_of(task, run, after=after)
        return
    log_no_dead_locks()
    with ThreadPoolTaskRunner[Any](max_workers=1) as runner:
        future = runner.submit(task, {"run": run}, wait_for=cast(Any, after))

        def final_state() -> State:
            future.wait()
            return future.state

        try:
            yield final_state
        finally:
            future.wait()  # the runner would cancel it


def gather(
    task: Task[..., Any],
    run: str,
    runner: ThreadPoolTaskRunner[Any],
    waiting: Iterator[int],
    pool_size: int,
    has_memory: Callable[[], bool],
    after: Sequence[State],
) -> Iterator[tuple[int, State]]:
    """Submit batches as others end; see submit_batches."""
    done: Done = SimpleQueue()
    under_way = 0
    while True:
        while under_way < pool_size and (under_way == 0 or has_memory()):
            batch = next(waiting, None)
            if batch is None:
                break
            future = runner.submit(task, {"run": run, "batch": batch}, wait_for=cast(Any, after))
            future.add_done_callback(partial(_put, done, batch))
            under_way += 1
        if under_way == 0:
            return
        ended, its_future = done.get()
        under_way -= 1
        its_future.wait()  # done already; only now does it know its final state
        yield ended, its_future.state


def _put(done: Done, batch: int, future: PrefectFuture[Any]) -> None:
    done.put((batch, future))


SPARE_THREADS = 6
"""What a task needs besides its own thread: Prefect's for events, logs and heartbeats, a watchdog.
Where those cannot start, Prefect waits for them for ever."""


def usable_threads(stage: str, wanted: int) -> int:
    """Return how many of `wanted` threads a stage can have; if fewer, the log says so."""
    usable = max(0, startable_threads(wanted + SPARE_THREADS) - SPARE_THREADS) if wanted else 0
    if usable < wanted:
        logger.warning(
            "%s: only %d of %d threads can be started; continuing with those", stage, usable, wanted
        )
    return usable


def startable_threads(wanted: int) -> int:
    """Return how many of `wanted` threads the process can have at once, by starting them."""
    release = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(wanted):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        pass
    finally:
        release.set()
        for thread in started:
            thread.join()
    return len(started)
