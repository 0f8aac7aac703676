"""Does each part of the model of weight pay? Evidence of readings that were not learnt from.

python -m benchmarks.terms                       dev seeds
python -m benchmarks.terms --seeds test --persons 60

Half of the persons teach the parameters, again for each model; the others are predicted, each
reading from the ones before it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.accuracy import DEV_SEEDS, TEST_SEEDS
from benchmarks.agreement import syngrowth
from benchmarks.injected import spoilt_stream
from benchmarks.report import table
from benchmarks.streams import labelled_stream
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine.model import PRIOR, Parameters
from weightstream.judging.evidence import Search, joined, log_densities, rows_of

WITHOUT: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "no water": ("water_kg",),
    "no hour": ("evening_kg", "evening_sd_kg"),
    "no week": ("week_cos", "week_sin"),
    "none of them": ("water_kg", "evening_kg", "evening_sd_kg", "week_cos", "week_sin"),
}
"""What is left out of the model: keys of Process that are held at almost 0."""
LEAST = 1e-6
SCENARIOS = ("home_daily", "mixed_sources", "clinic_sparse", "surgery")


def halves(batch: UserBatch) -> tuple[UserBatch, UserBatch]:
    """The readings of every other person, and of the rest."""
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    return rows_of(batch, user % 2 == 0), rows_of(batch, user % 2 == 1)


def learnt(batch: UserBatch, without: Sequence[str]) -> Parameters:
    """Parameters of a model without some terms, learnt from one batch."""
    missing = dict.fromkeys(without, LEAST)
    known = {name: PRIOR.sources.get(name, PRIOR.unknown) for name in batch.sources}
    base = replace(
        PRIOR, process=replace(PRIOR.process, **missing), sources={**PRIOR.sources, **known}
    )
    counts = np.bincount(batch.source, minlength=len(batch.sources)).tolist()
    readings = dict(zip(batch.sources, counts, strict=True))
    return Search(batch, base, Kalman(), readings, held=without).run().parameters


def gains(batch: UserBatch) -> dict[str, float]:
    """Log density a held-out reading gains by each model against the whole one, in 1/1000."""
    taught, test = halves(joined([batch]))
    density = {
        name: log_densities(test, learnt(taught, without), Kalman()).mean()
        for name, without in WITHOUT.items()
    }
    return {name: float(1000 * (own - density["all"])) for name, own in density.items()}


def streams(seeds: Sequence[int], persons: int) -> dict[str, list[UserBatch]]:
    """Our own streams, those that move as real ones do, and growthcleanr's adults."""
    found = {
        scenario: [labelled_stream(scenario, seed, persons).batch for seed in seeds]
        for scenario in SCENARIOS
    }
    for place, size in (("clinic", 4 * persons), ("home", persons)):
        made = [spoilt_stream(place, seed, size, 0.02).stream.batch for seed in seeds]
        found[f"as real ones: {place}"] = made
    batch = syngrowth()
    return found if batch is None else {**found, "growthcleanr's adults": [batch]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.terms", description=__doc__)
    parser.add_argument("--seeds", choices=("dev", "test"), default="dev")
    parser.add_argument("--persons", type=int, default=30, help="of each scenario and seed")
    options = parser.parse_args()
    seeds = DEV_SEEDS if options.seeds == "dev" else TEST_SEEDS
    rows = []
    for name, batches in streams(seeds, options.persons).items():
        lost = [gains(batch) for batch in batches]
        readings = sum(len(batch.day) for batch in batches)
        mean = (f"{np.mean([own[term] for own in lost]):+.1f}" for term in list(WITHOUT)[1:])
        rows.append([name, str(readings), *mean])
        print(f"{name}: {' '.join(rows[-1][2:])}", flush=True)
    print(table(("held-out readings of", "n", *list(WITHOUT)[1:]), rows))


if __name__ == "__main__":
    main()
