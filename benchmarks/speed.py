"""Speed, stage by stage, as ratios to the baseline of the same run."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import baseline
from benchmarks.runs import Place, busy_seconds, run_without_prefect
from benchmarks.table import Line
from weightstream.batch import UserBatch
from weightstream.config import Config
from weightstream.engine import build_model, filter_batch
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import judging_of
from weightstream.outputs import quality
from weightstream.outputs.drawing import draw_persons, drawing_of
from weightstream.outputs.drawing_processes import drawing_processes, useful_processes
from weightstream.outputs.pages.page import write_assets
from weightstream.store import queries
from weightstream.store.connection import ReadPool


def lines(place: Place, rows: int, persons: int) -> Iterator[Line]:
    source = place.simulated(rows, persons)
    place.ingest(place.simulated(1_000, 10), place.fresh("warm"))  # Prefect's database, kernels
    data = place.fresh("first")
    loop = baseline.bare_loop()
    yield Line("bare pykalman loop", f"{loop:,.0f} rows/s")
    first = place.ingest(source, data)
    rate = first["rows_in"] / busy_seconds(first)
    ratio = f"{rate:,.0f} rows/s, {rate / loop:.0f} × the loop"
    yield Line(f"load of {rows:,} rows", ratio, "≥ 45 ×", rate >= 45 * loop)
    spent = ", ".join(f"{name} {value:.2f}" for name, value in first["seconds"].items())
    yield Line("seconds of it (stages overlap)", spent)
    start = first["seconds"]["startup"]
    yield Line("start-up", f"{start:.1f} s", "< 10 s", start < 10)
    bare = run_without_prefect(source, place.fresh("bare"))
    cost = busy_seconds(first) / bare - 1
    yield Line(
        "the same without Prefect", f"{bare:.2f} s: it costs {cost:.0%}", "< 10 %", cost < 0.1
    )
    yield next_day(place, source, data, busy_seconds(first))
    yield two_threads(rows // 2)
    yield from pages(place, data)
    yield from retro(place, source, data, busy_seconds(first))


def retro(place: Place, source: Path, data: Path, first_seconds: float) -> Iterator[Line]:
    """Of all persons, none of whom retro has seen; then of a hundred of them."""
    everyone = place.retro(data)
    seconds, counts = everyone["seconds"]["retro"], everyone["retro"]
    ratio = seconds / first_seconds
    measured = f"{seconds:.1f} s, {ratio:.2f} × the first load, {everyone['peak_rss_mb']:,.0f} MB"
    met = ratio <= 1.5 and everyone["peak_rss_mb"] < 1_000
    what = f"retro of {counts['persons']:,} persons, {counts['readings']:,} readings"
    yield Line(what, measured, "≤ 1.5 ×, < 1,000 MB", met)
    place.ingest(place.next_day(source, "2025-01-02", 100), data)
    some = place.retro(data)
    seconds = some["seconds"]["retro"]
    yield Line(
        f"retro of {some['retro']['persons']} of them", f"{seconds:.2f} s", "< 3 s", seconds < 3
    )


def next_day(place: Place, source: Path, data: Path, first_seconds: float) -> Line:
    summary = place.ingest(place.next_day(source), data)
    seconds = busy_seconds(summary)
    share = seconds / first_seconds
    measured = f"{seconds:.2f} s, {share:.1%} of the first load"
    return Line(f"next day, {summary['rows_in']:,} rows", measured, "< 10 %", share < 0.1)


def two_threads(rows: int) -> Line:
    """The filter alone: halves of a batch on two threads against one after the other."""
    halves = [made_batch(rows, seed) for seed in (1, 2)]
    model = build_model(Config().kalman, {}, halves[0].sources)
    one, two = [], []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            started = time.perf_counter()
            for half in halves:
                filter_batch(half, model)
            one.append(time.perf_counter() - started)
            started = time.perf_counter()
            list(pool.map(lambda half: filter_batch(half, model), halves))
            two.append(time.perf_counter() - started)
    speedup = min(one) / min(two)
    rate = 2 * rows / min(one)
    measured = f"{speedup:.2f} × ({rate / 1e6:.1f} M rows/s on one)"
    return Line("filter on two threads", measured, "≥ 1.8 ×", speedup >= 1.8)


def made_batch(rows: int, seed: int) -> UserBatch:
    """100 readings a person, a day apart."""
    rng = np.random.default_rng(seed)
    users = rows // 100
    return UserBatch(
        user_ids=tuple(f"p{number}" for number in range(users)),
        indptr=np.arange(users + 1) * 100,
        day=np.tile(np.arange(100.0), users),
        hour=np.full(users * 100, 7.0),
        weight_kg=80 + rng.normal(0, 0.5, users * 100),
        source=np.zeros(users * 100, np.int64),
        sources=("patient-device",),
    )


def pages(place: Place, data: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        slow, slow_bytes = baseline.self_contained_pages(Path(folder))
    yield Line("go.Figure pages", f"{slow:.1f} persons/s, {slow_bytes / 1e6:.1f} MB each")
    dashboards = place.fresh("pages")
    write_assets(dashboards)
    config = Config()
    drawing = drawing_of(dashboards, config, judging_of(config, PRIOR))
    with ReadPool(data, 1) as pool, pool.connection() as connection:
        persons = queries.user_ids(connection)[:4_000]
        parts = queries.chunks(persons, 500)
        started = time.perf_counter()
        with drawing_processes(data, drawing, useful_processes(len(persons), 16)) as processes:
            count = processes.size if processes else 1
            if processes is None:
                draw_persons(connection, drawing, persons)
            else:
                with ThreadPoolExecutor(count) as waiting:
                    list(waiting.map(processes.draw, parts))
        rate = len(persons) / (time.perf_counter() - started)
    sizes = [page.stat().st_size for page in (dashboards / "persons").iterdir()]
    measured = f"{rate:,.0f} persons/s, {rate / slow:.0f} ×, from the store, {count} processes"
    yield Line("our pages", measured, "≥ 25 ×", rate >= 25 * slow)
    median = float(np.median(sizes)) / 1000
    yield Line("a page at 100 readings", f"{median:.0f} KB (median)", "≤ 60 KB", median <= 60)
    yield quality_report(data)


def quality_report(data: Path) -> Line:
    with ReadPool(data, 1) as pool, pool.connection() as connection:
        started = time.perf_counter()
        measured = quality.measure(connection)
        seconds = time.perf_counter() - started
    rows = sum(tally.rows for weeks in measured.weeks.values() for tally in weeks.values())
    return Line("report on data quality", f"{seconds:.1f} s for {rows:,} rows")
