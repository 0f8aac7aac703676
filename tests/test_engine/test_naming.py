"""Which name a rejected reading gets: what decimals, habits and neighbours say of it."""

import pytest

from tests.test_engine.readings import names, series
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.model import PRIOR


def named(make_batch, kilos, row, source="patient-upload"):
    batch = make_batch(series(kilos), sources=(source,))
    return names(smooth_batch(batch, build_model(Kalman(), {}, batch.sources, PRIOR)))[row]


def with_value(kilos, row, kg):
    return [*kilos[:row], kg, *kilos[row + 1 :]]


def test_a_right_value_off_by_more_than_usual_can_be_undone_too(make_batch):
    """207.2 lb are 94.0 kg, 3.3 kg below the others: a meal and a coat less."""
    kilos = [97.2 + 0.1 * (i % 3) for i in range(40)]
    assert named(make_batch, with_value(kilos, 20, 207.2), 20) == "unit_lb_as_kg"


def test_hundreds_that_are_left_out_leave_no_number_that_begins_with_0(make_batch):
    kilos = [100.4 + 0.1 * (i % 3) for i in range(40)]
    assert named(make_batch, with_value(kilos, 20, 0.5), 20) == "implausible"
    kilos = [117.4 + 0.1 * (i % 3) for i in range(40)]
    assert named(make_batch, with_value(kilos, 20, 17.5), 20) == "hundreds_off"


@pytest.mark.parametrize("scale", ["tenths", "whole"])
def test_a_whole_number_tells_a_height_where_weights_are_not_whole(make_batch, scale):
    kilos = [100.3 + 0.5 * (i % 3) for i in range(40)]
    if scale == "whole":
        kilos = [float(round(kg)) for kg in kilos]
    inches = named(make_batch, with_value(kilos, 20, 67.0), 20)
    assert (inches == "height_as_weight") == (scale == "tenths")


def test_who_types_in_pounds_types_a_height_there_too(make_batch):
    """76.2 kg are 168 lb: of one whose readings are tenths of a pound, 168 cm."""
    pounds = [round(tenths * 0.045359237, 2) for tenths in range(2031, 2071)]
    kg = [round(value, 1) for value in pounds]
    assert named(make_batch, with_value(pounds, 20, 76.2), 20) == "height_as_weight"
    assert named(make_batch, with_value(kg, 20, 76.2), 20) == "other_person"


def test_errors_side_by_side_are_rather_of_one_kind(make_batch):
    """178.5 is 78.5 with a hundred too many, and 81.0 in pounds."""
    kilos = [80.0 + 0.1 * (i % 3) for i in range(40)]
    alone = named(make_batch, with_value(kilos, 20, 178.5), 20)
    beside = named(make_batch, with_value(with_value(kilos, 20, 178.5), 21, 280.1), 20)
    later = named(make_batch, with_value(with_value(kilos, 20, 178.5), 25, 280.1), 20)
    assert (alone, beside, later) == ("unit_lb_as_kg", "hundreds_off", "unit_lb_as_kg")


def test_two_that_are_alike_by_chance_do_not_make_each_other_a_person(make_batch):
    """152 and 154 kg: hardly anybody weighs so much, and each has only the other's word for it."""
    kilos = [122.4 + 0.1 * (i % 3) for i in range(40)]
    kilos[12], kilos[28] = 152.2, 154.3
    assert named(make_batch, kilos, 12) == "outlier"
    assert named(make_batch, kilos, 28) == "outlier"


def test_strangers_each_time_leave_room_for_the_next(make_batch):
    """A feed that mixes up records: nobody comes twice, so nobody is expected to."""
    kilos = [118.4 + 0.1 * (i % 3) for i in range(60)]
    strangers = {5: 50.3, 12: 61.7, 21: 75.9, 30: 84.9, 41: 95.6, 47: 67.4, 52: 79.1, 56: 90.2}
    for row, kg in strangers.items():
        kilos[row] = kg
    found = [named(make_batch, kilos, row, "https://api.iglucose.com") for row in strangers]
    assert found.count("other_person") >= len(strangers) - 1


def test_whole_numbers_are_a_habit_of_one_source(make_batch):
    """A clinic that rounds does not make a whole number usual for a scale that shows tenths."""
    kilos = [100.3 + 0.5 * (i % 3) for i in range(40)]
    rows = [(*row, i % 2) for i, row in enumerate(series(kilos))]
    rounded = [(day, round(kg) if of else kg, of) for day, kg, of in rows]
    for whose, kind in ((20, "height_as_weight"), (21, "other_person")):
        some = [(day, 67.0 if i == whose else kg, of) for i, (day, kg, of) in enumerate(rounded)]
        batch = make_batch(some, sources=("patient-upload", "clinic"))
        model = build_model(Kalman(), {}, batch.sources, PRIOR)
        assert names(smooth_batch(batch, model))[whose] == kind
