"""growthcleanr really run, where R and the package are found.

Its answer is the one of its own `cleangrowth`, with its defaults, for adults. How to install it:
docs/accuracy.md.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.rivals import Judgement, last_kept
from weightstream.batch import UserBatch
from weightstream.errors import WeightstreamError
from weightstream.schema import REASONS

NAME = "growthcleanr, really run"
ADULT_DAYS = 14_610
"""It judges adults by another algorithm than children; ours have no age, so all are forty."""
SCRIPT = """
suppressMessages(library(growthcleanr))
paths <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(paths[1], colClasses = c(subjid = "character"))
said <- cleangrowth(rows$subjid, rows$param, rows$agedays, rows$sex, rows$measurement)
write.csv(data.frame(said = as.character(said)), paths[2], row.names = FALSE)
cat(as.character(packageVersion("growthcleanr")))
"""
KEPT = ("Include", "Exclude-Adult-Identical-Same-Day", "Exclude-Adult-Extraneous-Same-Day")
"""A second reading of a day is surplus to it, which is no claim that it is wrong."""
NAMED = {
    "Hundreds": "hundreds_off",
    "Unit-Errors": "unit_lb_as_kg",
    "Transpositions": "digit_swap",
    "BIV": "implausible",
}


def missing() -> str | None:
    """What keeps it from running, as one sentence; None where it can run."""
    if shutil.which("Rscript") is None:
        return "growthcleanr cannot run: Rscript is not found; install R (Debian: r-base-core)"
    found = subprocess.run(
        ["Rscript", "-e", "library(growthcleanr)"], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        last = found.stderr.strip().splitlines()[0] if found.stderr.strip() else "no reason given"
        return f"growthcleanr cannot run: R does not load the package ({last})"
    return None


def growthcleanr(batch: UserBatch) -> Judgement:
    """Judge a batch with R's growthcleanr; the level is the last value that it keeps.

    Raises WeightstreamError where R fails.
    """
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    day = np.floor(batch.day).astype(np.int64)
    rows = pd.DataFrame(
        {
            "subjid": np.array(batch.user_ids, object)[user],
            "param": "WEIGHTKG",
            "agedays": ADULT_DAYS + day - day.min(initial=0),
            "sex": 0,
            "measurement": batch.weight_kg,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        given, said = Path(folder) / "given.csv", Path(folder) / "said.csv"
        rows.to_csv(given, index=False)
        run = subprocess.run(
            ["Rscript", "-e", SCRIPT, str(given), str(said)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise WeightstreamError(f"growthcleanr failed: {run.stderr.strip()[-300:]}")
        words = pd.read_csv(said)["said"].to_numpy(str)
    accepted = np.isin(words, KEPT)
    empty = np.full(len(words), np.nan)
    return Judgement(
        accepted,
        last_kept(batch.indptr, batch.weight_kg, accepted),
        empty,
        empty,
        empty,
        _reasons(words),
        empty,
    )


def _reasons(words: np.ndarray) -> np.ndarray:
    reason = np.where(np.isin(words, KEPT), 0, -1)
    for part, name in NAMED.items():
        reason[np.char.find(words, part) >= 0] = REASONS.index(name)
    return reason
