"""Memory of drawing: runs share a limit on the server, and each looks at what is free."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency

from tasks import VIZ_MEMORY
from weightstream.config import Memory
from weightstream.memory import free_memory_mb

LEASE_SECONDS = 60
"""As long a killed run keeps its share; with Prefect's 300, the next waits five minutes to draw."""


@contextmanager
def viz_memory(limits_by_stage: Mapping[str, int], megabytes: int) -> Iterator[None]:
    """Wait for so much of the limit VIZ_MEMORY and hold it; nothing where the server has none.

    Never more than the whole limit is asked for: what is larger draws alone.
    """
    limit = limits_by_stage.get(VIZ_MEMORY)
    if limit is None:
        yield
        return
    with concurrency(VIZ_MEMORY, occupy=min(megabytes, limit), lease_duration=LEASE_SECONDS):
        yield


def has_memory_to_draw(memory: Memory) -> bool:
    """Whether half of the memory that is free now holds what another drawing task may take."""
    return free_memory_mb() / 2 >= memory.viz_memory_limit_mb
