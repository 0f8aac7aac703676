"""Statements of birth date and sex are merged to the same, whatever their order."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream.batch import SEXES
from weightstream.demographics import (
    CONTRADICTORY,
    Statements,
    born_days,
    contradictions,
    merge,
    of_persons,
    sex_codes,
)
from weightstream.intake.cleaning import Rules, clean
from weightstream.readers import Dialect
from weightstream.readers.block import raw_table_of_rows
from weightstream.schema import DEMOGRAPHICS
from weightstream.store.writing import describe

BORN, OTHER = "1984-05-31", "1985-01-01"
DAY = (datetime(1984, 5, 31) - datetime(1970, 1, 1)).days
HEAD = "user_id,time,weight,unit,birth_date,sex\n"

STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from([None, BORN, OTHER, CONTRADICTORY]),
        st.sampled_from([None, "m", "f"]),
    ),
    max_size=12,
)


def table(rows):
    return (
        pa.table([[*column] for column in zip(*rows, strict=True)], schema=DEMOGRAPHICS)
        if (rows)
        else DEMOGRAPHICS.empty_table()
    )


@given(STATEMENTS, st.randoms(), st.integers(0, 12))
def test_neither_order_nor_repetition_nor_splitting_matters(rows, chance, cut):
    whole = merge(table(rows))
    shuffled = rows * 2
    chance.shuffle(shuffled)
    parts = [merge(table(shuffled[:cut])), merge(table(shuffled[cut:]))]
    assert merge(pa.concat_tables(parts)) == whole
    for user, born, sex in zip(*(column.to_pylist() for column in whole.columns), strict=True):
        dates = {date for who, date, _ in rows if who == user and date}
        sexes = {one for who, _, one in rows if who == user and one}
        assert born == (None if not dates else dates.pop() if len(dates) == 1 else CONTRADICTORY)
        assert sex == (None if not sexes else sexes.pop() if len(sexes) == 1 else CONTRADICTORY)


@given(STATEMENTS)
def test_the_store_merges_in_the_same_way(rows):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table demographics (user_id primary key, birth_date, sex)")
        for user, born, sex in rows:
            describe(connection, {"user_id": [user], "birth_date": [born], "sex": [sex]})
        stored = connection.execute("select * from demographics order by 1").fetchall()
    assert stored == [tuple(row.values()) for row in merge(table(rows)).to_pylist()]


def test_statements_are_merged_as_they_come(monkeypatch):
    monkeypatch.setattr("weightstream.demographics.MOST_ROWS", 3)
    held = Statements()
    for number in range(50):
        held.append(table([("a", BORN, None), (f"p{number % 2}", None, "m")]))
        assert held._rows <= 3 + 3 * 3
    assert held.merged()["user_id"].to_pylist() == ["a", "p0", "p1"]


def test_what_contradicts_is_not_used():
    known = merge(table([("a", BORN, "m"), ("b", BORN, "m"), ("b", OTHER, "f")]))
    people = of_persons(["b", "nobody", "a"], known)
    np.testing.assert_array_equal(born_days(people), [np.nan, np.nan, DAY])
    assert [SEXES[code] for code in sex_codes(people)] == [None, None, "m"]
    assert contradictions(known) == {"birth_date": 1, "sex": 1}


def row(user, weight="80", **more):
    return {"user_id": user, "time": "2024-01-01", "weight": weight, "unit": "kg", **more}


@pytest.mark.parametrize(
    ("written", "order", "read"),
    [
        ("1984-05-31", None, BORN),
        (" 31.05.1984 ", None, BORN),
        ("1984-05-31 00:00:00", None, BORN),
        ("31 May 1984", None, BORN),
        ("05/04/1984", "mdy", "1984-05-04"),
        ("05/04/1984", None, None),  # may mean two
        ("05/31/84", None, None),  # or 1884, of a person of the last century
        ("1984", None, None),
        ("1849-12-31", None, None),
        ("2030-01-02", None, None),  # the run is of the day before
        ("unknown", None, None),
    ],
)
def test_a_birth_date_is_a_whole_date_that_means_one_day(written, order, read):
    raw = raw_table_of_rows([row("a", birth_date=written), row("a")])
    found = clean(raw, Rules(datetime(2030, 1, 1, tzinfo=UTC)), 0, Dialect(date_order=order))
    assert found.demographics["birth_date"].to_pylist() == ([read] if read else [])
    assert found.unused_births == (read is None)


def test_rows_that_name_nobody_state_nothing_and_others_do_though_their_weight_is_bad():
    rows = [
        row("NA", birth_date=BORN),
        row("", birth_date=BORN, sex="m"),
        row("a", weight="abc", birth_date=BORN, sex="d"),
        row(" a ", birth_date=BORN, sex="f"),
        row("a", birth_date=BORN, sex="f"),
    ]
    found = clean(raw_table_of_rows(rows), Rules(datetime(2030, 1, 1, tzinfo=UTC)), 0)
    stated = {tuple(one.values()) for one in found.demographics.to_pylist()}
    assert stated == {("a", BORN, None), ("a", BORN, "f")}
    assert found.demographics.num_rows == 2
