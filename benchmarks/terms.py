"""Does each part of the model of weight pay? Likelihood of readings that were not learnt from.

python -m benchmarks.terms                       dev seeds
python -m benchmarks.terms --seeds test --persons 60

Half of the persons teach the parameters, again for each model; the others are predicted, each
reading from the ones before it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from benchmarks.accuracy import DEV_SEEDS, TEST_SEEDS
from benchmarks.agreement import syngrowth
from benchmarks.report import table
from benchmarks.streams import labelled_stream
from weightstream.batch import Floats, UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.kernel import Bools
from weightstream.engine.likelihood import likelihood_kernel
from weightstream.engine.model import (
    EVENING,
    EVENING_VAR,
    LEVEL_NOISE,
    TREND_VAR,
    WATER_DAYS,
    WATER_VAR,
    WEEKDAY_SHARE,
)
from weightstream.judging.learning import REFERENCE

WITHOUT: Mapping[str, tuple[int, ...]] = {
    "all": (),
    "no water": (WATER_VAR,),
    "no hour": (EVENING, EVENING_VAR),
    "no week": (WEEKDAY_SHARE,),
    "none of them": (WATER_VAR, EVENING, EVENING_VAR, WEEKDAY_SHARE),
}
"""What is left out of the model: positions in Model.process that are set to almost 0."""
LEAST = 1e-9
LEARNT = (LEVEL_NOISE, TREND_VAR, WATER_VAR, WATER_DAYS, EVENING)
"""Learnt beside each source's bias and noise, as logarithms."""
SCENARIOS = ("home_daily", "mixed_sources", "clinic_sparse", "surgery")
BELIEF = 1.0  # SD of the penalty, in log units and kg


def halves(batch: UserBatch, right: Bools) -> tuple[UserBatch, UserBatch]:
    """The right readings of every other person, and of the rest."""
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    return some(batch, right & (user % 2 == 0)), some(batch, right & (user % 2 == 1))


def some(batch: UserBatch, keep: Bools) -> UserBatch:
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))[keep]
    ids, count = np.unique(user, return_counts=True)
    return replace(
        batch,
        user_ids=tuple(batch.user_ids[k] for k in ids),
        indptr=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        day=batch.day[keep],
        hour=batch.hour[keep],
        weight_kg=batch.weight_kg[keep],
        source=batch.source[keep],
    )


class Fit:
    """A model without some terms, learnt from one batch."""

    def __init__(self, batch: UserBatch, without: Sequence[int]) -> None:
        self.without = list(without)
        self.model = build_model(Kalman(), {}, batch.sources)
        self.free = [at for at in LEARNT if at not in without]
        self.own = [k for k, name in enumerate(batch.sources) if name != REFERENCE]
        size = len(self.free) + len(batch.sources) + len(self.own)
        self.theta = minimize(
            lambda theta: 0.5 * np.sum((theta / BELIEF) ** 2) - self.likelihood(batch, theta),
            np.zeros(size),
            method="L-BFGS-B",
            bounds=[(-4, 4)] * size,
            options={"maxiter": 40, "ftol": 1e-7, "eps": 1e-4},
        ).x

    def likelihood(self, batch: UserBatch, theta: Floats) -> float:
        """Log density of all readings but each person's first."""
        process, sources = self.model.process.copy(), self.model.table.copy()
        process[self.free] *= np.exp(theta[: len(self.free)])
        process[self.without] = LEAST
        rest = theta[len(self.free) :]
        sources[:, 1] *= np.exp(rest[: len(sources)])
        sources[self.own, 0] += rest[len(sources) :]
        out = np.empty(len(batch.user_ids))
        jump = np.zeros(len(batch.day), bool)
        likelihood_kernel(
            batch.indptr, batch.day, batch.hour, batch.weight_kg, batch.source, jump,
            process, sources, out,
        )  # fmt: skip
        return float(out.sum())


def gains(batch: UserBatch, right: Bools) -> dict[str, float]:
    """Log density a held-out reading loses by each model against the whole one, in 1/1000."""
    taught, held = halves(batch, right)
    found = {name: Fit(taught, without) for name, without in WITHOUT.items()}
    density = {name: fit.likelihood(held, fit.theta) for name, fit in found.items()}
    count = len(held.day) - len(held.user_ids)
    return {name: 1000 * (own - density["all"]) / count for name, own in density.items()}


def streams(seeds: Sequence[int], persons: int) -> dict[str, list[tuple[UserBatch, Bools]]]:
    found = {
        scenario: [
            (stream.batch, stream.right)
            for stream in (labelled_stream(scenario, seed, persons) for seed in seeds)
        ]
        for scenario in SCENARIOS
    }
    batch = syngrowth()
    if batch is not None:  # nobody knows what is right there: what retro accepts
        found["growthcleanr's adults"] = [
            (batch, smooth_batch(batch, build_model(Kalman(), {}, batch.sources)).accepted)
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.terms", description=__doc__)
    parser.add_argument("--seeds", choices=("dev", "test"), default="dev")
    parser.add_argument("--persons", type=int, default=60, help="of each scenario and seed")
    options = parser.parse_args()
    seeds = DEV_SEEDS if options.seeds == "dev" else TEST_SEEDS
    rows = []
    for name, all_seeds in streams(seeds, options.persons).items():
        lost = [gains(batch, right) for batch, right in all_seeds]
        readings = sum(len(batch.day) for batch, _ in all_seeds)
        mean = (f"{np.mean([own[term] for own in lost]):+.1f}" for term in list(WITHOUT)[1:])
        rows.append([name, str(readings), *mean])
    print(table(("held-out readings of", "n", *list(WITHOUT)[1:]), rows))


if __name__ == "__main__":
    main()
