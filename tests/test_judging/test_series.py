import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from weightstream.judging.series import SERIES, by_person, user_batch


@given(st.lists(st.sampled_from(["a", "b", "ö", "z z"]), max_size=30).map(sorted))
def test_by_person_gives_each_their_rows(users):
    names, indptr = by_person(pa.chunked_array([pa.array(users, pa.string())]))
    assert [
        name for name, count in zip(names, np.diff(indptr), strict=True) for _ in range(count)
    ] == users
    assert len(set(names)) == len(names)


def test_by_person_of_a_column_in_pieces():
    """Filtering leaves dictionaries that name more than there is, in an order of their own."""
    pieces = [
        pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int32()), ["b", "a"]),
        pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), ["b", "c"]),
    ]
    names, indptr = by_person(pa.chunked_array([piece.cast(pa.string()) for piece in pieces]))
    assert names == ("a", "b")
    assert indptr.tolist() == [0, 2, 3]


def test_user_batch_speaks_in_days():
    row = {
        "user_id": "a", "time_us": 86_400_000_000 * 3 // 2, "source": "s", "weight_kg": 80.0,
        "measurement_id": "x", "effective_at": "1970-01-02", "local_hour": None, "new_row": 0,
    }  # fmt: skip
    later = row | {"time_us": 2 * 86_400_000_000, "source": "t", "local_hour": 7.5}
    batch = user_batch(pa.Table.from_pylist([row, later, later | {"user_id": "b"}], SERIES))
    assert batch.user_ids == ("a", "b")
    assert batch.indptr.tolist() == [0, 2, 3]
    assert batch.day.tolist() == [1.5, 2.0, 2.0]
    assert np.isnan(batch.hour[0])
    assert batch.hour.tolist()[1:] == [7.5, 7.5]
    assert [batch.sources[code] for code in batch.source] == ["s", "t", "t"]
    assert all(values.flags.writeable for values in (batch.hour, batch.weight_kg))


def test_user_batch_of_nobody():
    batch = user_batch(SERIES.empty_table())
    assert (batch.user_ids, batch.indptr.tolist(), len(batch.day)) == ((), [0], 0)
