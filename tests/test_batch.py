import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream.batch import split_by_rows

ROWS = st.lists(st.integers(0, 2000), max_size=60).map(lambda rows: np.array(rows, np.int64))


@given(ROWS, st.integers(1, 20))
def test_every_user_is_in_exactly_one_batch_in_order(rows, batches):
    slices = split_by_rows(rows, batches)
    users = [user for one in slices for user in range(len(rows))[one]]
    assert users == list(range(len(rows)))
    assert all(one.stop > one.start for one in slices)
    assert len(slices) <= batches


@given(ROWS.filter(lambda rows: rows.sum() > 0), st.integers(1, 20))
def test_no_batch_is_larger_than_its_share_and_one_user(rows, batches):
    share = rows.sum() / min(batches, len(rows))
    most = max(rows[one].sum() for one in split_by_rows(rows, batches))
    assert most < share + rows.max() + 1e-6


@pytest.mark.parametrize("batches", [2, 3, 7])
def test_equal_users_are_shared_equally(batches):
    sizes = [one.stop - one.start for one in split_by_rows(np.full(42, 9), batches)]
    assert sizes == [42 // batches] * batches
