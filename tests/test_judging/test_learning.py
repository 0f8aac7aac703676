import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.model import PRIOR
from weightstream.judging.learning import learn
from weightstream.schema import REASONS

SOURCES = ("patient-device", "a scale that no table knows")
BIAS, NOISE = (0.0, 1.4), (0.3, 1.1)
PERSONS, READINGS = 60, 80


def people(seed, persons=PERSONS, readings=READINGS, pounds=0.04):
    rng = np.random.default_rng(seed)
    shape = (persons, readings)
    day = 19_000 + np.cumsum(rng.exponential(1.5, shape), axis=1)
    level = rng.normal(85, 12, (persons, 1)) + np.cumsum(rng.normal(0, 0.15, shape), axis=1)
    source = rng.integers(0, 2, shape)
    kg = level + np.take(BIAS, source) + rng.standard_normal(shape) * np.take(NOISE, source)
    wrong = (rng.random(shape) < pounds) & (source == 1)
    kg = np.where(wrong, kg / 0.45359237, kg)
    return UserBatch(
        user_ids=tuple(f"p{u}" for u in range(persons)),
        indptr=np.arange(0, persons * readings + 1, readings),
        day=day.ravel(),
        hour=np.full(persons * readings, 7.0),
        weight_kg=np.round(kg, 1).ravel(),
        source=source.ravel(),
        sources=SOURCES,
    )


@pytest.fixture(scope="module")
def learned():
    return learn([people(1)], "set-2")


def test_bias_noise_and_errors_of_an_unknown_source_are_learnt(learned):
    device, other = (learned.parameters.sources[name] for name in SOURCES)
    assert other.bias_kg - device.bias_kg == pytest.approx(1.4, abs=0.15)
    assert device.noise_kg == pytest.approx(0.3, abs=0.15)
    assert other.noise_kg == pytest.approx(1.1, abs=0.15)
    assert other.error_rate > 1.5 * device.error_rate
    assert max(other.errors, key=other.errors.get) == "unit_lb_as_kg"


def test_learnt_parameters_predict_others_better(learned):
    batch = people(2)

    def surprise(parameters):
        result = smooth_batch(batch, build_model(Kalman(), {}, SOURCES, parameters))
        sd = (result.expected_hi - result.expected_lo) / 4
        z = (batch.weight_kg - result.expected) / sd
        return np.mean((z**2 / 2 + np.log(sd))[result.accepted])

    assert surprise(learned.parameters) < surprise(PRIOR) - 0.05


def test_uncertainty_is_stated_for_every_number(learned):
    assert learned.parameters.name == "set-2"
    assert learned.readings.keys() == set(SOURCES)
    assert sum(learned.readings.values()) == PERSONS * READINGS
    for source in SOURCES:
        assert 0 < learned.sd[f"{source}.noise_kg"] < 0.2
        assert 0 < learned.sd[f"{source}.bias_kg"] < 0.5
    assert all(np.isfinite(value) and value > 0 for value in learned.sd.values())


def test_neither_division_into_batches_nor_repetition_changes_a_bit():
    whole = people(3, persons=12, readings=30)
    half = 6 * 30
    parts = [
        UserBatch(
            whole.user_ids[users],
            whole.indptr[:7],
            *(a[rows] for a in (whole.day, whole.hour, whole.weight_kg, whole.source)),
            SOURCES,
        )
        for users, rows in ((slice(0, 6), slice(0, half)), (slice(6, 12), slice(half, None)))
    ]
    one, again, split = learn([whole], "x"), learn([whole], "x"), learn(parts, "x")
    assert one == again == split


def test_few_data_leave_the_prior_where_it_was():
    learned = learn([people(4, persons=1, readings=3, pounds=0)], "x").parameters
    prior, own = PRIOR.sources[SOURCES[0]], learned.sources[SOURCES[0]]
    assert own.noise_kg == pytest.approx(prior.noise_kg, rel=0.3)
    assert own.error_rate == pytest.approx(prior.error_rate, rel=0.1)


STRANGE = {
    "one": [(0, 80.0)],
    "two": [(0, 80.0), (1, 81.0)],
    "equal": [(day, 80.0) for day in range(50)],
    "all wrong": [(0, 5.0), (1, 600.0), (2, 1e-300), (3, 1e300)],
    "at one time": [(0, 80.0)] * 40,
    "30 years apart": [(0, 80.0), (11_000, 90.0), (22_000, 20.0)],
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_readings_teach_finite_numbers(kind):
    day, kg = np.array(STRANGE[kind]).T
    size = len(day)
    batch = UserBatch(
        user_ids=("p",),
        indptr=np.array([0, size]),
        day=day.copy(),
        hour=np.full(size, np.nan),
        weight_kg=kg.copy(),
        source=np.zeros(size, np.int64),
        sources=("somewhere",),
    )
    learned = learn([batch], "x")
    source = learned.parameters.sources["somewhere"]
    numbers = [*vars(learned.parameters.process).values(), *learned.sd.values()]
    assert np.isfinite([*numbers, source.bias_kg]).all()
    assert 0 < source.noise_kg < 2
    assert 0 < source.error_rate < 0.1
    assert sum(source.errors.values()) == pytest.approx(1, abs=1e-4)


def test_copies_of_one_weighing_are_not_counted_as_errors_of_a_kind(learned):
    assert "repeat" not in learned.parameters.sources[SOURCES[0]].errors
    assert set(learned.parameters.sources[SOURCES[0]].errors) < set(REASONS)


def test_a_source_with_few_errors_learns_their_mix_from_others(learned):
    usual = PRIOR.sources[SOURCES[0]].errors
    share = usual["unit_lb_as_kg"] / sum(usual.values())
    assert learned.parameters.sources[SOURCES[0]].errors["unit_lb_as_kg"] > 1.3 * share
