"""Learn the parameters of sources and bodies from readings: maximum penalised likelihood.

In turn: the retro engine tells right readings from wrong ones; the likelihood of the right ones
is maximised over biases, noises and the way weight moves; the wrong ones are counted by source
and reason. Penalties are priors around prior-1, so what few data say is shrunk towards it.
Deterministic: the same readings give the same set. Formulas: docs/judging.md, eq. 10-11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from weightstream.batch import Floats, Ints, UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.kernel import Bools
from weightstream.engine.likelihood import likelihood_kernel
from weightstream.engine.model import PRIOR, Parameters, Process, SourceModel
from weightstream.schema import HUMAN_REASONS, REASONS

ROUNDS = 2
SAMPLE_READINGS = 120_000
"""More say no more about a dozen parameters; persons are taken evenly over all of them."""
LOG_SD = {
    "level_kg2_per_day": 0.5,
    "trend_kg_per_week": 0.5,
    "trend_days": 0.2,
    "water_kg": 0.4,
    "water_days": 0.4,
    "evening_kg": 0.3,
    "noise_kg": 0.5,
}
"""How far, in log units, a parameter is believed to lie from its prior."""
BIAS_SD_KG = {"known": 0.6, "unknown": 1.0, "reference": 0.1}
REFERENCE = "patient-device"
"""The source whose bias is 0 by convention: only differences between sources can be seen."""
RATE_READINGS = 300.0
"""An error rate counts as known from so many readings."""
MIX_ERRORS = {"prior": 15.0, "others": 10.0}
"""A source's mix of errors counts as known from so many errors of it, and from others' so many."""
AGAIN_DAYS = 15 / 1440
DIFFERENCE = 1e-4
COUNTED = tuple(reason for reason in REASONS if reason not in ("ok", "repeat", *HUMAN_REASONS))


@dataclass(frozen=True)
class Learned:
    """parameters: the new set. sd: standard errors by "process.<key>" and "<source>.<key>".
    readings: how many of each source were seen."""

    parameters: Parameters
    sd: Mapping[str, float]
    readings: Mapping[str, int]


@dataclass(frozen=True)
class Right:
    """Readings taken for right, as one batch, and where levels of their own start."""

    batch: UserBatch
    jump: Bools


@dataclass(frozen=True)
class Scale:
    """One number of the optimiser's vector: a logarithm, or a bias in kg."""

    source: str | None
    key: str
    prior: float
    sd: float


def learn(
    batches: Sequence[UserBatch], name: str, kalman: Kalman | None = None, start: Parameters = PRIOR
) -> Learned:
    """A new set of parameters from all readings of the batches, each person in one of them.

    name: of the new set. kalman: rules of accepting. start: where the search begins; penalties
    are around prior-1 whatever it is, so that learning twice does not count the prior twice.
    """
    kalman = kalman or Kalman()
    names = sorted({source for batch in batches for source in batch.sources})
    sources = {source: start.sources.get(source, start.unknown) for source in names}
    parameters = replace(start, name=name, sources=sources)
    sd: dict[str, float] = {}
    seen = np.zeros(len(names), np.int64)
    for _ in range(ROUNDS):
        right, wrong, seen, weight = _told_apart(batches, names, parameters, kalman)
        parameters, sd = _maximise(right, parameters)
        parameters = _with_rates(parameters, names, wrong, seen, weight)
    return Learned(parameters, sd, dict(zip(names, seen.tolist(), strict=True)))


def _told_apart(
    batches: Sequence[UserBatch], names: Sequence[str], parameters: Parameters, kalman: Kalman
) -> tuple[Right, Floats, Ints, Floats]:
    """A sample of right readings; rejected ones (S, reasons), all, and summed doubt by source."""
    stride = max(1, round(sum(len(batch.day) for batch in batches) / SAMPLE_READINGS))
    wrong = np.zeros((len(names), len(REASONS)))
    seen, doubt = np.zeros(len(names), np.int64), np.zeros(len(names))
    parts: list[Right] = []
    done = 0
    for batch in batches:
        tally = np.zeros((len(batch.sources), len(REASONS)))
        model = build_model(kalman, {}, batch.sources, parameters)
        result = smooth_batch(batch, model, tally)
        number = np.array([names.index(s) for s in batch.sources], np.int64)
        np.add.at(wrong, number, tally)
        source = number[batch.source]
        copy = result.reason == REASONS.index("repeat")
        seen += np.bincount(source, minlength=len(names))
        doubt += np.bincount(source, np.where(copy, 0.0, 1 - result.p_valid), len(names))
        jump = np.zeros(len(source), bool)
        jump[result.shift_row] = True
        chosen = (np.arange(len(batch.user_ids)) + done) % stride == 0
        parts.append(_right(batch, source, result.accepted, jump, chosen))
        done += len(batch.user_ids)
    # Rounded, so that the division into batches cannot show in the last bits.
    return _joined(parts, names), wrong.round(6), seen, doubt.round(6)


def _right(batch: UserBatch, source: Ints, accepted: Bools, jump: Bools, chosen: Bools) -> Right:
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    keep = accepted & chosen[user] & ~_again(batch)
    counts = np.bincount(user[keep], minlength=len(batch.user_ids))
    # A level may start at a reading that is not kept: the next kept one carries the mark.
    levels = np.cumsum(jump)[keep]
    new = np.r_[False, np.diff(levels) > 0]
    indptr = np.r_[0, np.cumsum(counts)].astype(np.int64)
    return Right(
        UserBatch(
            batch.user_ids,
            indptr,
            batch.day[keep],
            batch.hour[keep],
            batch.weight_kg[keep],
            source[keep],
            batch.sources,
        ),
        new,
    )


def _again(batch: UserBatch) -> Bools:
    """Readings that repeat a weighing within minutes: their noise is not new."""
    again = np.zeros(len(batch.day), bool)
    again[1:] = (np.diff(batch.day) < AGAIN_DAYS) & (np.diff(batch.source) == 0)
    again[batch.indptr[:-1][np.diff(batch.indptr) > 0]] = False
    return again


def _joined(parts: Sequence[Right], names: Sequence[str]) -> Right:
    batches = [part.batch for part in parts]
    offsets = np.cumsum([0, *(len(batch.day) for batch in batches)])
    ends = [batch.indptr[1:] + at for batch, at in zip(batches, offsets, strict=False)]
    return Right(
        UserBatch(
            tuple(user for batch in batches for user in batch.user_ids),
            np.concatenate([[0], *ends]).astype(np.int64),
            np.concatenate([batch.day for batch in batches]),
            np.concatenate([batch.hour for batch in batches]),
            np.concatenate([batch.weight_kg for batch in batches]),
            np.concatenate([batch.source for batch in batches]),
            tuple(names),
        ),
        np.concatenate([part.jump for part in parts]),
    )


def _scales(names: Sequence[str]) -> list[Scale]:
    process = [
        Scale(None, key, np.log(value), LOG_SD[key]) for key, value in asdict(PRIOR.process).items()
    ]
    own = []
    for name in names:
        prior = PRIOR.sources.get(name, PRIOR.unknown)
        kind = "known" if name in PRIOR.sources else "unknown"
        bias_sd = BIAS_SD_KG["reference" if name == REFERENCE else kind]
        own.append(Scale(name, "bias_kg", prior.bias_kg, bias_sd))
        own.append(Scale(name, "noise_kg", np.log(prior.noise_kg), LOG_SD["noise_kg"]))
    return process + own


def _start_of(scales: Sequence[Scale], parameters: Parameters) -> Floats:
    values = []
    for scale in scales:
        owner = parameters.sources[scale.source] if scale.source else parameters.process
        value = getattr(owner, scale.key)
        values.append(value if scale.key == "bias_kg" else np.log(value))
    return np.array(values)


def _at(theta: Floats, scales: Sequence[Scale], parameters: Parameters) -> Parameters:
    process: dict[str, float] = {}
    own: dict[str, dict[str, Any]] = {}
    for scale, number in zip(scales, theta.tolist(), strict=True):
        value = number if scale.key == "bias_kg" else float(np.exp(number))
        (own.setdefault(scale.source, {}) if scale.source else process)[scale.key] = value
    sources = {name: replace(parameters.sources[name], **values) for name, values in own.items()}
    return replace(parameters, process=Process(**process), sources=sources)


def _maximise(right: Right, parameters: Parameters) -> tuple[Parameters, dict[str, float]]:
    """Penalised likelihood by L-BFGS; standard errors from the persons' scores (eq. 11)."""
    batch, scales = right.batch, _scales(right.batch.sources)
    prior, sd = (np.array([getattr(s, name) for s in scales]) for name in ("prior", "sd"))

    def by_person(theta: Floats) -> Floats:
        model = build_model(Kalman(), {}, batch.sources, _at(theta, scales, parameters))
        out = np.empty(len(batch.user_ids))
        likelihood_kernel(
            batch.indptr, batch.day, batch.hour, batch.weight_kg, batch.source, right.jump,
            model.process, model.table, out,
        )  # fmt: skip
        return out

    def cost(theta: Floats) -> float:
        return float(0.5 * np.sum(((theta - prior) / sd) ** 2) - by_person(theta).sum())

    bounds = [(p - 6 * s, p + 6 * s) for p, s in zip(prior, sd, strict=True)]
    found = minimize(
        cost, _start_of(scales, parameters), method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 40, "ftol": 1e-7, "eps": DIFFERENCE},
    ).x  # fmt: skip
    steps = DIFFERENCE * np.eye(len(found))
    scores = np.array([by_person(found + h) - by_person(found - h) for h in steps])
    scores /= 2 * DIFFERENCE
    information = scores @ scores.T + np.diag(sd**-2)
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    values = np.where([s.key == "bias_kg" for s in scales], 1.0, np.exp(found))
    keys = [f"{s.source or 'process'}.{s.key}" for s in scales]
    return _at(found, scales, parameters), dict(zip(keys, (errors * values).tolist(), strict=True))


def _with_rates(
    parameters: Parameters, names: Sequence[str], wrong: Floats, seen: Ints, doubt: Floats
) -> Parameters:
    """Error rates and mixes: counts, with the prior's as if from RATE_READINGS readings.

    The mix of a source with few errors is also drawn to that of all sources together.
    """
    sources = {}
    together = wrong.sum(axis=0)
    together /= max(together.sum(), 1.0)
    for index, name in enumerate(names):
        prior = PRIOR.sources.get(name, PRIOR.unknown)
        rate = (doubt[index] + RATE_READINGS * prior.error_rate) / (seen[index] + RATE_READINGS)
        usual = sum(prior.errors.values())
        errors = {
            reason: float(wrong[index, REASONS.index(reason)])
            + MIX_ERRORS["prior"] * prior.errors.get(reason, 0.0) / usual
            + MIX_ERRORS["others"] * float(together[REASONS.index(reason)])
            for reason in COUNTED
        }
        total = sum(errors.values())
        mix = {reason: round(count / total, 6) for reason, count in errors.items()}
        own: SourceModel = parameters.sources[name]
        sources[name] = replace(own, error_rate=float(min(rate, 0.5)), errors=mix)
    return replace(parameters, sources=sources)
