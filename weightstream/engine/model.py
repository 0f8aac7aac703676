"""What the engine believes before it sees a person: parameters, configuration, flat arrays.

The figures of prior-1 are those of the field (docs/judging.md gives their sources): how weight
moves, how each kind of source errs. `weightstream learn` makes another set from stored readings;
a key of the configuration that is set comes before both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from weightstream.config import Kalman, Source
from weightstream.engine.records import PROCESS, SOURCE, Records
from weightstream.schema import REASONS

POUNDS_SHARE, WHOLE_NUMBERS = 0.3, 0.1
"""Of numbers: typed in pounds, and whole; of a person of whom nothing is known."""


@dataclass(frozen=True)
class Process:
    """How a person's weight moves and scatters. kg and days, unless named otherwise.

    week_cos, week_sin: weekly swing as shares of the level, from Monday 0:00 on (Turicchi 2020).
    tail: share of right readings with more than the usual scatter (a meal, a coat), and its SD.
    move_days, leap_days, restless_days: days between moves of the level that no trend foresees
    (illness, diet), between leaps (surgery, years unseen), between spells of fluid.
    """

    level_kg2_per_day: float = 0.03
    trend_kg_per_week: float = 0.22
    trend_days: float = 60.0
    water_kg: float = 0.35
    water_days: float = 2.0
    evening_kg: float = 1.3
    evening_sd_kg: float = 0.7
    week_cos: float = 0.00175
    week_sin: float = 0.0
    tail_share: float = 0.03
    tail_kg: float = 2.0
    move_days: float = 600.0
    leap_days: float = 8000.0
    restless_days: float = 450.0


KALMAN_KEYS = (
    "level_kg2_per_day", "trend_kg_per_week", "trend_days", "water_kg", "water_days", "evening_kg",
)  # fmt: skip
"""Numbers of the process that [kalman] may set."""

TYPED: Mapping[str, float] = {
    "unit_lb_as_kg": 0.16,
    "unit_kg_as_lb": 0.08,
    "decimal_shift": 0.09,
    "hundreds_off": 0.08,
    "digit_swap": 0.09,
    "height_as_weight": 0.04,
    "bmi_as_weight": 0.03,
    "other_person": 0.15,
    "wrong_date": 0.04,
    "implausible": 0.02,
    "outlier": 0.22,
}
"""Shares of what goes wrong where people may type. Of the gross errors in a clinic's records, about
many fit a named cause no better than chance would have it (docs/judging.md)."""
AUTOMATIC: Mapping[str, float] = {
    **TYPED,
    "digit_swap": 0.01,
    "height_as_weight": 0.005,
    "bmi_as_weight": 0.005,
    "hundreds_off": 0.02,
    "other_person": 0.30,
    "outlier": 0.20,
}
"""The same where a scale sends by itself."""


@dataclass(frozen=True)
class SourceModel:
    """One source's readings.

    bias_kg against a reference scale; noise_kg SD of one reading; error_rate: share of gross
    errors; errors: weights of the reasons among these. by_day: usual share of the evening's rise at
    a reading without a time of day: none at home, where people weigh in the morning.
    """

    bias_kg: float
    noise_kg: float
    error_rate: float
    errors: Mapping[str, float]
    by_day: float = 0.0


@dataclass(frozen=True)
class Parameters:
    """A named set. unknown: what is believed of a source that is not in `sources`."""

    name: str
    process: Process
    sources: Mapping[str, SourceModel]
    unknown: SourceModel


PRIOR = Parameters(
    name="prior-1",
    process=Process(),
    sources={
        "care-team-upload": SourceModel(1.0, 0.9, 0.0036, TYPED, by_day=0.3),
        "patient-upload": SourceModel(0.0, 0.6, 0.013, TYPED),
        "internal-questionnaire": SourceModel(-0.56, 1.0, 0.014, TYPED),
        "initial-questionnaire": SourceModel(-0.56, 1.0, 0.014, TYPED),
        "patient-device": SourceModel(0.0, 0.4, 0.021, AUTOMATIC),
        "https://connectivehealth.io": SourceModel(0.0, 0.6, 0.036, TYPED),
        "https://api.iglucose.com": SourceModel(0.0, 0.4, 0.151, TYPED),
    },
    unknown=SourceModel(0.0, 0.8, 0.02, TYPED),
)


@dataclass(frozen=True)
class Model:
    """Parameters as the kernels take them.

    name: of the set of parameters. sources: names, in the order of the batch's.
    usual: the process as configured; process: the same, (1,) of records.PROCESS. table: (S,) of
    records.SOURCE.
    """

    name: str
    sources: tuple[str, ...]
    usual: Process
    process: Records
    table: Records


def build_model(
    kalman: Kalman,
    sources: Mapping[str, Source],
    names: Sequence[str],
    parameters: Parameters = PRIOR,
) -> Model:
    """Parameters for exactly the named sources, in that order.

    Those of the set by name, an unknown source's where it has none of that name; keys that are
    set in [kalman] and [sources.<name>] come first.
    """
    process = replace(parameters.process, **_set(kalman, KALMAN_KEYS))
    rows = [_row(name, source_model(name, sources, parameters)) for name in names]
    record, table = _process(process, kalman), np.array(rows, dtype=SOURCE)
    return Model(parameters.name, tuple(names), process, record, table)


def source_model(
    name: str, sources: Mapping[str, Source], parameters: Parameters = PRIOR
) -> SourceModel:
    """What is believed of one source: as configured, else as the set of parameters says."""
    known = parameters.sources.get(name, parameters.unknown)
    keys = ("bias_kg", "noise_kg", "error_rate")
    return replace(known, **_set(sources.get(name, Source()), keys))


def _set(section: Kalman | Source, keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key in keys if (value := getattr(section, key)) is not None}


def _row(name: str, source: SourceModel) -> tuple[Any, ...]:
    weights = np.array([source.errors.get(reason, 0.0) for reason in REASONS])
    rates = source.error_rate * weights / weights.sum()
    rates[0] = 1.0 - source.error_rate
    return source.bias_kg, source.noise_kg**2, source.by_day, float(crc32(name.encode())), rates


def _process(process: Process, kalman: Kalman) -> Records:
    record = np.zeros(1, PROCESS)
    values = {
        "level_noise": process.level_kg2_per_day,
        "trend_var": (process.trend_kg_per_week / 7.0) ** 2,
        "trend_rate": 1.0 / process.trend_days,
        "water_var": max(process.water_kg**2, 1e-6),  # its inverse is taken
        "water_days": process.water_days,
        "evening": process.evening_kg,
        "evening_var": process.evening_sd_kg**2,
        "week_cos": process.week_cos,
        "week_sin": process.week_sin,
        "tail_share": process.tail_share,
        "tail_var": process.tail_kg**2,
        "move_per_day": 1.0 / process.move_days,
        "leap_per_day": 1.0 / process.leap_days,
        "restless_per_day": 1.0 / process.restless_days,
        "pounds": POUNDS_SHARE,
        "wholes": WHOLE_NUMBERS,
        "scale": 1.0,
        "adapts": 1.0,
        "accept": kalman.accept_above,
        "born": np.nan,
        "age": np.nan,
    }
    for name, value in values.items():
        record[name] = value
    return record
