"""Learn the parameters of sources and bodies from readings, and keep them only if they are better.

From four persons in five it learns: the filter's evidence is maximised over biases, noises and the
way weight moves (`evidence`), and errors are counted by source and reason. The fifth person is held
out: a set that predicts these persons worse, or shifts their levels on average, is refused. Priors
are those of prior-1, so estimates from few data are shrunk towards it. The search begins from
prior-1, so the result depends on the readings alone, and not on sets learnt before.
Formulas: docs/judging.md.
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
"""The number of readings to learn from; more add little for a dozen parameters. Persons are taken
evenly over all of them."""
TESTED = 5
"""Every fifth person is held out; with fewer persons, the last fifth of each one's readings."""
RATE_READINGS = 300.0
"""The weight of an error rate's prior, in readings."""
MIX_ERRORS = {"prior": 15.0, "others": 10.0}
"""The weights of the prior's mix and of all sources' mix, in errors."""
COUNTED = tuple(reason for reason in REASONS if reason not in ("ok", "repeat", *HUMAN_REASONS))
LEVEL_MOVED_KG = 0.1
"""The resolution of a scale: a new set must not shift levels by this on average."""
WORSE = 0.01
"""The largest relative rise of the prediction error, beyond chance."""
MOST_OFF_KG = 5.0
"""Larger errors are capped at this value, so that a few readings do not decide."""
CHANCE = 2.0
"""Standard errors."""


@dataclass(frozen=True)
class HeldOut:
    """A new set compared with prior-1 on held-out readings.

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
        """Return why the set is refused, as the end of a sentence; None if it is accepted."""
        before, after = self.error_kg
        if self.readings == 0:
            return "there are too few readings to test it"
        if not self.log_density > 0:
            return f"it predicts other readings worse (log density {self.log_density:+.4f} each)"
        if not after - before <= WORSE * before + CHANCE * self.error_chance:
            return f"its predictions are off by {after:.2f} kg, those of prior-1 by {before:.2f}"
        if not abs(self.level_kg) < LEVEL_MOVED_KG:
            return f"it moves levels by {self.level_kg:+.2f} kg on average"
        return None


@dataclass(frozen=True)
class Learned:
    """parameters: the set to use, which is the new one, or prior-1 if the new one was refused.

    refused: a sentence that says why, or None. fit, test: the results of search and test.
    readings: the number of readings of each source.
    """

    parameters: Parameters
    readings: Mapping[str, int]
    refused: str | None
    fit: Fit
    test: HeldOut
    sd: Mapping[str, float] = field(default_factory=dict)


def learn(batches: Sequence[UserBatch], name: str, kalman: Kalman | None = None) -> Learned:
    """Learn a set of parameters from the readings of the batches, each person in one of them.

    name: of the new set. kalman: rules of accepting. It needs no store.
    Raises BatchError if there is no reading.
    """
    kalman = kalman or Kalman()
    readings = _readings(batches)
    whole = _sample(joined(batches)) if batches else None
    if whole is None or len(whole.day) == 0:
        raise BatchError("there is no reading to learn from")
    tests = _testing(whole)
    taught = rows_of(whole, ~tests)
    known = {source: PRIOR.sources.get(source, PRIOR.unknown) for source in whole.sources}
    base = replace(PRIOR, name=name, sources={**PRIOR.sources, **known})
    fit = Search(taught, _with_rates(taught, base, kalman), kalman, readings).run()
    made = _with_rates(taught, fit.parameters, kalman)
    test = _tested(whole, tests, made, kalman)
    why = test.refusal()
    refused = None if why is None else f"{name} is refused: {why}"
    return Learned(PRIOR if why else made, readings, refused, fit, test, fit.sd)


def _readings(batches: Sequence[UserBatch]) -> dict[str, int]:
    """Return the number of readings of each source, in the order of the sources' names."""
    readings = dict.fromkeys(sorted({s for batch in batches for s in batch.sources}), 0)
    for batch in batches:
        counts = np.bincount(batch.source, minlength=len(batch.sources)).tolist()
        for source, count in zip(batch.sources, counts, strict=True):
            readings[source] += count
    return readings


def _sample(batch: UserBatch) -> UserBatch:
    """Return every n-th person, so that about SAMPLE_READINGS remain."""
    stride = max(1, round(len(batch.day) / SAMPLE_READINGS))
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    return rows_of(batch, user % stride == 0) if stride > 1 else batch


def _testing(batch: UserBatch) -> Bools:
    """Return (N,) which readings are held out."""
    counts = np.diff(batch.indptr)
    user = np.repeat(np.arange(len(counts)), counts)
    seen = np.cumsum(counts > 0)  # persons are counted where they have readings
    tests: Bools = seen[user] % TESTED == 0
    if seen[-1] < TESTED:
        at = np.arange(len(user)) - batch.indptr[user]
        tests = at >= np.ceil(counts[user] * (1 - 1 / TESTED))
    return tests


def _tested(batch: UserBatch, tests: Bools, new: Parameters, kalman: Kalman) -> HeldOut:
    """Compare a set with prior-1 on held-out readings, each in its whole series."""
    density = [log_densities(batch, made, kalman)[tests] for made in (PRIOR, new)]
    said = [
        smooth_batch(batch, build_model(kalman, {}, batch.sources, made)) for made in (PRIOR, new)
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
    """Return the readings of persons whom only the reference weighs; all without a reference."""
    if REFERENCE not in batch.sources:
        return np.ones(len(batch.day), bool)
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    other = batch.source != batch.sources.index(REFERENCE)
    found: Bools = ~np.isin(user, user[other])
    return found


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _with_rates(batch: UserBatch, parameters: Parameters, kalman: Kalman) -> Parameters:
    """Estimate error rates and mixes from counts, with a prior worth RATE_READINGS readings.

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
