"""How well weightstream and others judge labelled streams.

python -m benchmarks.accuracy                          quick: two development seeds
python -m benchmarks.accuracy --seeds test --persons 400 --out docs/accuracy
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.agreement import agreement
from benchmarks.report import print_tables, write_report
from benchmarks.rivals import RIVALS, Judgement
from benchmarks.scoring import HALF_WIDTHS, Tally, tally
from benchmarks.streams import Stream, labelled_stream
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import Filtered, build_model, filter_batch
from weightstream.scenarios import SCENARIOS

DEV_SEEDS = (1, 2)
TEST_SEEDS = (101, 102, 103, 104, 105)
"""Nothing was ever chosen by looking at these."""

Method = Callable[[UserBatch], Judgement]


def ours(result: Filtered) -> Judgement:
    """Our engine's answer in the shape that is scored."""
    return Judgement(
        accepted=result.accepted,
        level=result.level,
        expected=result.expected,
        sd=(result.expected_hi - result.expected_lo) / (2 * HALF_WIDTHS[0.95]),
        p_valid=result.p_valid,
        reason=result.reason.astype(np.int64),
        suggested=result.suggested,
    )


def causal(batch: UserBatch) -> Judgement:
    return ours(filter_batch(batch, build_model(Kalman(), {}, batch.sources)))


OURS: dict[str, Method] = {"weightstream causal, prior-1": causal}
METHODS: dict[str, Method] = {**RIVALS, **OURS}


def score(
    scenarios: Sequence[str], seeds: Sequence[int], persons: int, methods: Sequence[str]
) -> dict[str, dict[str, Tally]]:
    """Tallies by scenario and method, over all seeds."""
    warm = labelled_stream("mixed", 0, 5)
    for name in methods:
        METHODS[name](warm.batch)  # compiled before the clock runs
    result: dict[str, dict[str, Tally]] = {}
    for scenario in scenarios:
        result[scenario] = {name: Tally() for name in methods}
        for seed in seeds:
            stream = labelled_stream(scenario, seed, persons)
            for name in methods:
                result[scenario][name].add(judge(stream, METHODS[name]))
        print(f"{scenario}: {result[scenario][methods[0]].rows} readings", file=sys.stderr)
    return result


def judge(stream: Stream, method: Method) -> Tally:
    begin = time.perf_counter()
    verdict = method(stream.batch)
    return tally(stream, verdict, time.perf_counter() - begin)


def main() -> None:
    options = _options()
    seeds = {"dev": DEV_SEEDS, "test": TEST_SEEDS}.get(options.seeds[0])
    seeds = seeds or tuple(int(seed) for seed in options.seeds)
    begin = time.perf_counter()
    result = score(options.scenarios, seeds, options.persons, options.methods)
    print_tables(result)
    if options.out:
        about = {"seeds": list(seeds), "persons": options.persons}
        chosen = {name: METHODS[name] for name in options.methods}
        own = [name for name in options.methods if name in OURS]
        agreed = agreement(chosen, own[-1]) if own else {}
        write_report(result, about, agreed, options.out)
    print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy", description=__doc__)
    add = parser.add_argument
    add("--seeds", nargs="+", default=["dev"], help="dev, test, or numbers")
    add("--persons", type=int, default=100, help="of each scenario and seed")
    add("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    add("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD")
    add("--out", type=Path, help="folder for accuracy.md, accuracy.json and accuracy.html")
    return parser.parse_args()


if __name__ == "__main__":
    main()
