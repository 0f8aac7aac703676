"""Draw pages in several processes, where there are enough of them.

A page is small Python work between many short calls that release the GIL, so threads that draw at
once only take it from each other. Processes are forked from a server that has imported what drawing
needs: each adds some 60 MB to the memory that they share, and starting the first takes as long as
drawing a thousand pages (docs/performance.md).
"""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from weightstream.errors import BatchError
from weightstream.memory import private_mb
from weightstream.outputs.drawing import Drawing, IndexRow, draw_persons
from weightstream.store.connection import ReadPool

logger = logging.getLogger("weightstream")
PERSONS_PER_PROCESS = 1_500
"""With fewer, starting a process takes longer than it saves."""


def useful_processes(persons: int, most: int) -> int:
    """Return how many processes draw so many persons soonest, at most `most`; 1: this one alone."""
    return max(1, min(most, os.cpu_count() or 1, persons // PERSONS_PER_PROCESS))


class DrawingProcesses:
    """Processes that draw pages of the store in data_dir. size: how many."""

    def __init__(self, data_dir: Path, drawing: Drawing, size: int) -> None:
        self.size = size
        self._data_dir, self._drawing = data_dir, drawing
        self._private_mb: dict[int, float] = {}
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([draw_persons.__module__])
        self._executor = ProcessPoolExecutor(size, context, initializer=_begin)
        with _without_main():
            started = [self._executor.submit(os.getpid) for _ in range(size)]
        for future in started:
            future.result()

    def draw(self, user_ids: Sequence[str]) -> list[IndexRow]:
        """Draw pages as draw_persons does, in one of the processes; wait for it.

        Raises BatchError if the process is killed; then the others end too.
        """
        try:
            future = self._executor.submit(_draw, self._data_dir, self._drawing, user_ids)
            rows, process, megabytes = future.result()
        except BrokenProcessPool:
            raise BatchError(
                "a process that draws pages was killed, perhaps for lack of memory; lower "
                "threading.viz_pool_size, and run `weightstream dashboards` for the missing pages"
            ) from None
        self._private_mb[process] = max(megabytes, self._private_mb.get(process, 0.0))
        return rows

    @property
    def private_mb(self) -> float:
        """The memory that the processes have not shared, in MB: the most that was seen of each."""
        return sum(self._private_mb.values())

    def close(self) -> None:
        """End the processes once they have drawn what they began."""
        self._executor.shutdown(cancel_futures=True)


@contextmanager
def drawing_processes(
    data_dir: Path, drawing: Drawing, size: int
) -> Iterator[DrawingProcesses | None]:
    """Open so many processes; None if size is 1, or if they cannot be started: the log says so."""
    processes = None
    if size > 1:
        try:
            processes = DrawingProcesses(data_dir, drawing, size)
        except (OSError, RuntimeError, NotImplementedError) as error:
            logger.warning(
                "pages are drawn in this process alone: no others can be started (%s)",
                type(error).__name__,
            )
    try:
        yield processes
    finally:
        if processes is not None:
            processes.close()


def _draw(
    data_dir: Path, drawing: Drawing, user_ids: Sequence[str]
) -> tuple[list[IndexRow], int, float]:
    with ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        rows = draw_persons(connection, drawing, user_ids)
    gc.collect()
    return rows, os.getpid(), private_mb()


def _begin() -> None:
    """End with the process that draws, however that ends, and not by Ctrl-C before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.disable()  # looking for cycles among millions of cells takes a sixth of the time
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module: each process would import it again, which may be all of Prefect."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
