import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.parsing.decimals import normal_form, parse_amounts

numbers = st.decimals(min_value="0.0001", max_value="99999", allow_nan=False, places=6)


def amounts(*texts, decimal_comma=False):
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
     "８０", "1,234.5", "1e999", "1e-999", "--", "80,5", "." , "e5", "9" * 101],
)  # fmt: skip
def test_what_is_no_positive_number(text):
    assert amounts(text).amount.to_pylist() == [None]
    assert math.isnan(amounts(text).value[0])


@pytest.mark.parametrize(
    ("text", "amount"),
    [("80,5", "80.5"), ("80,50", "80.5"), ("80,1234", "80.1234"), ("0,123", "0.123"),
     ("80,123", None), ("1.234,5", None), ("80,", None), ("80.5", "80.5")],
)  # fmt: skip
def test_decimal_comma_only_where_allowed_and_where_it_cannot_mean_thousands(text, amount):
    assert amounts(text, decimal_comma=True).amount.to_pylist() == [amount]


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
