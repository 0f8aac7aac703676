import threading
import time

from tests.running import run_python
from weightstream import clocks
from weightstream.clocks import RunClock, StageClock, process_seconds


def test_a_stage_counts_while_anyone_works(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clocks.time, "monotonic", lambda: now[0])
    clock = StageClock()
    with clock.running():
        now[0] = 3.0
        with clock.running():
            now[0] = 5.0
        now[0] = 6.0
    now[0] = 10.0
    with clock.running():
        now[0] = 11.0
    assert clock.seconds == 7.0


def test_threads_side_by_side_are_not_counted_twice():
    clock, start = StageClock(), time.monotonic()

    def work():
        with clock.running():
            time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.05 <= clock.seconds <= time.monotonic() - start


def test_a_stage_that_fails_is_counted():
    clock = StageClock()
    try:
        with clock.running():
            time.sleep(0.01)
            raise KeyError
    except KeyError:
        pass
    assert clock.seconds >= 0.01
    with clock.running():
        pass


def test_the_first_run_of_a_process_began_with_it():
    program = (
        "import time; time.sleep(0.3)\n"
        "from weightstream.clocks import RunClock\n"
        "first, second = RunClock(), RunClock()\n"
        "first.started(); print(first.startup, second.total)"
    )
    done = run_python(program)
    first, second = map(float, done.stdout.split())
    assert 0.3 <= first < 60
    assert second < 0.3


def test_process_seconds_without_proc(monkeypatch):
    monkeypatch.setattr(clocks.Path, "read_text", lambda _: (_ for _ in ()).throw(OSError()))
    assert process_seconds() >= 0


def test_startup_ends_with_the_first_row():
    clock = RunClock()
    clock.started()
    startup = clock.startup
    time.sleep(0.01)
    assert clock.startup == startup
    assert clock.total >= startup + 0.01


def test_what_a_run_waited_for_is_no_startup(monkeypatch):
    monkeypatch.setattr(RunClock, "_first", True)
    monkeypatch.setattr(clocks, "process_seconds", lambda: 9.0)
    first, second = RunClock(waited=4.0), RunClock(waited=4.0)
    first.started()
    second.started()
    assert 5.0 <= first.startup < 6.0
    assert 0.0 <= second.startup < 1.0
