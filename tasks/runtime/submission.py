"""Run one task over many batches, a stage's width at a time, on threads."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.states import State
from prefect.task_runners import ThreadPoolTaskRunner

logger = logging.getLogger("weightstream")


def submit_batches(
    task: Task[..., Any],
    run: str,
    batches: Iterable[int],
    width: int,
    has_memory: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[int, State]]:
    """Yield (batch, final state) as batches end, in any order; width 0: one after another here.

    At most `width` batches are under way or waiting to be taken, and after the first only while
    there is room, which is what holds memory down. Where the process cannot start so many
    threads, fewer work, and the log says so.
    """
    waiting = iter(batches)
    if usable := usable_threads(task.name, width):
        with ThreadPoolTaskRunner[Any](max_workers=usable) as runner:
            yield from gather(task, run, runner, waiting, usable, has_memory)
    else:
        for batch in waiting:
            yield batch, cast(State, task(run, batch, return_state=True))


@contextmanager
def submit_in_background(
    task: Task[..., Any], run: str, width: int
) -> Iterator[Callable[[], State]]:
    """Run a task of the whole run while the caller goes on; what is given waits for its end.

    width 0, or no thread to be had: it runs when it is waited for.
    """
    if not usable_threads(task.name, min(width, 1)):
        yield lambda: cast(State, task(run, return_state=True))
        return
    with ThreadPoolTaskRunner[Any](max_workers=1) as runner:
        future = runner.submit(task, {"run": run})

        def ended() -> State:
            future.wait()
            return future.state

        try:
            yield ended
        finally:
            future.wait()  # the runner would cancel it


def gather(
    task: Task[..., Any],
    run: str,
    runner: ThreadPoolTaskRunner[Any],
    waiting: Iterator[int],
    width: int,
    has_memory: Callable[[], bool],
) -> Iterator[tuple[int, State]]:
    done: SimpleQueue[tuple[int, PrefectFuture[Any]]] = SimpleQueue()
    under_way = 0
    while True:
        while under_way < width and (under_way == 0 or has_memory()):
            batch = next(waiting, None)
            if batch is None:
                break
            future = runner.submit(task, {"run": run, "batch": batch})
            future.add_done_callback(partial(_put, done, batch))
            under_way += 1
        if under_way == 0:
            return
        ended, its_future = done.get()
        under_way -= 1
        its_future.wait()  # done already; only now does it know its final state
        yield ended, its_future.state


def _put(
    done: "SimpleQueue[tuple[int, PrefectFuture[Any]]]", batch: int, future: PrefectFuture[Any]
) -> None:
    done.put((batch, future))


def usable_threads(stage: str, width: int) -> int:
    """How many of `width` threads a stage can have; if fewer, the log says so."""
    usable = startable_threads(width)
    if usable < width:
        logger.warning(
            "%s: only %d of %d threads can be started; going on with those", stage, usable, width
        )
    return usable


def startable_threads(width: int) -> int:
    """How many of `width` threads the process can have at once, found by starting them."""
    release = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(width):
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
