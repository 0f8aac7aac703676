"""The memory of drawing: runs share a limit on the server, and each checks what is free."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency

from tasks import VIZ_MEMORY
from weightstream.config import Memory
from weightstream.memory import free_memory_mb

LEASE_SECONDS = 60
"""How long a killed run keeps its share; with Prefect's 300 the next one waits five minutes."""


@contextmanager
def viz_memory(limits: Mapping[str, int], megabytes: int) -> Iterator[None]:
    """Wait for so many MB of the limit VIZ_MEMORY and hold them; no wait where there is no limit.

    A task that needs more than the whole limit takes all of it, and so draws alone.
    """
    limit = limits.get(VIZ_MEMORY)
    if limit is None:
        yield
        return
    with concurrency(VIZ_MEMORY, occupy=min(megabytes, limit), lease_duration=LEASE_SECONDS):
        yield


def has_memory_to_draw(memory: Memory) -> bool:
    """Return whether half of the memory that is free now is enough for another drawing task."""
    return free_memory_mb() / 2 >= memory.viz_memory_limit_mb
