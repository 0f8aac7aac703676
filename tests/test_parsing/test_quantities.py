import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.parsing.quantities import as_measured, parse_quantities, quantity_of
from weightstream.parsing.units import CODES, KILOGRAMS


def one(text, decimal_comma=None):
    found = quantity_of(text, decimal_comma)
    return found and (found.amount, found.unit, found.complete)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("80.5 kg", ("80.5", "kg", False)),
        ("80,5kg", ("80.5", "kg", False)),
        ("180 lbs", ("180", "lb", False)),
        ("180 Lbs.", ("180", "lb", False)),
        ("12 st 4 lb", ("172", "lb", True)),
        ("12st4lb", ("172", "lb", True)),
        ("12 st 4", ("172", "lb", True)),
        ("12 stone, 3.5 pounds", ("171.5", "lb", True)),
        ("12 st 0 lb", ("168", "lb", True)),
        ("12 st", ("12", "st", False)),
        ("176 lb 8 oz", ("2824", "oz", True)),
        ("80 kg 500 g", ("80500", "g", True)),
        ("80.5", ("80.5", None, False)),
    ],
)
def test_numbers_with_their_units(text, found):
    assert one(text) == found


@pytest.mark.parametrize(
    "text",
    ["12 lb 4 st", "12 st 14 lb", "12 st 172 lb", "12.5 st 4 lb", "12 st 4 kg",
     "80.5 kg 3", "80 apples", "kg", "12 st 4 lb 3 oz 2 g", "5 kg/m2",
     "80 kg or so", "0 kg", "-80 kg", "12 st -4 lb", "80 000 kg", "1 kg" * 60],
)  # fmt: skip
def test_what_is_no_quantity(text):
    assert one(text) is None


def test_a_comma_in_a_quantity_means_what_the_file_shows():
    assert one("80,500 kg") is None
    assert one("80,500 kg", True) == ("80.5", "kg", False)
    assert one("80,500 g", False) == ("80500", "g", False)


def test_columns_and_single_texts_agree():
    texts = ["80.5", "12 st 4 lb", None, "x", "80 kg", "1e2", "80,123"]
    found = parse_quantities(pa.array(texts, pa.string()))
    singles = [quantity_of(text) if text else None for text in texts]
    assert found.amount.to_pylist() == [one and one.amount for one in singles]
    units = [CODES.index(one.unit) if one and one.unit else -1 for one in singles]
    assert found.unit.tolist() == units
    assert found.complete.tolist() == [bool(one and one.complete) for one in singles]
    assert np.isnan(found.value).tolist() == [one is None for one in singles]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 27))
def test_stones_and_pounds_are_exact(stones, halves):
    found = quantity_of(f"{stones} st {halves / 2} lb")
    assert float(found.amount) == stones * 14 + halves / 2
    assert found.unit == "lb"


@pytest.mark.parametrize(
    ("raw_weight", "raw_unit", "kg", "amount", "unit"),
    [
        ("80,500", "kg", 80.5, "80.5", "kg"),
        ("80,500", "g", 80.5, "80500", "g"),
        ("12 st 4 lb", "st", 172 * float(KILOGRAMS["lb"]), "172", "lb"),
        ("176.4", "[lb_av]", 176.4 * float(KILOGRAMS["lb"]), "176.4", "lb"),
    ],
)
def test_the_mass_tells_what_a_stored_text_meant(raw_weight, raw_unit, kg, amount, unit):
    found = as_measured(raw_weight, raw_unit, kg)
    assert (found.amount, found.unit) == (amount, unit)
