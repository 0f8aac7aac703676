"""Two runs at once against a real server: no stage is ever wider than its limit, and none waits
longer than the work of the others takes."""

import json
from datetime import datetime
from itertools import accumulate

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]

WIDTHS = {"kalman": 2, "retro": 1, "viz": 2, "db-write": 1, "ingest": 1}
SETTINGS = """
threading.user_pool_size = 2
threading.retro_pool_size = 1
threading.viz_pool_size = 2
execution.users_per_task = 10
"""
SECONDS_EACH, TASKS_EACH = 0.5, 8
SLOW_PROGRAM = f"""
import time
import tasks.filter
judge = tasks.filter.judge_new
def slow(*given):
    time.sleep({SECONDS_EACH})
    return judge(*given)
tasks.filter.judge_new = slow
from deployments.commands import main
main()
"""
WAITING_SECONDS = {"sqlite": 45.0, "postgresql": 20.0}
"""What two runs may take beyond their work on a busy machine. With Prefect's defaults a task that
finds no slot asks again after 30 s; on SQLite one in a few requests is answered after 2 to 8 s."""


def spans(runs):
    """(start, end) of the task runs of each tag, in seconds."""
    found = {}
    for run in runs:
        times = [datetime.fromisoformat(run[key]).timestamp() for key in ("start_time", "end_time")]
        found.setdefault(run["tags"][0], []).append(times)
    return found


def most_at_once(times):
    steps = [(start, 1) for start, _ in times] + [(end, -1) for _, end in times]
    return max(accumulate(step for _, step in sorted(steps)))


def test_two_runs_share_the_limits(served, simulated, tmp_path):
    config = tmp_path / "narrow.toml"
    config.write_text(SETTINGS)
    status, said = served.run("server", "setup", "--config", config, "--data-dir", tmp_path / "a")
    assert status == 0, said
    processes = [
        served.begin(
            *("ingest", simulated(10 * TASKS_EACH, 3_600), "--config", config, "--json"),
            *("--data-dir", tmp_path / name, "--retro", "inline"),
            program=SLOW_PROGRAM,
        )
        for name in ("a", "b")
    ]
    ended = [process.communicate(timeout=400) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
    ids = [json.loads(out.splitlines()[-1])["run_id"] for out, _ in ended]
    by_tag = spans(run for run_id in ids for run in served.task_runs(run_id))
    assert len(by_tag["kalman"]) == 2 * TASKS_EACH
    for tag, width in WIDTHS.items():
        assert most_at_once(by_tag[tag]) <= width, tag
    assert most_at_once(by_tag["kalman"]) == 2
    began, over = min(by_tag["kalman"])[0], max(end for _, end in by_tag["kalman"])
    work = 2 * TASKS_EACH * SECONDS_EACH / WIDTHS["kalman"]
    assert over - began < work + WAITING_SECONDS["postgresql" if served.settings else "sqlite"]
    status, said = served.run("server", "check")
    assert status == 0, said
