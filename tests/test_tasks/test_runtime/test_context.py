from types import SimpleNamespace

from tasks.runtime.context import RunContext


def test_a_stage_is_no_wider_than_its_slots_on_the_server():
    threads = SimpleNamespace(threading=SimpleNamespace(enabled=True))
    context = SimpleNamespace(config=threads, limits={"filter": 2, "draw": 20})
    assert RunContext.at_once(context, "filter", 8) == 2
    assert RunContext.at_once(context, "draw", 8) == 8
    assert RunContext.at_once(context, "smooth", 4) == 4
    threads.threading.enabled = False
    assert RunContext.at_once(context, "filter", 8) == 0
