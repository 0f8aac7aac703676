"""The compiled engine against its pykalman twin, both passes."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_engine.readings import SOURCES
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch, smooth_batch

EXACT = ("accepted", "reason", "shift_user", "shift_row", "second_reason")
gaps = st.sampled_from([0.0, 0.01, 0.5, 1.0, 1.0, 2.0, 7.0, 40.0, 400.0])
kilos = st.one_of(
    st.floats(79, 81), st.floats(79, 81), st.floats(60, 62),
    st.sampled_from([176.4, 36.3, 8.0, 180.0, 3.4, 190.0, 94.0, 82.0, 0.2, 900.0]),
)  # fmt: skip
reading = st.tuples(gaps, kilos, st.integers(0, 2), st.sampled_from([8.0, 20.0, float("nan")]))
person = st.lists(reading, min_size=1, max_size=9)


def agree(fast, slow):
    for field in fields(fast):
        one, two = getattr(fast, field.name), getattr(slow, field.name)
        if field.name in EXACT:
            np.testing.assert_array_equal(one, two, err_msg=field.name)
        else:
            np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-9, err_msg=field.name)


births = st.sampled_from([float("nan"), 2_000.0, 15_000.0, 18_900.0, 19_010.0])


@given(
    person,
    st.lists(st.sampled_from([0, 0, 0, 0, 1, -1]), min_size=9, max_size=9),
    births,
    st.sampled_from([0, 1, 2]),
)
@settings(max_examples=15, deadline=None)
def test_both_engines_agree(make_batch, readings, forced, born, sex):
    days = 19_000 + np.cumsum([gap for gap, *_ in readings])
    rows = [(day, *rest) for day, (_, *rest) in zip(days, readings, strict=True)]
    forced = forced[: len(rows)]
    batch = make_batch(rows, sources=SOURCES, forced=forced, born=[born], sex=[sex])
    model = build_model(Kalman(), {}, SOURCES)
    for run in (filter_batch, smooth_batch):
        agree(run(batch, model), run(batch, model, engine="pykalman"))
