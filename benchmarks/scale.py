"""Many rows on a Dask cluster of this machine: `python -m benchmarks.scale --rows 10000000`.

A million rows are simulated. Further files hold the same bodies under other ids, so that fifty
million rows are made in a minute. Run it once for each number of rows.
"""

import argparse
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from distributed import Client, LocalCluster

from benchmarks.runs import Place
from weightstream import clean_dataset, dataset
from weightstream.exchange import Place as Folder
from weightstream.memory import peak_rss_mb

ROWS_PER_FILE, PERSONS_PER_FILE = 1_000_000, 10_000
HEAD = (
    "| rows | workers | seconds | processor seconds of each | memory each, MB | exchanged, MB |\n"
    "| ---: | ---: | ---: | --- | --- | ---: |"
)
BILLION, CORES = 1_000_000_000, (16, 64, 256)


@dataclass(frozen=True)
class Measured:
    """A run. cpu: seconds of processor time of each worker; peak: its memory at most, MB.

    exchanged: MB that went from reading tasks to judging tasks.
    """

    rows: int
    seconds: float
    cpu: list[float]
    peak: list[float]
    exchanged: float


def made(place: Place, rows: int) -> Path:
    """Return a folder of Parquet files with so many rows, which is made once."""
    folder = place.folder / f"{rows}.parquet-files"
    if folder.exists():
        return folder
    unfinished = place.fresh(f"{rows}.unfinished")
    source = place.simulated(min(rows, ROWS_PER_FILE), PERSONS_PER_FILE)
    texts = dict.fromkeys(("user_id", "effectiveDateTime", "weight", "unit", "id"), pa.string())
    options = pyarrow.csv.ConvertOptions(column_types=texts)
    table = pyarrow.csv.read_csv(source, convert_options=options)
    at = table.column_names.index("user_id")
    for number in range(-(-rows // ROWS_PER_FILE)):
        users = pc.binary_join_element_wise(f"{number:04}", table["user_id"], "-")
        some = table.set_column(at, "user_id", users)
        pq.write_table(some, unfinished / f"part-{number:05}.parquet")
    unfinished.rename(folder)
    return folder


def measured(source: Path, out: Path, workers: int) -> Measured:
    """Judge a folder on so many worker processes of one thread each."""
    shutil.rmtree(out, ignore_errors=True)
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(_warm)
        before = client.run(time.process_time)
        exchanged: list[float] = []
        finish = dataset._finish

        def counted(whole: dataset.DatasetJob, *given: object) -> dict[str, object]:
            exchanged.append(_megabytes(whole.place))
            return finish(whole, *given)  # type: ignore[arg-type]

        started = time.perf_counter()
        with patch.object(dataset, "_finish", counted):
            made_of = clean_dataset(str(source), out, client=client)
        seconds = time.perf_counter() - started
        after, peak = client.run(time.process_time), client.run(peak_rss_mb)
    cpu = [after[worker] - before[worker] for worker in after]
    return Measured(made_of["counts"]["rows_in"], seconds, cpu, list(peak.values()), *exchanged)


def _warm() -> None:
    import weightstream.clean_files  # noqa: F401, kernels are loaded before the clock starts


def _megabytes(place: Folder) -> float:
    return float(place.system.du(place.path(dataset.EXCHANGE))) / 1e6


def lines(source: Path, out: Path) -> Iterator[str]:
    yield HEAD
    runs = [measured(source, out, workers) for workers in (1, 2)]
    for workers, run in enumerate(runs, 1):
        cpu = ", ".join(f"{one:.1f}" for one in run.cpu)
        peak = ", ".join(f"{one:.0f}" for one in run.peak)
        yield (
            f"| {run.rows:,} | {workers} | {run.seconds:.1f} | {cpu} | {peak} "
            f"| {run.exchanged:,.0f} |"
        )
    one, two = runs
    yield ""
    yield f"Two workers are {one.seconds / two.seconds:.2f} times as fast as one (target: 1.7)."
    a_row = sum(two.cpu) / two.rows
    hours = ", ".join(f"{cores}: {a_row * BILLION / cores / 3600:.1f} h" for cores in CORES)
    yield f"A billion rows by processor time alone ({a_row * 1e6:.1f} µs a row), on cores: {hours}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the simulated files for the next time")
    asked = parser.parse_args()
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        place = Place(asked.folder or Path(temporary))
        place.folder.mkdir(parents=True, exist_ok=True)
        source = made(place, asked.rows)
        out = place.folder / f"judged-{os.getpid()}"
        try:
            for line in lines(source, out):
                print(line, flush=True)
        finally:
            shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
