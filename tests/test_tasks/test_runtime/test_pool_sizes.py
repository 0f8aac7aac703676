import pytest

from tasks.runtime import pool_sizes
from weightstream.config import Memory, Threading


@pytest.mark.parametrize(
    ("size", "cpus", "users", "width"),
    [
        (8, 2, 5, 8),
        (3, 64, 10_000, 3),
        (0, 64, 10_000, 8),
        (0, 4, 10_000, 4),
        (0, 64, 55, 5),
        (0, 64, 3, 1),
    ],
)
def test_filter_width(monkeypatch, size, cpus, users, width):
    monkeypatch.setattr(pool_sizes.os, "cpu_count", lambda: cpus)
    assert pool_sizes.filter_pool_size(Threading(user_pool_size=size), users) == width


@pytest.mark.parametrize(
    ("pool", "at_once", "limit_mb", "free_mb", "width"),
    [
        (16, 20, 100, 100_000, 16),
        (16, 5, 100, 100_000, 5),
        (16, 20, 100, 1_000, 5),
        (16, 20, 100, 999, 4),
        (16, 20, 100, 30, 1),
        (16, 20, 2_000, 16_000, 4),
    ],
)
def test_draw_width(pool, at_once, limit_mb, free_mb, width):
    memory = Memory(max_concurrent_viz=at_once, viz_memory_limit_mb=limit_mb)
    assert pool_sizes.draw_pool_size(Threading(viz_pool_size=pool, memory=memory), free_mb) == width


@pytest.mark.parametrize(
    ("cpus", "free_mb", "tabs"),
    [(2, 20_000, 2), (8, 20_000, 8), (64, 20_000, 16), (8, 1_100, 3), (8, 750, 1), (8, 749, 0)],
)
def test_tabs_fit_beside_the_browser(monkeypatch, cpus, free_mb, tabs):
    monkeypatch.setattr(pool_sizes.os, "cpu_count", lambda: cpus)
    assert pool_sizes.browser_tabs(Threading(), free_mb) == tabs


def test_retro_width():
    assert pool_sizes.retro_pool_size(Threading(retro_pool_size=3)) == 3
