"""Streams that move and err as real ones do: who finds the errors, and leaves real moves alone?

python -m benchmarks.realworld                              development seeds
python -m benchmarks.realworld --seeds test --growthcleanr --out FILE.md
python -m benchmarks.realworld --check                      ours beside the measured variogram

Bodies: benchmarks.real_bodies. Errors: benchmarks.injected.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.accuracy import STAGES, ours
from benchmarks.growthcleanr import NAME as GROWTHCLEANR
from benchmarks.growthcleanr import growthcleanr, missing
from benchmarks.injected import BODIES, Spoilt, sizes_of, spoilt_stream
from benchmarks.real_bodies import LEVELS, TABLE, change_quantiles
from benchmarks.report import (
    GROUP_HEAD,
    RELIABILITY_HEAD,
    aligned,
    group_rows,
    reliability_rows,
    table,
)
from benchmarks.rivals import RIVALS, Judgement
from benchmarks.scoring import Tally, figures, ratio, tally
from benchmarks.streams import Bools
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model

DEV_SEEDS = (1, 2, 3)
TEST_SEEDS = (731, 732, 733, 734, 735)
RATES = (0.0, 0.02, 0.10)
"""Share of readings that are spoilt; nothing is at 0, where every rejection is false."""
OTHERS = ("EWMA (growthcleanr)", "15 % gate Kalman")
Method = Callable[[UserBatch], Judgement]
Counts = defaultdict[tuple[str, ...], float]


@dataclass
class Score:
    """Sums over seeds of one place, rate and method. tally: as on our own streams."""

    tally: Tally = field(default_factory=Tally)
    counts: Counts = field(default_factory=lambda: defaultdict(float))

    def figure(self, key: str) -> float | None:
        """Root of the mean square of `key`, kg."""
        mean = ratio(self.counts[key, "squares"], self.counts[key, "n"])
        return None if mean is None else float(np.sqrt(mean))

    def apart(self) -> tuple[float | None, float | None]:
        """Precision and F1 without the contested rows."""
        hits, false, missed = (self.counts["apart", key] for key in ("hits", "false", "missed"))
        return ratio(hits, hits + false), ratio(2 * hits, 2 * hits + false + missed)

    def add(self, spoilt: Spoilt, verdict: Judgement, before: Judgement, contested: Bools) -> None:
        """verdict: on the spoilt series. before: on the same one without errors.

        contested: (N,) right values that some judge rejects in the series without errors.
        """
        clear, wrong = ~contested, ~spoilt.stream.right
        for key, rows in (
            ("hits", wrong & ~verdict.accepted),
            ("false", ~wrong & ~verdict.accepted),
            ("missed", wrong & verdict.accepted),
        ):
            self.counts["apart", key] += int((rows & clear).sum())
        self.tally.add(tally(spoilt.stream, verdict, 0.0))
        for kind in np.unique(spoilt.how[spoilt.how != ""].astype(str)):
            self._count("kind", kind, verdict, spoilt.how == kind)
        for size, rows in sizes_of(spoilt.off):
            self._count("size", size, verdict, rows)
        right = spoilt.stream.right & np.isfinite(verdict.level) & np.isfinite(before.level)
        for key, level in (("spoilt", before.level), ("level", spoilt.stream.level_kg)):
            off = verdict.level[right] - level[right]
            self.counts[key, "squares"] += float(np.sum(off**2))
            self.counts[key, "n"] += int(right.sum())

    def _count(self, by: str, name: str, verdict: Judgement, rows: np.ndarray) -> None:
        self.counts[by, name, "n"] += int(rows.sum())
        self.counts[by, name, "rejected"] += int((rows & ~verdict.accepted).sum())


Key = tuple[str, float, str]
"""Place, rate, method."""


def methods_of(batch: UserBatch, names: Sequence[str]) -> dict[str, Method]:
    found: dict[str, Method] = dict(RIVALS) | {GROWTHCLEANR: growthcleanr}
    model = build_model(Kalman(), {}, batch.sources)
    for stage, run in STAGES.items():
        found[f"weightstream {stage}"] = partial(ours, run, model)
    return {name: found[name] for name in names}


def score(
    places: Sequence[str],
    seeds: Sequence[int],
    persons: int,
    names: Sequence[str],
    source: str | None = None,
) -> dict[Key, Score]:
    """Judge every place, rate and seed. A home log is as long as five series of a clinic."""
    scores: dict[Key, Score] = defaultdict(Score)
    for place in places:
        for rate in RATES:
            for seed in seeds:
                size = persons if place == "clinic" else max(2, persons // 5)
                spoilt = spoilt_stream(place, seed, size, rate, source)
                methods = methods_of(spoilt.right, names)
                before = {name: method(spoilt.right) for name, method in methods.items()}
                judges = [name for name in methods if name not in RIVALS] or names
                contested = ~np.all([before[name].accepted for name in judges], axis=0)
                for name, method in methods.items():
                    verdict = method(spoilt.stream.batch) if rate else before[name]
                    scores[place, rate, name].add(spoilt, verdict, before[name], contested)
    return dict(scores)


HEAD = (
    "place", "rate", "method", "readings", "errors", "recall", "precision", "F1",
    "precision, apart", "F1, apart", "rejected, right", "spoilt by kg", "RMSE kg", "95 % cov.",
    "log score",
)  # fmt: skip


def rows_of(scores: Mapping[Key, Score]) -> list[list[str]]:
    rows = []
    for (place, rate, name), own in scores.items():
        found = figures(own.tally)
        cells = [_cell(found[key], 3) for key in ("recall", "precision", "f1")]
        cells += [_cell(value, 3) for value in own.apart()]
        false = None if found["specificity"] is None else 1 - found["specificity"]
        cells += [_cell(false, 4), _cell(own.figure("spoilt"), 2), _cell(own.figure("level"), 2)]
        cells += [_cell(found["coverage"][0.95], 3), _cell(found["log_score"], 4)]
        counts = (str(found["readings"]), str(found["errors"]))
        rows.append([place, f"{rate:.2f}", name, *counts, *cells])
    return rows


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def recall_rows(scores: Mapping[Key, Score], by: str) -> tuple[list[str], list[list[str]]]:
    """Share found by kind or size, all rates together: a line each, a column a place and method."""
    columns = list(dict.fromkeys((place, name) for place, _, name in scores))
    found: Counts = defaultdict(float)
    for (place, _, name), own in scores.items():
        for key, value in own.counts.items():
            if key[0] == by:
                found[place, name, *key[1:]] += value
    names = list(dict.fromkeys(key[2] for key in found))
    names = sorted(names) if by == "kind" else names
    rows = []
    for kind in names:
        share = (ratio(found[p, m, kind, "rejected"], found[p, m, kind, "n"]) for p, m in columns)
        count = found[(*columns[0], kind, "n")]
        rows.append([kind, f"{count:.0f}", *(_cell(value, 3) for value in share)])
    return [by, f"n, {columns[0][0]}", *(f"{p}: {m}" for p, m in columns)], rows


Section = tuple[str, Sequence[str], list[list[str]]]
"""Title, head and rows of a table."""


def sections(scores: Mapping[Key, Score]) -> list[Section]:
    found: list[Section] = [("Errors found, levels, coverage", HEAD, rows_of(scores))]
    for by in ("kind", "size"):
        found.append((f"Share found by {by}", *recall_rows(scores, by)))
    for (place, rate, name), own in scores.items():
        if name.startswith("weightstream"):
            numbers = figures(own.tally)
            where = f"{place}, {rate:.2f} spoilt, {name}"
            found.append((f"{where}: coverage by gap", GROUP_HEAD, group_rows(numbers)))
            bins = reliability_rows(numbers)
            found.append((f"{where}: calibration of p_valid", RELIABILITY_HEAD, bins))
    return found


def markdown(found: Sequence[Section], seeds: Sequence[int], persons: int) -> str:
    """The page: what is measured, and every table."""
    head = (
        "# Streams that move and err as real ones do\n\nWritten by `python -m benchmarks.realworld"
        f"`; seeds {', '.join(map(str, seeds))}, {persons} persons of a clinic and a fifth as many "
        "logs at home of each seed. Rate: share of readings that are spoilt, bursts and first "
        "values besides. Apart: without right values that a stage of ours or the real growthcleanr "
        "rejects in the series before it was spoilt. Spoilt by: RMSE of the level against the same "
        "judge's on the series without errors; RMSE: against the truth. Rivals have no level: "
        "their last kept value, in the clinic with a kilogram of clothes."
    )
    parts = [f"## {title}\n\n{table(head, rows)}" for title, head, rows in found]
    return "\n\n".join([head, *parts]) + "\n"


def check_rows(persons: int, seed: int = 1) -> list[list[str]]:
    """Measured and simulated quantiles of |change| by gap, beside each other."""
    rows = []
    for place, bands in TABLE.items():
        size, most = (persons, 20) if place == "clinic" else (max(2, persons // 5), 40)
        rngs = [np.random.default_rng([seed, person]) for person in range(size)]
        bodies = [BODIES[place](rng) for rng in rngs]
        for band, measured in bands.items():
            got = change_quantiles(bodies, band, most)
            cells = (f"{m:.2f} / {g:.2f}" for m, g in zip(measured, got, strict=False))
            rows.append([place, f"{band[0]:.0f}-{band[1]:.0f}", *cells])
    return rows


def main() -> None:
    options = _options()
    if options.check:
        head = ["place", "gap, days", *(f"{100 * q:.0f} %" for q in LEVELS)]
        print(
            aligned(head, [[*row, ""] if len(row) < len(head) else row for row in check_rows(1000)])
        )
        return
    seeds = {"dev": DEV_SEEDS, "test": TEST_SEEDS}.get(options.seeds[0])
    seeds = seeds or tuple(int(seed) for seed in options.seeds)
    names = [*options.methods]
    if options.growthcleanr:
        problem = missing()
        if problem:
            sys.exit(problem)
        names.append(GROWTHCLEANR)
    found = sections(score(options.places, seeds, options.persons, names, options.source))
    for title, columns, rows in found:
        print(f"\n{title}\n{aligned(columns, rows)}")
    if options.out:
        options.out.write_text(markdown(found, seeds, options.persons), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.realworld",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = [f"weightstream {stage}" for stage in ("retro", "causal")]
    add = parser.add_argument
    add("--seeds", nargs="+", default=["dev"], help="dev, test, or numbers")
    add("--places", nargs="+", default=list(BODIES), choices=list(BODIES))
    add("--persons", type=int, default=200, help="of each seed in a clinic; a fifth at home")
    add("--methods", nargs="+", default=[*stages, *OTHERS], choices=[*stages, *RIVALS])
    add("--source", help="the name of the source, for example unknown")
    add("--growthcleanr", action="store_true", help="run R's growthcleanr beside the others")
    add("--check", action="store_true", help="compare with the measured variogram and stop")
    add("--out", type=Path, help="write the tables as Markdown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
