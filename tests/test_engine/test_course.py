"""What a course remembers, and where it begins; plain Python, without the compiler."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad

from weightstream.config import Kalman, Source
from weightstream.engine import build_model
from weightstream.engine.records import COURSE, ERROR, READING
from weightstream.engine.reference import as_records, plain
from weightstream.growth import YEAR_DAYS

SOURCES = ("care-team-upload", "patient-device", "https://api.iglucose.com")


def part(name):
    return plain()[name]


def nothing(source):
    """No densities of errors, nothing undone."""
    errors = np.zeros(len(source.rate), ERROR)
    errors["undone"] = math.nan
    return as_records(errors)


@pytest.fixture(params=SOURCES)
def source(request):
    return as_records(build_model(Kalman(), {}, (request.param,)).table)[0]


@pytest.fixture
def course():
    c = as_records(np.zeros(1, COURSE))[0]
    c.seen, c.scale, c.label = 0.0, 1.0, 1.0
    return c


def test_before_anything_is_seen_the_source_s_rate_holds(source):
    assert part("course").rate_factor(0.0, 0.0, source) == pytest.approx(1.0)


def test_errors_raise_the_rate_and_right_readings_lower_it(source):
    factor, rate = part("course").rate_factor, 1.0 - source.rate[0]
    clean = [factor(0.0, n * rate, source) for n in range(40)]
    assert all(a > b > 0.0 for a, b in pairwise(clean))
    spoilt = [factor(float(e), 20 * rate, source) for e in range(8)]
    assert spoilt == sorted(spoilt)
    assert spoilt[0] < spoilt[1] < spoilt[2]


def test_a_messy_stream_is_known_by_a_few_errors(source):
    """4 errors of 20: by one gamma distribution of the usual kind the rate would stay far lower."""
    rate = 1.0 - source.rate[0]
    found = rate * part("course").rate_factor(4.0, 20 * rate, source)
    assert 0.1 < found < 0.35


def test_no_rate_is_above_one_half(source):
    rate = 1.0 - source.rate[0]
    assert rate * part("course").rate_factor(30.0, 30 * rate, source) <= 0.5 + 1e-12


def of_age(years):
    """Parameters of a person of some age; None: not known."""
    p = as_records(build_model(Kalman(), {}, ("x",)).process)[0]
    p["age"] = np.nan if years is None else years * YEAR_DAYS
    return p


@pytest.mark.parametrize("years", [None, 0.01, 3, 14, 40])
def test_first_readings_are_a_density_of_any_body(years):
    p, mixture = of_age(years), part("mixture")

    def density(kg):
        return mixture.birth_density(kg, p)

    peak = mixture.first_mean(p)
    points = sorted([1.5, 60.0, 150.0, 0.8 * peak, peak, 1.2 * peak])
    total = quad(density, 1.0, 700.0, points=points, limit=300)[0]
    assert total == pytest.approx(1.0, abs=0.01)
    assert density(peak) > 30 * density(2.5 * peak) > 0.0
    assert min(density(kg) for kg in (3.0, 12.0, 268.0, 354.0, 520.0)) > 0.0
    assert density(0.9) == density(701.0) == 0.0


def test_before_an_age_is_known_most_first_readings_are_of_adults():
    mixture, p = part("mixture"), of_age(None)
    adult, heavy, heaviest = (mixture.birth_density(kg, p) for kg in (85.0, 170.0, 354.0))
    assert adult > 30 * heavy > 30 * heaviest


def test_before_a_level_is_known_an_undone_value_is_any_body_s(source):
    mixture, p = part("mixture"), as_records(build_model(Kalman(), {}, ("x",)).process)[0]
    errors = nothing(source)
    mixture.explain(354.0, mixture.ADULT_MEAN_KG, mixture.UNKNOWN, source, p, errors)
    kind = mixture.UNIT_LB_AS_KG
    right = mixture.LB * mixture.birth_density(354.0 * mixture.LB, p)
    assert errors[kind].density == pytest.approx(source.rate[kind] * right)
    assert errors[kind].undone == pytest.approx(354.0 * mixture.LB)


def test_a_leap_is_the_same_told_backwards():
    densities = part("densities")
    there, back = densities.between(60.0, 130.0), densities.between(130.0, 60.0)
    assert there == pytest.approx(back)
    assert 60.0 < there < 130.0


def test_the_person_stands_there_in_a_run_of_errors_too(course, source):
    """Else a co-user counts for more where all own readings are held for mislabelled ones."""
    raise_guest = part("course").raise_guest
    course.r, course.guest, course.visits = 137.0, 83.0, 5.0
    rises = []
    for course.right, course.run in ((40.0, 0.0), (0.0, 40.0), (0.0, 0.0)):
        rises.append(raise_guest(course, 83.0, source, nothing(source)))
    assert rises[0] == pytest.approx(rises[1])
    assert rises[0] < 0.5 * rises[2]


def test_who_shows_what_a_run_of_errors_shows_is_the_person(course, source):
    """62 kg beside 137 kg whose label is pounds is no co-user of 62 kg; one of 83 kg may be."""
    kind = part("mixture").UNIT_KG_AS_LB
    course.r, course.visits = 137.0, 5.0
    course.fault, course.run, course.fault_source = float(kind), 20.0, source.key
    rises = {}
    for course.guest, run in ((62.2, True), (83.0, True), (62.2, False)):
        errors = nothing(source)
        if run:
            errors[kind].undone = course.guest / part("mixture").LB
        rises[course.guest, run] = part("course").raise_guest(course, course.guest, source, errors)
    assert rises[62.2, True] < 0.01 * rises[62.2, False]
    assert rises[83.0, True] > 0.5 * rises[62.2, False]


def test_in_a_run_a_reading_may_be_another_error(course, source):
    """Else the readings of a messy stream would all be cheaper as a run than as valid ones."""
    kind = part("mixture").UNIT_KG_AS_LB
    course.fault, course.run, course.fault_source, course.right = kind, 9.0, source.key, 5.0
    errors, often = nothing(source), 0.2 / (1.0 - source.rate[0])
    errors[kind].density = often * source.rate[kind] * 0.7
    rise = part("course").raise_run(course, source, often, errors)
    assert rise == pytest.approx(0.9 * (1.0 - 0.2) * 0.7)
    assert errors[kind].density == pytest.approx(often * source.rate[kind] * 0.7 + rise)


def test_after_a_mislabelled_run_no_short_cut_is_taken():
    """It would weigh the next reading with another noise than the courses do."""
    beam, straight = part("beam"), part("straight")
    model = build_model(Kalman(), {}, ("patient-device",))
    readings = np.zeros(12, READING)
    readings["day"], readings["hour"], readings["weight"] = np.arange(12.0) + 0.3, 7.2, 80.0
    k = beam.make_beam(*map(as_records, (readings, model.process.copy(), model.table)))
    n = beam.start_beam(k, k.readings[0].day)
    for i in range(11):
        beam.advance_all(k, n, k.readings[i].day)
        n = beam.branch(k, i, n)[0]
    n = 1
    k.courses[0].label = 1.6
    assert not straight.go_straight(k, 11, n)[0]
    k.courses[0].label = 1.0
    assert straight.go_straight(k, 11, n)[0]


def test_the_rarest_errors_leave_a_number(course):
    table = {"rare": Source(error_rate=1e-13)}
    rare = as_records(build_model(Kalman(), table, ("rare",)).table)[0]
    with np.errstate(over="ignore"):
        assert math.isfinite(part("course").rate_factor(40.0, 40e-13, rare))


def test_an_undone_value_scatters_as_the_body_does():
    """A tail of 2 kg at 5 kg would name errors whose undone value is off by a third."""
    p = as_records(build_model(Kalman(), {}, ("x",)).process)[0]
    right, scatter = part("mixture").right, part("process").scatter
    for kg in (5.0, 170.0):
        s = scatter(kg)
        assert s * right(kg + 3.0 * s, kg, (0.5 * s) ** 2, p) == pytest.approx(
            right(88.0, 85.0, 0.25, p)
        )


def test_no_probability_is_above_1_by_rounding():
    courses = as_records(np.zeros(2, COURSE))
    for c in courses:
        c.weight, c.rights = 0.5000000000000002, 1
    share_right = part("filter").share_right
    assert share_right(SimpleNamespace(courses=courses), 2, 0) == 1.0


@pytest.mark.parametrize("kind", ["digit_swap", "height_as_weight", "outlier", "unit_lb_as_kg"])
def test_every_kind_counts_as_an_error(course, source, kind):
    from weightstream.schema import REASONS

    module = part("course")
    module.remember(course, module.WRONG, REASONS.index(kind), 50.0, source)
    assert course.wrong == 1.0


def test_scatter_grows_with_the_body_and_offsets_do_not():
    process = part("process")
    assert process.scatter(85.0) == pytest.approx(1.0)
    assert process.scatter(170.0) == pytest.approx(math.sqrt(2.0))
    assert process.scatter(5.0) == pytest.approx(0.1 * process.scatter(50.0))
    assert process.small(330.0) == process.small(85.0) == 1.0
    assert process.small(25.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("wrong", "feared"), [(0.0, 0.0), (1.0, 0.05), (3.0, 0.3), (2.0, 4.0)])
def test_the_rate_of_errors_is_the_growth_of_their_evidence(source, wrong, feared):
    evidence = part("course").error_evidence
    growth = evidence(wrong + 1.0, feared, source) / evidence(wrong, feared, source)
    most = part("course").RATE_MOST / (1.0 - source.rate[0])
    assert part("course").rate_factor(wrong, feared, source) == pytest.approx(min(growth, most))
    later = evidence(wrong, feared + 1e-6, source)
    fall = (evidence(wrong, feared, source) - later) / (1e-6 * later)
    assert fall == pytest.approx(growth, rel=1e-3)


def test_what_two_courses_remember_is_a_number_at_the_rarest_errors(course):
    others = as_records(np.zeros(1, COURSE))[0]
    table = {"rare": Source(error_rate=1e-13)}
    rare = as_records(build_model(Kalman(), table, ("rare",)).table)[0]
    for c in (course, others):
        c.wrong, c.feared, c.visits, c.guest = 60.0, 1e-11, 2.0, 300.0
    evidence, joint = part("course").error_evidence, part("course").joint_evidence
    apart = evidence(60.0, 1e-11, rare) ** 2
    assert 0.0 < joint(course, others, 80.0, rare) / apart < math.inf
    rare.rate[:] = 0.0
    rare.rate[0], rare.rate[1] = 0.9, 0.1  # nobody else is ever on this scale
    assert joint(course, others, 80.0, rare) == evidence(120.0, 2e-11, rare)


def test_no_weight_is_lost_where_a_continuation_is_not_followed(monkeypatch):
    """Else a level with many ways to go on loses against one with few."""
    beam, followed = part("beam"), []
    choose = beam.choose

    def choosing(k, i, m):
        followed.append(sum(k.kids[kid].weight for kid in range(m)))
        return choose(k, i, m)

    monkeypatch.setattr(beam, "choose", choosing)
    model = build_model(Kalman(), {}, ("patient-device",))
    readings = np.zeros(9, READING)
    readings["day"], readings["hour"] = np.arange(9.0) + 0.3, 7.2
    readings["weight"] = [80.0, 80.2, 79.9, 80.1, 82.0, 80.0, 79.8, 80.3, 80.0]
    k = beam.make_beam(*map(as_records, (readings, model.process.copy(), model.table)))
    n = beam.start_beam(k, k.readings[0].day)
    for i in range(9):
        beam.advance_all(k, n, k.readings[i].day)
        n, *_, evidence = beam.branch(k, i, n)
        assert followed[-1] == pytest.approx(math.exp(evidence), rel=1e-12)
