from math import nan

import pytest

from weightstream.judging.explanation import EXPLAINED_BY, LOOKS_LIKE, explain, explain_rows
from weightstream.schema import REASONS


def test_the_sentence_has_expectation_name_value_and_probability():
    sentence = explain("unit_lb_as_kg", 183.0, 82.1, 84.3, 83.007, 0.002)
    assert sentence == (
        "expected 82.1-84.3 kg; 183.0 looks like pounds read as kg: 83.0 kg; probability 0.998"
    )


def test_what_is_not_known_is_left_out():
    for missing in (nan, None):
        sentence = explain("implausible", 6553.5, missing, missing, missing, 0.0)
        assert sentence == "6553.5 is not a possible body weight; probability above 0.999"
        assert explain("outlier", 60.0, missing, 80.0, 70.0, missing) == (
            "60.0 fits no explanation: 70.0 kg"
        )


def test_an_absurd_number_keeps_the_sentence_short():
    assert explain("implausible", 1e300, nan, nan, nan, nan) == (
        "1e+300 is not a possible body weight"
    )


@pytest.mark.parametrize("reason", [r for r in REASONS if r != "ok"])
def test_every_reason_for_rejection_has_words(reason):
    assert explain(reason, 100.0, 80.0, 82.0, nan, 0.1)


def test_an_accepted_reading_needs_none():
    assert explain("ok", 80.0, 79.0, 81.0, nan, 0.99) == ""


def test_no_words_for_reasons_that_do_not_exist():
    assert set(LOOKS_LIKE) < set(REASONS)


def test_rows_of_the_export_are_told_one_by_one():
    rows = [
        ("ok", 80.0, 79.0, 81.0, None, 0.99, None, None, None),
        ("digit_swap", 57.0, 74.0, 76.0, 75.0, 0.01, 0.5, "other_person", 0.45),
    ]
    columns = dict(zip(EXPLAINED_BY, zip(*rows, strict=True), strict=True))
    assert explain_rows(columns, [1, 0]) == [explain(*rows[1]), ""]


def test_a_reason_that_is_hardly_likelier_than_the_next_is_given_with_it():
    told = ("digit_swap", 57.0, 74.0, 76.0, 75.0, 0.01)
    assert explain(*told, 0.55, "other_person", 0.41) == (
        "expected 74.0-76.0 kg; 57.0 possibly looks like two digits swapped: 75.0 kg, "
        "or looks like another person (0.41); probability 0.990"
    )
    assert "possibly" not in explain(*told, 0.65, "other_person", 0.31)
    of_an_earlier_version = explain(*told, 0.55, None, None)
    assert "57.0 possibly looks like two digits swapped: 75.0 kg; prob" in of_an_earlier_version
