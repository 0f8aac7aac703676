import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.parsing.decimals import comma_evidence, normal_form, parse_amounts

numbers = st.decimals(min_value="0.0001", max_value="99999", allow_nan=False, places=6)


def amounts(*texts, decimal_comma=None):
    return parse_amounts(pa.array(texts, pa.string()), decimal_comma)


@pytest.mark.parametrize(
    "text", ["80", "80.0", "080", "8e1", "+80", "80.", "80.000", "0.8E+2", "8000e-2", " 80 "]
)
def test_one_number_has_one_form(text):
    assert normal_form(text) == "80"
    assert amounts(text.strip()).amount.to_pylist() == ["80"]


@pytest.mark.parametrize(
    "text",
    ["0", "0.0", "-80", "-0", "nan", "inf", "Infinity", "", "abc", "8 0", "80kg", "0x50", "1_000",
     "８０", "80,123", "1,23.5", "1e999", "1e-999", "--", "80,", "." , "e5", "9" * 101],
)  # fmt: skip
def test_what_is_no_positive_number(text):
    assert amounts(text).amount.to_pylist() == [None]
    assert math.isnan(amounts(text).value[0])


@pytest.mark.parametrize(
    ("text", "amount"),
    [("80,5", "80.5"), ("80,50", "80.5"), ("80,1234", "80.1234"), ("0,123", "0.123"),
     ("1,234.5", "1234.5"), ("1.234,5", "1234.5"), ("88.849,998", "88849.998"),
     ("1,234,567", "1234567"), ("80.5", "80.5"), ("80.123", "80.123")],
)  # fmt: skip
@pytest.mark.parametrize("decimal_comma", [None, True, False])
def test_commas_and_points_that_have_one_meaning(text, amount, decimal_comma):
    assert amounts(text, decimal_comma=decimal_comma).amount.to_pylist() == [amount]


@pytest.mark.parametrize(
    ("decimal_comma", "amount"), [(None, None), (True, "80.123"), (False, "80123")]
)
def test_a_comma_before_three_digits_means_what_the_file_shows(decimal_comma, amount):
    assert amounts("80,123", decimal_comma=decimal_comma).amount.to_pylist() == [amount]


@pytest.mark.parametrize(
    ("texts", "decimal_comma"),
    [
        (["69,6", "70,125"], True),
        (["1,234.5", "70,125"], False),
        (["70,125"], None),
        (["69,6", "1,234.5"], None),
        (["69,6"] * 1, True),
        (["80.5", "n/a, maybe"], None),
    ],
)
def test_what_the_commas_of_a_file_show(texts, decimal_comma):
    assert comma_evidence(pa.array(texts)).decimal_comma is decimal_comma


def test_a_handful_of_slips_does_not_hide_what_the_others_show():
    many = [f"{whole},5" for whole in range(60, 100)]
    assert comma_evidence(pa.array([*many, "1,234.5"])).decimal_comma is True


@settings(deadline=None)
@given(numbers)
def test_form_is_exact_and_value_is_the_nearest_float(number):
    result = amounts(format(number, "f"))
    assert Decimal(result.amount[0].as_py()) == number
    assert result.value[0] == float(number)


@settings(deadline=None)
@given(st.lists(st.one_of(numbers.map(str), st.text(max_size=8)), max_size=20))
def test_columns_and_single_texts_agree(texts):
    assert amounts(*texts).amount.to_pylist() == [normal_form(text) for text in texts]


@settings(deadline=None)
@given(numbers)
def test_forms_have_no_idle_zero_and_no_exponent(number):
    form = normal_form(str(number))
    assert form == form.strip("+ ")
    assert "e" not in form.lower()
    assert not (form.startswith("0") and not form.startswith("0."))
    assert "." not in form or form[-1] not in "0."


def test_a_missing_text_has_no_value():
    assert amounts(None).amount.to_pylist() == [None]
