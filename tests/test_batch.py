from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream.batch import UserBatch, split_by_rows
from weightstream.judging.evidence import joined

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


def test_nothing_is_known_of_persons_unless_it_is_said() -> None:
    batch = joined([_batch(("a", "b")), _batch(("c",), born=np.array([5.0]), sex=np.ones(1, "i1"))])
    np.testing.assert_array_equal(batch.born, [np.nan, np.nan, 5.0])
    assert batch.sex.tolist() == [0, 0, 1]
    assert batch.sex.dtype == np.int8
    with pytest.raises(ValueError, match="2 persons, but 1 birth dates"):
        _batch(("a", "b"), born=np.array([5.0]))


def _batch(users: tuple[str, ...], **known: Any) -> UserBatch:
    none = np.zeros(0)
    indptr = np.zeros(len(users) + 1, np.int64)
    return UserBatch(users, indptr, none, none, none, np.zeros(0, np.int64), ("s",), **known)
