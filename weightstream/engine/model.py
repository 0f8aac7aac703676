"""What the engine believes before it sees a person: priors, configuration, and their flat arrays.

The figures are those of the field (docs/judging.md gives their sources): how weight moves, how
each kind of source errs. A key of the configuration that is set comes before them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import log

import numpy as np

from weightstream.batch import Floats
from weightstream.config import Kalman, Source

PLAUSIBLE_KG = (20.0, 500.0)
START_KG = (85.0, 30.0)
"""Mean and SD of adults' weights, for the first reading of a person."""
SHIFT_SD_KG = 15.0
SHIFT_RATE = 1e-3
"""How far a person's level steps, and how often a reading is the first after a step."""
WEEKDAY = 0.00175
"""Half of the weekly swing, as a share of the level; the peak is at midnight after Sunday."""
EVENING_SD_KG = 0.7
"""How much the rise from morning to evening differs from day to day and person to person."""


@dataclass(frozen=True)
class Process:
    """How a person's weight moves. Units: kg and days, trend in kg a week."""

    level_kg2_per_day: float = 0.015
    trend_kg_per_week: float = 0.25
    trend_days: float = 60.0
    water_kg: float = 0.35
    water_days: float = 2.0
    evening_kg: float = 1.3


@dataclass(frozen=True)
class SourceModel:
    """bias_kg against a reference scale, noise_kg SD of one reading, error_rate share of errors."""

    bias_kg: float
    noise_kg: float
    error_rate: float


UNKNOWN = SourceModel(0.0, 0.8, 0.02)
PRIORS: Mapping[str, SourceModel] = {
    "care-team-upload": SourceModel(1.0, 0.9, 0.0036),
    "patient-upload": SourceModel(0.0, 0.6, 0.013),
    "internal-questionnaire": SourceModel(-0.56, 1.3, 0.014),
    "initial-questionnaire": SourceModel(-0.56, 1.3, 0.014),
    "patient-device": SourceModel(0.0, 0.4, 0.021),
    "https://connectivehealth.io": SourceModel(0.0, 0.4, 0.036),
    "https://api.iglucose.com": SourceModel(0.0, 0.4, 0.151),
}

# Positions in Model.process.
(
    LEVEL_NOISE,
    TREND_VAR,
    TREND_DAYS,
    WATER_VAR,
    WATER_DAYS,
    EVENING,
    EVENING_VAR,
    WEEKDAY_SHARE,
    START_MEAN,
    START_VAR,
    LOG_SHIFT,
    SHIFT_VAR,
    SHIFT_READINGS,
    SHIFT_DAYS,
    ACCEPT,
    LOWEST,
    HIGHEST,
) = range(17)
# Positions in a row of Model.table.
BIAS, NOISE_VAR, LOG_VALID, LOG_ERROR = range(4)


@dataclass(frozen=True)
class Model:
    """Parameters as the kernels take them.

    name: of the set of parameters. sources: names, in the order of the batch's.
    process: (17,) float64, kg and days. table: (S, 4) float64, one row a source.
    """

    name: str
    sources: tuple[str, ...]
    process: Floats
    table: Floats


def build_model(
    kalman: Kalman, sources: Mapping[str, Source], names: Sequence[str], name: str = "prior-1"
) -> Model:
    """Parameters for exactly the named sources, in that order.

    Priors by name, an unknown source's where the name is none of them; keys that are set in
    [kalman] and [sources.<name>] come first.
    """
    process = Process()
    process = replace(process, **_set(kalman, asdict(process)))
    rows = []
    for source in names:
        prior = PRIORS.get(source, UNKNOWN)
        found = sources.get(source)
        rows.append(_row(replace(prior, **_set(found, asdict(prior))) if found else prior))
    return Model(
        name,
        tuple(names),
        _process(process, kalman),
        np.array(rows, dtype=np.float64).reshape(len(rows), 4),
    )


def _set(section: Kalman | Source, keys: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key in keys if (value := getattr(section, key)) is not None}


def _row(source: SourceModel) -> tuple[float, ...]:
    low, high = PLAUSIBLE_KG
    return (
        source.bias_kg,
        source.noise_kg**2,
        log(1.0 - source.error_rate),
        log(source.error_rate / (high - low)),
    )


def _process(process: Process, kalman: Kalman) -> Floats:
    return np.array(
        [
            process.level_kg2_per_day,
            (process.trend_kg_per_week / 7.0) ** 2,
            process.trend_days,
            process.water_kg**2,
            process.water_days,
            process.evening_kg,
            (EVENING_SD_KG * process.evening_kg / Process.evening_kg) ** 2,
            WEEKDAY,
            START_KG[0],
            START_KG[1] ** 2,
            log(SHIFT_RATE),
            SHIFT_SD_KG**2,
            kalman.shift_readings,
            kalman.shift_days,
            kalman.accept_above,
            *PLAUSIBLE_KG,
        ],
        dtype=np.float64,
    )
