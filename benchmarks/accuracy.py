"""How well weightstream and others judge labelled streams.

python -m benchmarks.accuracy                          quick: two development seeds, about a minute
python -m benchmarks.accuracy --seeds test --persons 100 --out accuracy
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agreement import agreement, syngrowth
from benchmarks.exported import exported
from benchmarks.growthcleanr import NAME as GROWTHCLEANR
from benchmarks.growthcleanr import growthcleanr, missing
from benchmarks.report import Scores, print_tables, write_report
from benchmarks.rivals import RIVALS, Judgement
from benchmarks.scoring import HALF_WIDTHS, Tally, tally
from benchmarks.streams import Stream, labelled_stream
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import Filtered, Model, build_model, filter_batch, smooth_batch
from weightstream.judging.learning import learn
from weightstream.simulator.scenarios import SCENARIOS

DEV_SEEDS = (1, 2)
TEST_SEEDS = (801, 802, 803, 804, 805)
"""Nothing was ever chosen by looking at these; after a change of judgement others are taken."""

Method = Callable[[UserBatch], Judgement]

STAGES = {"causal": filter_batch, "retro": smooth_batch}
PARAMETERS = ("prior-1", "learnt")
OURS = tuple(f"weightstream {stage}, {name}" for name in PARAMETERS for stage in STAGES)
METHODS = (*RIVALS, *OURS)


def prepared(batch: UserBatch, names: Sequence[str]) -> dict[str, Method]:
    """The named methods; ours learn their parameters from this batch, without its labels."""
    methods: dict[str, Method] = dict(RIVALS) | {GROWTHCLEANR: growthcleanr}
    models = {"prior-1": build_model(Kalman(), {}, batch.sources)}
    if any(name.endswith("learnt") for name in names):
        learnt = learn([batch], "learnt").parameters  # the prior, where it was refused
        models["learnt"] = build_model(Kalman(), {}, batch.sources, learnt)
    for parameters, model in models.items():
        for stage, run in STAGES.items():
            methods[f"weightstream {stage}, {parameters}"] = partial(ours, run, model)
    return {name: methods[name] for name in names}


def ours(run: Callable[..., Filtered], model: Model, batch: UserBatch) -> Judgement:
    """Our engine's answer in the shape that is scored."""
    result = run(batch, model)
    return Judgement(
        accepted=result.accepted,
        level=result.level,
        expected=result.expected,
        sd=(result.expected_hi - result.expected_lo) / (2 * HALF_WIDTHS[0.95]),
        p_valid=result.p_valid,
        reason=result.reason.astype(np.int64),
        suggested=result.suggested,
    )


def score(
    scenarios: Sequence[str], seeds: Sequence[int], persons: int, names: Sequence[str]
) -> Scores:
    """Judge and count; each scenario and seed is other persons."""
    warm = labelled_stream("mixed", 0, 5).batch
    for method in prepared(warm, names).values():
        method(warm)  # compiled before the clock runs
    by_scenario = {scenario: {name: Tally() for name in names} for scenario in scenarios}
    by_seed = {str(seed): {name: Tally() for name in names} for seed in seeds}
    for scenario in scenarios:
        for seed in seeds:
            stream = labelled_stream(scenario, seed, persons)
            for name, method in prepared(stream.batch, names).items():
                counted = judge(stream, method)
                by_scenario[scenario][name].add(counted)
                by_seed[str(seed)][name].add(counted)
        print(f"{scenario}: {by_scenario[scenario][names[0]].rows} readings", file=sys.stderr)
    return Scores(by_scenario, by_seed)


def judge(stream: Stream, method: Method) -> Tally:
    begin = time.perf_counter()
    verdict = method(stream.batch)
    return tally(stream, verdict, time.perf_counter() - begin)


def main() -> None:
    options = _options()
    if options.export:
        stream, verdict = exported(*options.export)
        print_tables({"exported": {"weightstream export": tally(stream, verdict, 0.0)}})
        return
    seeds = {"dev": DEV_SEEDS, "test": TEST_SEEDS}.get(options.seeds[0])
    seeds = seeds or tuple(int(seed) for seed in options.seeds)
    names = list(options.methods)
    if options.growthcleanr:
        problem = missing()
        if problem:
            sys.exit(problem)
        names.insert(len([name for name in names if name not in OURS]), GROWTHCLEANR)
    begin = time.perf_counter()
    scores = score(options.scenarios, seeds, options.persons, names)
    print_tables(scores.by_scenario)
    if options.out:
        about = {"seeds": list(seeds), "persons": options.persons}
        write_report(scores, about, agreement_on_syngrowth(names), options.out)
    print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)


def agreement_on_syngrowth(names: Sequence[str]) -> dict[str, Any]:
    """Agreement with the last of our own methods; empty without the data."""
    own = [name for name in names if name in OURS]
    batch = syngrowth()
    return agreement(batch, prepared(batch, names), own[-1]) if batch and own else {}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy", description=__doc__)
    add = parser.add_argument
    add("--seeds", nargs="+", default=["dev"], help="dev, test, or numbers")
    add("--persons", type=int, default=30, help="of each scenario and seed")
    add("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    add("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="METHOD")
    add("--growthcleanr", action="store_true", help="run R's growthcleanr beside the others")
    add("--out", type=Path, help="folder for accuracy.md, accuracy.json and accuracy.html")
    add(
        "--export", nargs=2, type=Path, metavar=("EXPORT", "LABELS"), help="score an export instead"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
