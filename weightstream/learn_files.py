"""Learning parameters from files, without a store: `weightstream learn SOURCE... -o FILE`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.errors import InputError
from weightstream.intake.sources import report_of
from weightstream.judging.causal import judging_of
from weightstream.judging.learning import Learned, learn
from weightstream.pipeline import judged_batches, read
from weightstream.readers import ReadOptions
from weightstream.scratch import scratch_folder


def learn_files(
    files: list[Path], options: ReadOptions, config: Config, name: str
) -> tuple[Learned, dict[str, Any]]:
    """Learn a set of parameters from all measurements of files.

    name: of the new set. Returns it and the import report. Raises InputError if a file cannot be
    used, or there is no measurement.
    """
    with scratch_folder() as folder:
        started = datetime.now(UTC)
        intake = read(files, options, config.data, started, folder / "spill")
        if intake.refused:
            raise InputError("; ".join(intake.refused.values()))
        judged = judged_batches(intake, judging_of(config, PRIOR), "causal")
        batches = [batch.series.batch() for batch in judged]
        report = report_of(intake, options, config.data.timezone)
    if not any(len(batch.day) for batch in batches):
        raise InputError("the sources contain no measurement to learn from")
    return learn(batches, name, config.kalman), report
