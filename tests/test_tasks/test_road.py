from types import SimpleNamespace

from tasks.road import Road


def test_a_stage_is_no_wider_than_its_slots_on_the_server():
    threads = SimpleNamespace(threading=SimpleNamespace(enabled=True))
    road = SimpleNamespace(config=threads, slots={"filter": 2, "draw": 20})
    assert Road.at_once(road, "filter", 8) == 2
    assert Road.at_once(road, "draw", 8) == 8
    assert Road.at_once(road, "smooth", 4) == 4
    threads.threading.enabled = False
    assert Road.at_once(road, "filter", 8) == 0
