"""Counts of how well a method judged labelled streams, and the figures made of them.

Counts add up over seeds and scenarios; figures are ratios of counts. Definitions: docs/accuracy.md.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import log, pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from benchmarks.rivals import Judgement
from benchmarks.streams import Bools, Stream, gap_days
from weightstream.schema import REASONS

CODED = tuple(r for r in REASONS if r not in ("ok", "override"))
"""Errors that have a reason code: recall and naming are over these."""
RESTORABLE = ("unit_lb_as_kg", "unit_kg_as_lb", "decimal_shift", "hundreds_off", "digit_swap")
ALIKE = ("other_person", "outlier")
"""A single strange value of either kind may be the same number: no one could tell which it is."""
COVERAGES = (0.50, 0.90, 0.95, 0.99)
Counts = defaultdict[tuple[str, ...], float]
HALF_WIDTHS = {q: NormalDist().inv_cdf(0.5 + q / 2) for q in COVERAGES}
GAPS = (("< 2 d", 2.0), ("2-7 d", 7.0), ("7-30 d", 30.0), ("30-90 d", 90.0), (">= 90 d", np.inf))
P_EDGES = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999, 1.0)
SETTLED = 3
"""Readings of a new level after which a real step should be believed."""


@dataclass
class Tally:
    """Sums over readings. keys of counts: tuples of words; restored: kg off, by error."""

    counts: Counts = field(default_factory=lambda: defaultdict(int))
    restored: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    rows: int = 0

    def add(self, other: "Tally") -> None:
        for key, value in other.counts.items():
            self.counts[key] += value
        for name, errors in other.restored.items():
            self.restored.setdefault(name, []).extend(errors)
        self.seconds += other.seconds
        self.rows += other.rows


def tally(stream: Stream, verdict: Judgement, seconds: float) -> Tally:
    """Count what a judgement got right."""
    result = Tally(seconds=seconds, rows=len(stream.error))
    _count_errors(result, stream, verdict)
    _count_levels(result, stream, verdict)
    _count_predictions(result, stream, verdict)
    _count_probabilities(result, stream, verdict)
    _count_steps(result, stream, verdict)
    return result


def _count_errors(result: Tally, stream: Stream, verdict: Judgement) -> None:
    names = np.array([*REASONS, "unnamed"], dtype=object)[verdict.reason]
    for error in np.unique(stream.error.astype(str)):
        own = stream.error == error
        rejected = own & ~verdict.accepted
        result.counts["error", error, "n"] += int(own.sum())
        result.counts["error", error, "rejected"] += int(rejected.sum())
        for name, count in zip(
            *np.unique(names[rejected].astype(str), return_counts=True), strict=True
        ):
            result.counts["named", error, str(name)] += int(count)
        if error in RESTORABLE:
            told = rejected & (names == error) & np.isfinite(verdict.suggested)
            off = np.abs(verdict.suggested[told] - stream.true_kg[told])
            result.restored[error] = off.tolist()


def _count_levels(result: Tally, stream: Stream, verdict: Judgement) -> None:
    known = stream.right & np.isfinite(verdict.level)
    off = verdict.level[known] - stream.level_kg[known]
    result.counts["level", "n"] += int(known.sum())
    result.counts["level", "squares"] += float(np.sum(off**2))
    result.counts["level", "absolute"] += float(np.sum(np.abs(off)))


def _count_predictions(result: Tally, stream: Stream, verdict: Judgement) -> None:
    """Coverage and NIS of right readings by source and gap, and the log density of them."""
    known = stream.right & np.isfinite(verdict.expected) & np.isfinite(verdict.sd)
    z = (stream.batch.weight_kg - verdict.expected) / verdict.sd
    gap = gap_days(stream.batch)
    groups: list[tuple[str, str, Bools]] = [
        ("all", "all", known),
        ("verdict", "accepted", known & verdict.accepted),
    ]
    for index, source in enumerate(stream.batch.sources):
        groups.append(("source", source, known & (stream.batch.source == index)))
    low = -np.inf
    for name, high in GAPS:
        groups.append(("gap", name, known & (gap >= low) & (gap < high)))
        low = high
    for kind, name, rows in groups:
        own = np.abs(z[rows])
        result.counts["predicted", kind, name, "n"] += len(own)
        result.counts["predicted", kind, name, "squares"] += float(np.sum(own**2))
        for q, width in HALF_WIDTHS.items():
            result.counts["predicted", kind, name, f"{q:.2f}"] += int((own <= width).sum())
    density = -0.5 * z[known] ** 2 - np.log(verdict.sd[known]) - 0.5 * log(2 * pi)
    result.counts["predicted", "log density"] += float(density.sum())


def _count_probabilities(result: Tally, stream: Stream, verdict: Judgement) -> None:
    coded = np.isin(stream.error.astype(str), CODED)
    known = (stream.right | coded) & np.isfinite(verdict.p_valid)
    p, valid = verdict.p_valid[known], stream.right[known]
    bins = np.minimum(np.searchsorted(P_EDGES, p, side="right") - 1, len(P_EDGES) - 2)
    for index, name in enumerate(p_bins()):
        own = bins == index
        result.counts["p", name, "n"] += int(own.sum())
        result.counts["p", name, "sum"] += float(p[own].sum())
        result.counts["p", name, "valid"] += int(valid[own].sum())
    safe = np.clip(np.where(valid, p, 1 - p), 1e-12, 1.0)
    result.counts["p", "log score"] += float(np.log(safe).sum())


def _count_steps(result: Tally, stream: Stream, verdict: Judgement) -> None:
    for kind in np.unique(stream.step.astype(str)):
        if kind == "":
            continue
        own = (stream.step == kind) & stream.right
        late = own & (stream.after_step >= SETTLED)
        for name, rows in (("all", own), ("settled", late)):
            result.counts["step", kind, name, "n"] += int(rows.sum())
            result.counts["step", kind, name, "rejected"] += int((rows & ~verdict.accepted).sum())


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def figures(result: Tally) -> dict[str, Any]:
    """The figures of a tally; None where there is nothing to count."""
    count = defaultdict(int, result.counts)  # looked up below, so a copy
    errors = sum(count["error", e, "n"] for e in CODED)
    found = sum(count["error", e, "rejected"] for e in CODED)
    named = sum(count["named", e, e] for e in CODED)
    caused = [e for e in CODED if e != "outlier"]
    mixed_up = sum(count["named", e, other] for e in ALIKE for other in ALIKE if e != other)
    right, wronged = count["error", "ok", "n"], count["error", "ok", "rejected"]
    recall, precision = ratio(found, errors), ratio(found, found + wronged)
    both = 2 * found + (errors - found) + wronged
    restored = [off for name in RESTORABLE for off in result.restored.get(name, [])]
    n = count["predicted", "all", "all", "n"]
    judged = sum(count["p", name, "n"] for name in p_bins())
    squares = ratio(count["level", "squares"], count["level", "n"])
    return {
        "readings": result.rows,
        "errors": errors,
        "recall": recall,
        "specificity": ratio(right - wronged, right),
        "precision": precision,
        "f1": ratio(2 * found, both),
        "naming": ratio(named, found),
        "naming_alike": ratio(named + mixed_up, found),
        "naming_caused": ratio(
            sum(count["named", e, e] for e in caused),
            sum(count["error", e, "rejected"] for e in caused),
        ),
        "restored_median_kg": float(np.median(restored)) if restored else None,
        "rmse_kg": None if squares is None else sqrt(squares),
        "mean_absolute_kg": ratio(count["level", "absolute"], count["level", "n"]),
        "coverage": {q: ratio(count["predicted", "all", "all", f"{q:.2f}"], n) for q in COVERAGES},
        "nis": ratio(count["predicted", "all", "all", "squares"], n),
        "log_density": ratio(count["predicted", "log density"], n),
        "log_score": ratio(count["p", "log score"], judged),
        "microseconds": ratio(1e6 * result.seconds, result.rows),
        "steps": _step_figures(count),
        "types": _type_figures(count, result.restored),
        "groups": _group_figures(count),
        "reliability": _reliability(count),
    }


def p_bins() -> list[str]:
    return [f"{low}-{high}" for low, high in pairwise(P_EDGES)]


def _step_figures(count: Counts) -> dict[str, dict[str, float | None]]:
    kinds = sorted({key[1] for key in count if key[0] == "step"})
    figures: dict[str, dict[str, float | None]] = {}
    for kind in [*kinds, "all"]:
        own = kinds if kind == "all" else [kind]
        figures[kind] = {
            name: ratio(
                sum(count["step", k, name, "rejected"] for k in own),
                sum(count["step", k, name, "n"] for k in own),
            )
            for name in ("all", "settled")
        }
    return figures


def _type_figures(count: Counts, restored: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    types: dict[str, dict[str, Any]] = {}
    for error in sorted({key[1] for key, n in count.items() if key[0] == "error" and n} - {"ok"}):
        found = count["error", error, "rejected"]
        off = restored.get(error)
        names = {key[2]: n for key, n in count.items() if n and key[:2] == ("named", error)}
        types[error] = {
            "n": count["error", error, "n"],
            "recall": ratio(found, count["error", error, "n"]),
            "naming": ratio(count["named", error, error], found),
            "restored_median_kg": float(np.median(off)) if off else None,
            "named_as": dict(sorted(names.items(), key=lambda item: -item[1])),
        }
    return types


def _group_figures(count: Counts) -> dict[str, dict[str, dict[str, Any]]]:
    groups: dict[str, dict[str, dict[str, Any]]] = {"verdict": {}, "source": {}, "gap": {}}
    for kind, name in _names_of_groups(count):
        n = count["predicted", kind, name, "n"]
        if n:
            groups[kind][name] = {
                "n": n,
                "nis": count["predicted", kind, name, "squares"] / n,
                "coverage": {q: count["predicted", kind, name, f"{q:.2f}"] / n for q in COVERAGES},
            }
    return groups


def _names_of_groups(count: Counts) -> Iterable[tuple[str, str]]:
    keys = {key[1:3] for key in count if key[0] == "predicted" and key[-1] == "n"}
    order = [name for name, _ in GAPS]
    sources = sorted(name for kind, name in keys if kind == "source")
    own = [("source", name) for name in sources] + [("gap", name) for name in order]
    return [("verdict", "accepted"), *own]


def _reliability(count: Counts) -> list[dict[str, Any]]:
    rows = []
    for name in p_bins():
        n = count["p", name, "n"]
        if n:
            said, valid = count["p", name, "sum"] / n, count["p", name, "valid"] / n
            rows.append({"p": name, "n": n, "said": said, "valid": valid})
    return rows
