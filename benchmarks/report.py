"""The benchmark's tables, as text, Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plots import plots
from benchmarks.scoring import Tally, figures
from weightstream.simulator.scenarios import SCENARIOS

Result = Mapping[str, Mapping[str, Tally]]
Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Figures by scenario, with the sum of all, and method."""

MAIN = (
    ("recall", "recall", 3),
    ("specificity", "specificity", 4),
    ("precision", "precision", 3),
    ("F1", "f1", 3),
    ("naming", "naming", 3),
    ("naming*", "naming_alike", 3),
    ("naming+", "naming_caused", 3),
    ("restored kg", "restored_median_kg", 2),
    ("RMSE kg", "rmse_kg", 2),
    ("95 % cov.", "coverage95", 3),
    ("NIS", "nis", 2),
    ("log dens.", "log_density", 2),
    ("log score", "log_score", 4),
    ("step FR", "step", 4),
    ("step FR >= 3", "step_settled", 4),
    ("us", "microseconds", 2),
)


@dataclass(frozen=True)
class Scores:
    """Tallies by method of each scenario over all seeds, and of each seed over all scenarios."""

    by_scenario: Result
    by_seed: Result


def pooled(result: Result) -> dict[str, Tally]:
    """All scenarios together, by method."""
    total: dict[str, Tally] = {}
    for methods in result.values():
        for name, tally in methods.items():
            total.setdefault(name, Tally()).add(tally)
    return total


def flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Figures by the names of MAIN."""
    steps = found["steps"]["all"]
    return dict(found) | {
        "coverage95": found["coverage"][0.95],
        "step": steps["all"],
        "step_settled": steps["settled"],
    }


def cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main_rows(methods: Mapping[str, Tally]) -> list[list[str]]:
    rows = []
    for name, tally in methods.items():
        found = flat(figures(tally))
        rows.append([name, *(cell(found[key], digits) for _, key, digits in MAIN)])
    return rows


def type_rows(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for error, own in found["types"].items():
        named = ", ".join(f"{name} {n}" for name, n in list(own["named_as"].items())[:3])
        cells = (cell(own[key], 3) for key in ("recall", "naming", "restored_median_kg"))
        rows.append([error, str(own["n"]), *cells, named])
    return rows


def group_rows(found: Mapping[str, Any]) -> list[list[str]]:
    return [
        [f"{kind}: {name}", str(own["n"]), cell(own["nis"], 2)]
        + [cell(share, 3) for share in own["coverage"].values()]
        for kind, groups in found["groups"].items()
        for name, own in groups.items()
    ]


def reliability_rows(found: Mapping[str, Any]) -> list[list[str]]:
    return [
        [own["p"], str(own["n"]), cell(own["said"], 4), cell(own["valid"], 4)]
        for own in found["reliability"]
    ]


ALL = "all"
OWN = "weightstream"
GATE = "15 % gate Kalman"
TARGETS = (
    ("recall", "recall", 0.995, 1, "retro, learnt"),
    ("specificity", "specificity", 0.9998, 1, "retro, learnt"),
    ("naming", "naming", 0.93, 1, "retro, learnt"),
    ("restored value off by, kg", "restored_median_kg", 0, 0.1, "retro, learnt"),
    ("RMSE against the 15 % gate's", "rmse_ratio", 0, 0.60, "retro, learnt"),
    ("the same where nothing is wrong", "clean_rmse_ratio", 0, 0.60, "retro, learnt"),
    ("95 % coverage, worst and best source", "coverage_by_source", 0.94, 0.96, "retro, learnt"),
    ("95 % coverage, worst and best gap", "coverage_by_gap", 0.94, 0.96, "retro, learnt"),
    ("real steps rejected, settled", "step_settled", 0, 0.002, "retro, learnt"),
    ("recall", "recall", 0.97, 1, "causal, learnt"),
    ("specificity", "specificity", 0.995, 1, "causal, learnt"),
    ("RMSE against the 15 % gate's", "rmse_ratio", 0, 0.85, "causal, learnt"),
    ("the same where nothing is wrong", "clean_rmse_ratio", 0, 0.85, "causal, learnt"),
    ("real steps rejected, settled", "step_settled", 0, 0.01, "causal, learnt"),
    ("recall", "recall", 0.95, 1, "prior-1"),
    ("specificity", "specificity", 0.99, 1, "prior-1"),
)
"""Label, figure, lowest and highest value wanted, and of which of our methods."""
SPREAD = tuple(row for row in MAIN if row[0] in ("recall", "specificity", "naming", "RMSE kg"))
AGREEMENT_HEAD = ("method", "rejected", "kappa with ours", "only it rejects", "only ours rejects")

TYPE_HEAD = ("error", "n", "rejected", "naming", "restored kg", "named as")
GROUP_HEAD = ("right readings of", "n", "NIS", "50 %", "90 %", "95 %", "99 %")
RELIABILITY_HEAD = ("p_valid", "n", "said", "were valid")
MAIN_HEAD = ("method", *(head for head, _, _ in MAIN))


def print_tables(result: Result) -> None:
    """Every scenario and all together; details of our own methods."""
    for scenario, methods in {**result, ALL: pooled(result)}.items():
        print(f"\n{scenario}")
        print(aligned(MAIN_HEAD, main_rows(methods)))
    for name, tally in pooled(result).items():
        if name.startswith(OWN):
            found = figures(tally)
            print(f"\n{name}")
            print(aligned(TYPE_HEAD, type_rows(found)), "\n")
            print(aligned(GROUP_HEAD, group_rows(found)), "\n")
            print(aligned(RELIABILITY_HEAD, reliability_rows(found)))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(str(row[k])) for row in [head, *rows]) for k in range(len(head))]
    lines = []
    for row in [head, *rows]:
        first, rest = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
        lines.append("  ".join([first, *(text.rjust(width) for text, width in rest)]).rstrip())
    return "\n".join(lines)


def write_report(
    scores: Scores, about: Mapping[str, Any], agreement: Mapping[str, Any], folder: Path
) -> None:
    """accuracy.json, accuracy.md and accuracy.html."""
    folder.mkdir(parents=True, exist_ok=True)
    total = pooled(scores.by_scenario)
    found = figured({**scores.by_scenario, ALL: total})
    seeds = figured(scores.by_seed)
    document = {"about": about, "figures": found, "seeds": seeds, "agreement": agreement}
    (folder / "accuracy.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "accuracy.md").write_text(markdown(scores, found, about, agreement), encoding="utf-8")
    (folder / "accuracy.html").write_text(plots(found, about), encoding="utf-8")


def markdown(
    scores: Scores, found: Found, about: Mapping[str, Any], agreement: Mapping[str, Any]
) -> str:
    total = pooled(scores.by_scenario)
    own = [name for name in total if name.startswith(OWN)]
    parts = [
        "# Accuracy on simulated streams",
        "Written by `python -m benchmarks.accuracy`; definitions in `docs/accuracy.md`. "
        + " ".join(f"{key}: {value}." for key, value in about.items()),
        "## All scenarios together",
        table(MAIN_HEAD, main_rows(total)),
        "naming*: an unnamed outlier and another person taken for one. naming+: over the errors "
        "that have a cause to name, so without `outlier`. FR: false rejection.",
        "## Targets",
        table(("figure", "target", *own), target_rows(found, own)),
        "## From seed to seed, lowest and highest",
        table(("method", *(head for head, _, _ in SPREAD)), spread_rows(figured(scores.by_seed))),
        "## Where a rival is ahead",
        "\n".join(f"- {line}" for line in behind(found, own)) or "Nowhere, by F1 and RMSE.",
    ]
    for name in own:
        parts += [
            f"## {name}, by error, source, gap and probability",
            table(TYPE_HEAD, type_rows(found[ALL][name])),
            table(GROUP_HEAD, group_rows(found[ALL][name])),
            table(RELIABILITY_HEAD, reliability_rows(found[ALL][name])),
        ]
    for scenario, methods in scores.by_scenario.items():
        parts += [
            f"## {scenario}: {SCENARIOS[scenario].about}",
            table(MAIN_HEAD, main_rows(methods)),
        ]
    if agreement:
        parts += [
            "## Agreement on growthcleanr's synthetic adults (nobody knows the truth)",
            f"{agreement['readings']} readings of {agreement['persons']} persons.",
            table(AGREEMENT_HEAD, agreement_rows(agreement)),
        ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figured(result: Result) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        key: {name: figures(tally) for name, tally in methods.items()}
        for key, methods in result.items()
    }


def spread_rows(seeds: Found) -> list[list[str]]:
    rows = []
    for name in next(iter(seeds.values())):
        cells = []
        for _, key, digits in SPREAD:
            values = [value for m in seeds.values() if (value := m[name][key]) is not None]
            ends = (min(values), max(values)) if values else ()
            cells.append(" - ".join(cell(value, digits) for value in ends))
        rows.append([name, *cells])
    return rows


def target_rows(found: Found, own: Sequence[str]) -> list[list[str]]:
    """The figures of the requirements, and which of our methods reach them."""
    rows = []
    for label, key, low, high, stage in TARGETS:
        cells = []
        for name in own:
            values = _target_values(found, name, key)
            reached = bool(values) and all(low <= value <= high for value in values)
            said = " - ".join(f"{value:.4g}" for value in values)
            cells.append(f"{said} {'yes' if reached else '**no**'}" if stage in name else said)
        rows.append([f"{label} ({stage})", _bounds(low, high), *cells])
    return rows


def _target_values(found: Found, name: str, key: str) -> list[float]:
    """One figure, the lowest and highest of several, or none."""
    if key in ("rmse_ratio", "clean_rmse_ratio"):
        methods = found.get("clean", {}) if key == "clean_rmse_ratio" else found[ALL]
        both = [methods[n]["rmse_kg"] for n in (name, GATE) if n in methods]
        return [both[0] / both[1]] if len(both) == 2 and all(both) else []
    figures_of_all = found[ALL][name]
    if key in ("coverage_by_source", "coverage_by_gap"):
        groups = figures_of_all["groups"][key.removeprefix("coverage_by_")].values()
        covered = [own["coverage"][0.95] for own in groups]
        return [min(covered), max(covered)] if covered else []
    value = flat(figures_of_all)[key]
    return [] if value is None else [value]


def _bounds(low: float, high: float) -> str:
    if low == 0:
        return f"<= {high:g}"
    return f">= {low:g}" if high == 1 else f"{low:g} - {high:g}"


def behind(found: Found, own: Sequence[str]) -> list[str]:
    """Scenarios in which a rival's F1 or RMSE is better than that of the last of our methods."""
    lines = []
    for scenario, methods in found.items():
        rivals = [name for name in methods if name not in own]
        for key, head, sign in (("f1", "F1", 1), ("rmse_kg", "RMSE", -1)):
            ours = methods[own[-1]][key] if own else None
            for name in rivals:
                value = methods[name][key]
                if value is not None and ours is not None and sign * value > sign * ours:
                    lines.append(f"{scenario}: {head} of {name} {value:.3f}, ours {ours:.3f}")
    return lines


def agreement_rows(agreement: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            name,
            cell(own["rejected"], 4),
            cell(own["kappa"], 3),
            str(own["only_it"]),
            str(own["only_ours"]),
        ]
        for name, own in agreement["methods"].items()
    ]
