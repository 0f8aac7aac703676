"""Maximising the filter's evidence with priors, to learn parameters.

The evidence of a series is the density of each reading given those before it, summed over
everything that it may be (valid, after a move, an error of some kind); readings are not classified
first. Formulas: docs/judging.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch
from weightstream.engine.model import PRIOR, Parameters, Process
from weightstream.types import Floats

REFERENCE = "patient-device"
"""The source whose bias is fixed at its prior, since only differences are identifiable."""
PROCESS_SD = {
    "level_kg2_per_day": 0.5,
    "trend_kg_per_week": 0.5,
    "trend_days": 0.2,
    "water_kg": 0.4,
    "water_days": 0.4,
    "evening_kg": 0.3,
    "evening_sd_kg": 0.3,
    "week_cos": 0.001,
    "week_sin": 0.001,
    "tail_share": 0.5,
    "tail_kg": 0.3,
    "move_days": 0.5,
    "leap_days": 0.3,
    "restless_days": 0.5,
}
"""Prior SD of each parameter, in log units; in its own units if LINEAR."""
LINEAR = ("bias_kg", "week_cos", "week_sin")
"""Parameters that may be negative; all others are learnt as logarithms."""
BIAS_SD_KG = {"known": 0.6, "unknown": 1.0}
NOISE_SD = 0.5
HOURS_NEEDED = 0.5
"""The evening is learnt if at least this share of readings has an hour: from dates alone it is
confounded with the level."""
STEP = 0.05
"""Step of a difference quotient, in SDs of the prior: far above the effect of rounding and pruning.
"""
FURTHEST = 5.0
"""SDs of the prior; a share stays below one half."""
MOST_STEPS = 20
DAMPING = (0.0, 1.0, 10.0, 100.0, 1000.0)
ENOUGH = 1.0
"""The search has converged if one more step gains less: twice the rise of the log evidence, which
is the squared distance from the optimum in standard errors, in the worst direction."""


@dataclass(frozen=True)
class Coordinate:
    """One coordinate of the search vector."""

    source: str | None
    key: str
    prior: float
    sd: float

    @property
    def name(self) -> str:
        return f"{self.source or 'process'}.{self.key}"

    @property
    def linear(self) -> bool:
        return self.key in LINEAR


@dataclass(frozen=True)
class Space:
    """The coordinates that are learnt from a batch, with priors and gauge.

    counts: readings by source. The gauge fixes the level exactly: the bias of the reference source
    is not a coordinate; without a reference, the mean deviation of all readings' biases is 0.
    """

    coordinates: tuple[Coordinate, ...]
    counts: tuple[tuple[str, int], ...]

    @property
    def prior(self) -> Floats:
        return np.array([c.prior for c in self.coordinates])

    @property
    def sd(self) -> Floats:
        return np.array([c.sd for c in self.coordinates])

    def vector(self, parameters: Parameters) -> Floats:
        values = [
            getattr(parameters.sources[c.source] if c.source else parameters.process, c.key)
            for c in self.coordinates
        ]
        pairs = zip(self.coordinates, values, strict=True)
        return np.array([value if c.linear else np.log(value) for c, value in pairs])

    def parameters(self, vector: Floats, base: Parameters) -> Parameters:
        """Return the parameters of a vector; the others are those of `base`."""
        process: dict[str, Any] = asdict(base.process)
        own: dict[str, dict[str, Any]] = {}
        for coordinate, number in zip(self.coordinates, vector.tolist(), strict=True):
            value = number if coordinate.linear else float(np.exp(number))
            if coordinate.source is None:
                process[coordinate.key] = value
            else:
                own.setdefault(coordinate.source, {})[coordinate.key] = value
        shift = self._mean_deviation(own)
        for values in own.values():
            if "bias_kg" in values:
                values["bias_kg"] -= shift
        sources = dict(base.sources)
        sources |= {name: replace(base.sources[name], **values) for name, values in own.items()}
        return replace(base, process=Process(**process), sources=sources)

    def _mean_deviation(self, own: dict[str, dict[str, Any]]) -> float:
        """Return the mean deviation of biases from priors over all readings; 0 with a reference."""
        if REFERENCE in dict(self.counts):
            return 0.0
        total = sum(count for _, count in self.counts)
        prior = {c.source: c.prior for c in self.coordinates if c.key == "bias_kg"}
        off = [count * (own[name]["bias_kg"] - prior[name]) for name, count in self.counts]
        return float(sum(off)) / total if total else 0.0


def space_of(batch: UserBatch, readings: Mapping[str, int], held: Sequence[str] = ()) -> Space:
    """Return the space of what can be learnt from a batch.

    readings: the number of all readings by source. held: keys of Process that are not learnt.
    """
    hours = float(np.isfinite(batch.hour).mean()) if len(batch.hour) else 0.0
    found = []
    for key, value in asdict(PRIOR.process).items():
        if key in held or (key.startswith("evening") and hours < HOURS_NEEDED):
            continue
        prior = value if key in LINEAR else np.log(value)
        found.append(Coordinate(None, key, float(prior), PROCESS_SD[key]))
    for name in batch.sources:
        source = PRIOR.sources.get(name, PRIOR.unknown)
        known = "known" if name in PRIOR.sources else "unknown"
        if name != REFERENCE:
            found.append(Coordinate(name, "bias_kg", source.bias_kg, BIAS_SD_KG[known]))
        found.append(Coordinate(name, "noise_kg", float(np.log(source.noise_kg)), NOISE_SD))
    return Space(tuple(found), tuple(readings.items()))


def log_densities(batch: UserBatch, parameters: Parameters, kalman: Kalman) -> Floats:
    """Return (N,) the log density of each reading given its person's earlier ones."""
    return filter_batch(batch, build_model(kalman, {}, batch.sources, parameters)).log_density


@dataclass(frozen=True)
class Fit:
    """parameters: the likeliest. sd: their standard errors by coordinate. gain: what a further step
    would have promised; converged: whether that is less than ENOUGH."""

    parameters: Parameters
    sd: dict[str, float]
    steps: int
    gain: float
    converged: bool


class Search:
    """Maximise the penalised evidence of one batch.

    base: where the search begins. readings, held: as `space_of` takes them.
    """

    def __init__(
        self,
        batch: UserBatch,
        base: Parameters,
        kalman: Kalman,
        readings: Mapping[str, int],
        held: Sequence[str] = (),
    ) -> None:
        self.batch, self.base, self.kalman = batch, base, kalman
        self.space = space_of(batch, readings, held)

    def rows(self, vector: Floats) -> Floats:
        return log_densities(self.batch, self.space.parameters(vector, self.base), self.kalman)

    def cost(self, vector: Floats) -> float:
        off = (vector - self.space.prior) / self.space.sd
        return float(0.5 * np.sum(off**2) - self.rows(vector).sum())

    def scores(self, vector: Floats) -> Floats:
        """Return (P, N) the derivative of each reading's log density by each coordinate."""
        found = np.empty((len(vector), len(self.batch.day)))
        for at, step in enumerate(STEP * self.space.sd):
            aside = np.zeros(len(vector))
            aside[at] = step
            found[at] = (self.rows(vector + aside) - self.rows(vector - aside)) / (2 * step)
        return found

    def run(self) -> Fit:
        """Take damped Newton steps; the information is the sum of the readings' squared scores."""
        precision = np.diag(self.space.sd**-2.0)
        vector = self.space.vector(self.base)
        cost, steps = self.cost(vector), 0
        while True:
            scores = self.scores(vector)
            slope = scores.sum(axis=1) - precision @ (vector - self.space.prior)
            information = scores @ scores.T + precision
            gain = float(slope @ np.linalg.solve(information, slope))
            if gain < ENOUGH or steps == MOST_STEPS:
                break
            found = self._better(vector, cost, slope, information)
            if found is None:
                break
            vector, cost = found
            steps += 1
        sd = self._errors(vector, scores, information)
        parameters = self.space.parameters(vector, self.base)
        return Fit(parameters, sd, steps, gain, gain < ENOUGH)

    def _better(
        self, vector: Floats, cost: float, slope: Floats, information: Floats
    ) -> tuple[Floats, float] | None:
        """Return the first of ever shorter steps that improves; None if none does."""
        low = self.space.prior - FURTHEST * self.space.sd
        high = self.space.prior + FURTHEST * self.space.sd
        for damping in DAMPING:
            weighted = information + damping * np.diag(np.diag(information))
            there = np.clip(vector + np.linalg.solve(weighted, slope), low, high)
            reached = self.cost(there)
            if reached < cost:
                return there, reached
        return None

    def _errors(self, vector: Floats, scores: Floats, information: Floats) -> dict[str, float]:
        """Return standard errors: the larger of those from readings' and from persons' scores."""
        inverse = np.linalg.inv(information)
        starts = self.batch.indptr[:-1][np.diff(self.batch.indptr) > 0]
        summed = np.add.reduceat(scores, starts, axis=1)
        between = inverse @ (summed @ summed.T + np.diag(self.space.sd**-2.0)) @ inverse
        sd = np.sqrt(np.maximum(np.diag(inverse), np.diag(between)))
        values = np.where([c.linear for c in self.space.coordinates], 1.0, np.exp(vector))
        names = [c.name for c in self.space.coordinates]
        return dict(zip(names, (sd * values).tolist(), strict=True))


def joined(batches: Sequence[UserBatch]) -> UserBatch:
    """Return all persons of the batches as one batch, with sources in the order of their names."""
    names = sorted({source for batch in batches for source in batch.sources})
    offsets = np.cumsum([0, *(len(batch.day) for batch in batches)])
    ends = [batch.indptr[1:] + at for batch, at in zip(batches, offsets, strict=False)]
    number = {name: index for index, name in enumerate(names)}
    source = [np.array([number[s] for s in b.sources], np.int64)[b.source] for b in batches]
    forced = [np.zeros(len(b.day), np.int8) if b.forced is None else b.forced for b in batches]
    return UserBatch(
        tuple(user for batch in batches for user in batch.user_ids),
        np.concatenate([[0], *ends]).astype(np.int64),
        np.concatenate([batch.day for batch in batches]),
        np.concatenate([batch.hour for batch in batches]),
        np.concatenate([batch.weight_kg for batch in batches]),
        np.concatenate(source),
        tuple(names),
        np.concatenate(forced),
        np.concatenate([batch.born for batch in batches]),
        np.concatenate([batch.sex for batch in batches]),
    )


def rows_of(batch: UserBatch, keep: np.ndarray) -> UserBatch:
    """Return the readings selected by `keep`; persons without any stay in the batch."""
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    counts = np.bincount(user[keep], minlength=len(batch.user_ids))
    return replace(
        batch,
        indptr=np.r_[0, np.cumsum(counts)].astype(np.int64),
        day=batch.day[keep],
        hour=batch.hour[keep],
        weight_kg=batch.weight_kg[keep],
        source=batch.source[keep],
        forced=None if batch.forced is None else batch.forced[keep],
    )
