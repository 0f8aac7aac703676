from fractions import Fraction

import numpy as np
import pytest

from weightstream.errors import InputError
from weightstream.parsing.units import (
    CODES,
    canonical_unit,
    kilograms,
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
        ("9529", "kg"),
        ("Pounds (lb)", "lb"),
        ("kg (lb)", None),
        ("8739", "lb"),
        ("KGM", "kg"),
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
    kg = kilograms(np.ones(5), parse_units(["lb", "oz", "st", "g", "kg"]).code)
    pound = Fraction("0.45359237")
    expected = [float(pound), float(pound / 16), float(pound * 14), 0.001, 1.0]
    assert kg.tolist() == expected


def test_grams_give_the_nearest_float():
    grams = np.arange(20_000.0, 200_000.0, 37.0)
    kg = kilograms(grams, np.full(len(grams), CODES.index("g"), dtype=np.int32))
    assert kg.tolist() == [gram / 1000 for gram in grams.tolist()]


def test_unknown_units_have_no_code():
    units = parse_units(["lbs", "xyz", "kg/m2"])
    assert CODES[units.code[0]] == "lb"
    assert units.code[1:].tolist() == [-1, -1]
    assert units.not_body_weight.tolist() == [False, False, True]


def test_a_unit_that_a_person_gives_must_be_one():
    assert required_unit("LBS") == "lb"
    with pytest.raises(InputError, match="'bananas' is not a known unit of weight"):
        required_unit("bananas")
