"""The memory guard of drawing: its limit on the server, and the look at what is free."""

import threading
import time

import pytest

from tasks import VIZ_MEMORY
from weightstream.config import Memory


@pytest.fixture
def limit(prefect_harness):
    """Sets the limit on the server to so many MB."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

    def create(megabytes):
        with get_client(sync_client=True) as client:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=VIZ_MEMORY, limit=megabytes)
            )

    yield create
    with get_client(sync_client=True) as client:
        client.delete_global_concurrency_limit_by_name(VIZ_MEMORY)


def most_at_once(weights, limits):
    """Hold each of weights for a while, all at once; gives the most that were held together."""
    from tasks.runtime.memory_budget import viz_memory

    lock, held, most, came = threading.Lock(), 0, 0, []

    def hold(megabytes):
        nonlocal held, most
        with viz_memory(limits, megabytes):
            with lock:
                held += megabytes
                most = max(most, held)
                came.append(megabytes)
            time.sleep(0.5)
            with lock:
                held -= megabytes

    threads = [threading.Thread(target=hold, args=(weight,)) for weight in weights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == 0
    assert sorted(came) == sorted(weights)  # else one has failed, in a thread that nobody hears
    return most


def test_tasks_hold_no_more_than_the_limit_together(limit):
    limit(50)
    assert most_at_once([30, 30, 20], {VIZ_MEMORY: 50}) <= 50


def test_what_is_larger_than_the_limit_draws_alone(limit):
    limit(50)
    assert most_at_once([70, 20], {VIZ_MEMORY: 50}) == 70


def test_without_a_limit_nobody_waits_or_asks():
    assert most_at_once([30, 30], {}) == 60


@pytest.mark.parametrize(("free_mb", "room"), [(199, False), (200, True), (10_000, True)])
def test_half_of_what_is_free_must_hold_another_task(monkeypatch, free_mb, room):
    from tasks.runtime import memory_budget

    monkeypatch.setattr(memory_budget, "free_memory_mb", lambda: float(free_mb))
    assert memory_budget.has_memory_to_draw(Memory(viz_memory_limit_mb=100)) is room
