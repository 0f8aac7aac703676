import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream.store.connection import open_writer
from weightstream.store.writing import ROWS_PER_STATEMENT, insert, literal


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("create table t (a integer primary key, b text, c real, d text)")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "rows", [0, 1, ROWS_PER_STATEMENT - 1, ROWS_PER_STATEMENT, 2 * ROWS_PER_STATEMENT + 3]
)
def test_insert_puts_every_row_once_in_its_columns(connection, rows):
    columns = {
        "a": list(range(rows)),
        "b": [f"text {n}" for n in range(rows)],
        "c": [n / 7 for n in range(rows)],
        "d": "o'clock",
    }
    insert(connection, "t", columns)
    assert connection.execute("select * from t order by a").fetchall() == [
        (n, f"text {n}", n / 7, "o'clock") for n in range(rows)
    ]


def test_nan_and_none_are_null(connection):
    insert(connection, "t", {"a": [1, 2], "b": ["x", None], "c": [float("nan"), 1.0], "d": ""})
    assert connection.execute("select b, c from t order by a").fetchall() == [
        ("x", None),
        (None, 1.0),
    ]


@given(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_a_literal_reads_back_as_itself(value):
    connection = sqlite3.connect(":memory:")
    assert connection.execute(f"select {literal(value)}").fetchone() == (value,)
    connection.close()


def test_replace_changes_the_named_rows_only(connection):
    insert(connection, "t", {"a": [1, 2, 3], "b": ["x", "y", "z"], "c": [1.0, 2.0, 3.0], "d": ""})
    insert(connection, "t", {"a": [3, 1], "c": [30.0, 10.0], "b": "new"}, verb="replace")
    assert connection.execute("select a, b, c from t order by a").fetchall() == [
        (1, "new", 10.0),
        (2, "y", 2.0),
        (3, "new", 30.0),
    ]


def test_tables_hold_what_the_documentation_says(data_dir):
    with open_writer(data_dir) as connection:
        names = {
            name
            for (name,) in connection.execute(
                "select name from sqlite_master where type in ('table', 'view')"
            )
        }
    assert {
        "files", "runs", "users", "sources", "measurements", "decisions", "user_states",
        "level_shifts", "quarantine", "overrides", "erasures", "current_decisions",
    } <= names  # fmt: skip


def test_floats_pass_through_the_store_unchanged(connection):
    values = np.random.default_rng(1).normal(80, 20, 1000)
    insert(connection, "t", {"a": list(range(1000)), "b": "", "c": values.tolist(), "d": ""})
    back = [c for (c,) in connection.execute("select c from t order by a")]
    assert back == values.tolist()
