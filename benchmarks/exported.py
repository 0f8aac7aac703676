"""An export of the real pipeline, scored against the labels that `weightstream simulate` wrote."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.rivals import Judgement
from benchmarks.scoring import HALF_WIDTHS
from benchmarks.streams import Stream, stream_of
from weightstream.schema import REASONS


def exported(export: Path, labels: Path) -> tuple[Stream, Judgement]:
    """Join `export` (CSV of one simulated file) with `labels` by line.

    Raises ValueError if a line of the export is none of the labels' measurements.
    """
    said = pd.read_csv(export)
    truth = pd.read_csv(labels, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, ""))
    rows = said.merge(truth, on="line", suffixes=("", "_true"), validate="1:1")
    faulty = rows["verdict_true"] == "quarantined"
    if len(rows) < len(said) or faulty.any():
        raise ValueError(f"{export} does not hold the measurements that {labels} describes")
    # Of two lines that say the same the store may keep either; which one is "duplicate" is chance.
    rows = rows[rows["verdict_true"] != "duplicate"]
    rows = rows.assign(source_type=rows["source"]).sort_values(["user_id", "day"], kind="stable")
    half = (rows["expected_hi_kg"] - rows["expected_lo_kg"]) / 2
    verdict = Judgement(
        accepted=(rows["verdict"] == "accepted").to_numpy(),
        level=rows["level_kg"].to_numpy(np.float64),
        expected=rows["expected_kg"].to_numpy(np.float64),
        sd=half.to_numpy(np.float64) / HALF_WIDTHS[0.95],
        p_valid=rows["p_valid"].to_numpy(np.float64),
        reason=np.array([REASONS.index(name) for name in rows["reason"]], np.int64),
        suggested=rows["suggested_kg"].to_numpy(np.float64),
    )
    truth = rows.drop(columns=["level_kg", "weight_kg"]).rename(
        columns={"level_kg_true": "level_kg", "weight_kg_true": "weight_kg"}
    )
    return stream_of(truth), verdict


NUMBERS = ("true_kg", "level_kg", "weight_kg", "day", "hour")
