from fractions import Fraction

import pytest

from weightstream.errors import InputError
from weightstream.parsing.units import (
    CODES,
    canonical_unit,
    measures_something_else,
    parse_units,
    required_unit,
)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("kg", "kg"),
        (" KG ", "kg"),
        ("Kilograms", "kg"),
        ("g", "g"),
        ("[lb_av]", "lb"),
        ("[lb_ap]", "lb"),
        ("[LB_AV]", "lb"),
        ("lbs", "lb"),
        ("Pounds", "lb"),
        ("oz", "oz"),
        ("st", "st"),
        ("stone", "st"),
        ("kg/m2", None),
        ("cm", None),
        ("[lb_tr]", None),
        ("", None),
        ("k", None),
    ],
)
def test_spellings(text, unit):
    assert canonical_unit(text) == unit


@pytest.mark.parametrize("text", ["kg/m2", "kg / m^2", "KG/M²", "m2", "M²", "bmi"])
def test_body_mass_index_and_surface_are_something_else(text):
    assert measures_something_else(text)


def test_kg_and_unknown_units_are_not_taken_for_something_else():
    assert not measures_something_else("kg")
    assert not measures_something_else("furlong")


def test_factors_are_those_of_the_international_pound():
    units = parse_units(["lb", "oz", "st", "g", "kg"])
    kg = 1.0 * units.multiplier / units.divisor
    pound = Fraction("0.45359237")
    expected = [float(pound), float(pound / 16), float(pound * 14), 0.001, 1.0]
    assert kg.tolist() == expected


def test_grams_give_the_nearest_float():
    units = parse_units(["g"])
    grams = range(20_000, 200_000, 37)
    assert all(g * units.multiplier[0] / units.divisor[0] == g / 1000 for g in grams)


def test_unknown_units_have_no_code():
    units = parse_units(["lbs", "xyz", "kg/m2"])
    assert CODES[units.code[0]] == "lb"
    assert units.code[1:].tolist() == [-1, -1]
    assert units.not_body_weight.tolist() == [False, False, True]


def test_a_unit_that_a_person_gives_must_be_one():
    assert required_unit("LBS") == "lb"
    with pytest.raises(InputError, match="'bananas' is no unit of weight"):
        required_unit("bananas")
