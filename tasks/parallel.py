"""Run one task over many batches, a stage's width at a time; narrower where threads run out."""

import logging
import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any

from prefect import Task
from prefect.futures import PrefectFuture
from prefect.states import State
from prefect.task_runners import ThreadPoolTaskRunner

logger = logging.getLogger("weightstream")


def in_parallel(
    task: Task[..., Any],
    run: str,
    batches: Iterable[int],
    width: int,
) -> Iterator[tuple[int, State]]:
    """Yield (batch, final state) as batches end, in any order; width 0: one after another here.

    At most `width` batches are under way or waiting to be taken, which is what holds memory down. Where the process cannot start so many threads, fewer work, and the log says so.
    """
    usable = startable_threads(width)
    if usable < width:
        logger.warning(
            "%s: only %d of %d threads can be started; going on with those",
            task.name,
            usable,
            width,
        )
    if usable == 0:
        for batch in batches:
            yield batch, task(run, batch, return_state=True)
        return
    done: SimpleQueue[tuple[int, PrefectFuture[Any]]] = SimpleQueue()
    waiting = iter(batches)
    under_way = 0
    with ThreadPoolTaskRunner(max_workers=usable) as runner:  # type: ignore[var-annotated]
        while True:
            while under_way < usable and (batch := next(waiting, None)) is not None:
                future = runner.submit(task, {"run": run, "batch": batch})
                future.add_done_callback(lambda ended, batch=batch: done.put((batch, ended)))
                under_way += 1
            if under_way == 0:
                return
            batch, future = done.get()
            under_way -= 1
            future.wait()  # done already; only now does it know its final state
            yield batch, future.state


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
