"""Whole runs of the command, on simulated files that are made once and kept."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weightstream import pipeline
from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import judging_of
from weightstream.readers import ReadOptions
from weightstream.simulator.streams import simulate_csv
from weightstream.store.connection import STORE_NAME, Checkpointer, open_writer
from weightstream.store.runs import begin_run, register_files, write_quarantine
from weightstream.store.writing import write_result

COMMAND = Path(sys.executable).with_name("weightstream")


@dataclass(frozen=True)
class Place:
    """Where a benchmark keeps its files; runs have a Prefect home of their own in it."""

    folder: Path

    def fresh(self, name: str) -> Path:
        """An empty data directory."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def simulated(self, rows: int, persons: int, seed: int = 20_251) -> Path:
        path = self.folder / f"{rows}-{persons}-{seed}.csv"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            simulate_csv(unfinished, persons, rows, seed)
            unfinished.rename(path)
        return path

    def ingest(self, source: Path, data_dir: Path, config: str = "") -> dict[str, Any]:
        """The summary line of an ingest without pages and retro. Raises CalledProcessError."""
        command = ["ingest", str(source), "--retro", "off", "--no-dashboards"]
        return self.command(command, data_dir, {}, config)

    def retro(self, data_dir: Path) -> dict[str, Any]:
        """The summary line of a retro run without pages. Raises CalledProcessError."""
        return self.command(["retro", "--no-dashboards"], data_dir, {})

    def command(
        self, command: list[str], data_dir: Path, variables: dict[str, str], config: str = ""
    ) -> dict[str, Any]:
        """The summary line of a command. Raises CalledProcessError.

        variables: of its environment, for example those of a server.
        """
        settings = self.folder / "config.toml"
        settings.write_text(config)
        arguments = ["--data-dir", str(data_dir), "--config", str(settings)]
        done = subprocess.run(
            [COMMAND, *command, *arguments, "--json"],
            check=True,
            stdout=subprocess.PIPE,
            env=os.environ | {"PREFECT_HOME": str(self.folder / "prefect")} | variables,
        )
        return json.loads(done.stdout.splitlines()[-1])

    def next_day(self, source: Path, day: str = "2025-01-01", persons: int | None = None) -> Path:
        """One new reading for each person of a file, or for the first ones, on a later day.

        It shows a person's median so far, as a next day does.
        """
        path = source.with_name(f"next-{day}-{source.name}")
        rows = pd.read_csv(source, usecols=["user_id", "weight", "unit"], dtype=str)
        rows = rows[rows["user_id"].notna() & (rows["unit"] == "kg")]
        rows["weight"] = pd.to_numeric(rows["weight"], errors="coerce")
        usual = rows.groupby("user_id", sort=False)["weight"].median().dropna().head(persons)
        lines = ["user_id,effectiveDateTime,source_type,weight,unit"]
        lines += [
            f"{user},{day}T07:30:00Z,patient-device,{kg:.1f},kg" for user, kg in usual.items()
        ]
        path.write_text("\n".join(lines) + "\n")
        return path


def run_without_prefect(source: Path, data_dir: Path) -> float:
    """Seconds of the pipeline into a store, as the flow `ingest` runs it, on two threads."""
    config = Config()
    path = data_dir / STORE_NAME
    started = time.perf_counter()
    with open_writer(data_dir) as connection:
        run = begin_run(connection, path, "bare", "ingest")
        spill = data_dir / "spill"
        intake = pipeline.read([source], ReadOptions(), config.data, datetime.now(UTC), spill)
        numbers = np.array(register_files(connection, path, intake.files, run))
        for rows in intake.quarantined():
            write_quarantine(connection, path, rows, intake.files, numbers.tolist(), run)
        checkpointer = Checkpointer(connection, data_dir)
        judging = judging_of(config, PRIOR)
        judge = partial(pipeline.judge_for_store, judging=judging, file_numbers=numbers)
        for result, _ in pipeline.map_in_order(judge, intake.parts(2, 0), workers=2):
            deque(write_result(connection, path, result, run, 100), maxlen=0)
            checkpointer.committed()
        checkpointer.close()
    return time.perf_counter() - started


def busy_seconds(summary: dict[str, Any]) -> float:
    """What a run took, start-up apart."""
    return summary["seconds"]["total"] - summary["seconds"]["startup"]
