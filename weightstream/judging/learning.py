"""Learn the parameters of sources and bodies from readings, and keep them only if they are better.

Four persons in five teach: the filter's evidence is maximised over biases, noises and the way
weight moves (`evidence`), and errors are counted by source and reason. The fifth tests: a set that
predicts them worse, or moves their levels as a whole, is refused. Priors are those of prior-1, so
what few data say is shrunk towards it. Deterministic. Formulas: docs/judging.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.model import PRIOR, Parameters
from weightstream.errors import BatchError
from weightstream.judging.evidence import (
    REFERENCE,
    Fit,
    Search,
    joined,
    log_densities,
    rows_of,
)
from weightstream.schema import HUMAN_REASONS, REASONS
from weightstream.types import Bools, Floats

SAMPLE_READINGS = 20_000
"""More say little more about a dozen parameters; persons are taken evenly over all of them."""
TESTED = 5
"""Every fifth person tests; of fewer persons, the last fifth of each one's readings."""
RATE_READINGS = 300.0
"""An error rate counts as known from so many readings."""
MIX_ERRORS = {"prior": 15.0, "others": 10.0}
"""A source's mix of errors counts as known from so many errors of it, and from others' so many."""
COUNTED = tuple(reason for reason in REASONS if reason not in ("ok", "repeat", *HUMAN_REASONS))
LEVEL_MOVED_KG = 0.1
"""What a scale shows: levels may not move by that on average where nothing but the set changed."""
WORSE = 0.01
"""Share by which predictions may be further off, beside what chance explains."""
MOST_OFF_KG = 5.0
"""An error of more counts as this much: a few readings shall not decide."""
CHANCE = 2.0
"""Standard errors."""


@dataclass(frozen=True)
class HeldOut:
    """What a set does to readings that did not teach it, against the set before.

    log_density: gain a reading. error_kg: mean error of predictions from all others, before and
    after; error_chance: standard error of the difference. level_kg: mean shift of the level of
    persons whom only the reference weighs (of all, without a reference).
    """

    readings: int
    log_density: float
    error_kg: tuple[float, float]
    error_chance: float
    level_kg: float

    def refusal(self) -> str | None:
        """Why the set is refused, as the end of a sentence; None if it is not."""
        before, after = self.error_kg
        if self.readings == 0:
            return "there are too few readings to test it"
        if not self.log_density > 0:
            return f"it predicts other readings worse (log density {self.log_density:+.4f} each)"
        if not after - before <= WORSE * before + CHANCE * self.error_chance:
            return f"its predictions are off by {after:.2f} kg, the old set's by {before:.2f}"
        if not abs(self.level_kg) < LEVEL_MOVED_KG:
            return f"it moves levels by {self.level_kg:+.2f} kg on average"
        return None


@dataclass(frozen=True)
class Learned:
    """parameters: the set to use: the new one, or the old one where the new one was refused.

    refused: why, as a sentence, or None. fit, test: how the search ended and what the test found.
    readings: how many of each source were seen.
    """

    parameters: Parameters
    readings: Mapping[str, int]
    refused: str | None
    fit: Fit
    test: HeldOut
    sd: Mapping[str, float] = field(default_factory=dict)


def learn(
    batches: Sequence[UserBatch], name: str, kalman: Kalman | None = None, start: Parameters = PRIOR
) -> Learned:
    """Learn a set of parameters from the readings of the batches, each person in one of them.

    name: of the new set. kalman: rules of accepting. start: the set in use, from which the search
    begins and with which the new one is compared; priors are those of prior-1 whatever it is, so
    that learning twice does not count them twice. Needs no store.
    Raises BatchError where there is no reading.
    """
    kalman = kalman or Kalman()
    readings = _readings(batches)
    whole = _sample(joined(batches)) if batches else None
    if whole is None or len(whole.day) == 0:
        raise BatchError("there is no reading to learn from")
    tests = _testing(whole)
    taught = rows_of(whole, ~tests)
    known = {source: start.sources.get(source, start.unknown) for source in whole.sources}
    base = replace(start, name=name, sources={**start.sources, **known})
    fit = Search(taught, _with_rates(taught, base, kalman), kalman, readings).run()
    made = _with_rates(taught, fit.parameters, kalman)
    test = _tested(whole, tests, start, made, kalman)
    why = test.refusal()
    refused = None if why is None else f"{name} is refused: {why}; {start.name} stays"
    return Learned(made if why is None else start, readings, refused, fit, test, fit.sd)


def _readings(batches: Sequence[UserBatch]) -> dict[str, int]:
    """How many readings each source has, in the order of the sources' names."""
    readings = dict.fromkeys(sorted({s for batch in batches for s in batch.sources}), 0)
    for batch in batches:
        counts = np.bincount(batch.source, minlength=len(batch.sources)).tolist()
        for source, count in zip(batch.sources, counts, strict=True):
            readings[source] += count
    return readings


def _sample(batch: UserBatch) -> UserBatch:
    """Every n-th person, so that about SAMPLE_READINGS remain."""
    stride = max(1, round(len(batch.day) / SAMPLE_READINGS))
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    return rows_of(batch, user % stride == 0) if stride > 1 else batch


def _testing(batch: UserBatch) -> Bools:
    """Readings that do not teach."""
    counts = np.diff(batch.indptr)
    user = np.repeat(np.arange(len(counts)), counts)
    seen = np.cumsum(counts > 0)  # persons are counted where they have readings
    tests: Bools = seen[user] % TESTED == 0
    if seen[-1] < TESTED:
        at = np.arange(len(user)) - batch.indptr[user]
        tests = at >= np.ceil(counts[user] * (1 - 1 / TESTED))
    return tests


def _tested(
    batch: UserBatch, tests: Bools, old: Parameters, new: Parameters, kalman: Kalman
) -> HeldOut:
    """Compare two sets on readings that taught neither, each in its whole series."""
    density = [log_densities(batch, made, kalman)[tests] for made in (old, new)]
    said = [
        smooth_batch(batch, build_model(kalman, {}, batch.sources, made)) for made in (old, new)
    ]
    both = tests & said[0].accepted & said[1].accepted
    off = np.array([np.abs(batch.weight_kg - result.expected)[both] for result in said])
    off = np.minimum(off[:, np.isfinite(off).all(axis=0)], MOST_OFF_KG)
    moved = (said[1].level - said[0].level)[both & _gauged(batch)]
    return HeldOut(
        readings=int(tests.sum()),
        log_density=_mean(density[1] - density[0]),
        error_kg=(_mean(off[0]), _mean(off[1])),
        error_chance=_mean((off[1] - off[0]) ** 2) ** 0.5 / max(off.shape[1], 1) ** 0.5,
        level_kg=_mean(moved[np.isfinite(moved)]),
    )


def _gauged(batch: UserBatch) -> Bools:
    """Readings of persons whose level the gauge fixes: by the reference alone, or all together."""
    if REFERENCE not in batch.sources:
        return np.ones(len(batch.day), bool)
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    other = batch.source != batch.sources.index(REFERENCE)
    found: Bools = ~np.isin(user, user[other])
    return found


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _with_rates(batch: UserBatch, parameters: Parameters, kalman: Kalman) -> Parameters:
    """Error rates and mixes: counts, with the prior's as if from RATE_READINGS readings.

    The mix of a source with few errors is also drawn to that of all sources together.
    """
    wrong = np.zeros((len(batch.sources), len(REASONS)))
    result = smooth_batch(batch, build_model(kalman, {}, batch.sources, parameters), wrong)
    copy = result.reason == REASONS.index("repeat")
    seen = np.bincount(batch.source, minlength=len(batch.sources))
    weights = np.where(copy, 0.0, 1 - result.p_valid)
    doubt = np.bincount(batch.source, weights, len(batch.sources))
    together = wrong.sum(axis=0) / max(wrong.sum(), 1.0)
    sources = dict(parameters.sources)
    for index, name in enumerate(batch.sources):
        prior = PRIOR.sources.get(name, PRIOR.unknown)
        rate = (doubt[index] + RATE_READINGS * prior.error_rate) / (seen[index] + RATE_READINGS)
        mix = _mix(wrong[index], together, prior.errors)
        own = parameters.sources[name]
        sources[name] = replace(own, error_rate=float(np.clip(rate, 1e-4, 0.5)), errors=mix)
    return replace(parameters, sources=sources)


def _mix(wrong: Floats, together: Floats, prior: Mapping[str, float]) -> dict[str, float]:
    """Shares of the reasons among the errors of one source."""
    usual = sum(prior.values())
    counts = {
        reason: float(wrong[REASONS.index(reason)])
        + MIX_ERRORS["prior"] * prior.get(reason, 0.0) / usual
        + MIX_ERRORS["others"] * float(together[REASONS.index(reason)])
        for reason in COUNTED
    }
    total = sum(counts.values())
    return {reason: round(count / total, 6) for reason, count in counts.items()}
