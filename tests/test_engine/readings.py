"""Strange persons, and what is short to write about readings."""

import numpy as np
from hypothesis import strategies as st

from weightstream.engine import mixture
from weightstream.schema import REASONS

SOURCES = ("patient-device", "care-team-upload", "somewhere new")
TWO = ("patient-device", "patient-upload")

gaps = st.one_of(st.just(0.0), st.floats(1e-6, 1e-3), st.floats(0.1, 40), st.floats(300, 11_000))
kilos = st.one_of(
    st.floats(78, 82),
    st.floats(60, 64),
    st.integers(300, 4000).map(lambda tenths: tenths / 10),
    st.integers(300, 4000).map(lambda tenths: tenths / 10 * mixture.LB),
    st.integers(300, 4000).map(lambda tenths: round(tenths / 10 * mixture.LB, 2)),
    st.floats(1e-3, 1e4),
    st.sampled_from([1e-300, 1e300]),
)
hours = st.one_of(st.just(float("nan")), st.floats(0, 24))
reading = st.tuples(gaps, kilos, st.integers(0, 2), hours)
person = st.lists(reading, min_size=1, max_size=14)
persons = st.lists(person, min_size=1, max_size=3)
said_of = st.lists(st.sampled_from([0, 0, 0, 1, -1]), max_size=20)


def to_series(person):
    """(gap, kg, source, hour) of each reading with the day instead of the gap."""
    days = 19_000 + np.cumsum([gap for gap, *_ in person])
    return [(day, *rest) for day, (_, *rest) in zip(days, person, strict=True)]


def series(kilos, every=1.0, start=19_000.0):
    return [(start + every * i, kg) for i, kg in enumerate(kilos)]


def names(result):
    return [REASONS[code] for code in result.reason]
