"""Pool sizes: the size of each stage's task runner, and the limit of its tag."""

import os

from weightstream.config import Threading
from weightstream.memory import free_memory_mb
from weightstream.outputs.pages.image import BROWSER_MB, TAB_MB


def filter_pool_size(threading: Threading, users: int) -> int:
    """Return user_pool_size; 0 = min(cpu_count, users // 10, 8), at least 1."""
    return threading.user_pool_size or max(1, min(os.cpu_count() or 1, users // 10, 8))


def draw_pool_size(threading: Threading, free_mb: float | None = None) -> int:
    """Return how many drawing tasks the pool, the cap and half of the free memory allow, or 1."""
    free_mb = free_memory_mb() if free_mb is None else free_mb
    fitting = int(free_mb / 2 // threading.memory.viz_memory_limit_mb)
    return max(1, min(threading.viz_pool_size, threading.memory.max_concurrent_viz, fitting))


def browser_tabs(threading: Threading, free_mb: float) -> int:
    """Return how many tabs draw pictures: at most the processors, and what fits in memory, or 0."""
    fitting = int((free_mb - BROWSER_MB) // TAB_MB)
    return max(0, min(draw_pool_size(threading, free_mb), os.cpu_count() or 1, fitting))


def retro_pool_size(threading: Threading) -> int:
    return threading.retro_pool_size
