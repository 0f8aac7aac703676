import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weightstream import schema
from weightstream.intake.partition import (
    PARTITIONS,
    ROWS_PER_TASK,
    Partitions,
    Spool,
    concat,
    number_of_batches,
    plan,
    spill_folder,
)


def table_of(users, first_line=0):
    """A schema.MEASUREMENT table with a row for each of users, in that order."""
    count = len(users)
    columns = {
        field.name: pa.array(["x"] * count, pa.string()).cast(pa.string()).dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else pa.array([None] * count, field.type)
        for field in schema.MEASUREMENT
    }
    columns["user_id"] = pa.array(users, pa.string()).dictionary_encode()
    columns["line"] = pa.array(range(first_line, first_line + count), pa.int64())
    return pa.table(columns, schema=schema.MEASUREMENT)


def rows_of(table):
    return list(zip(table["user_id"].to_pylist(), table["line"].to_pylist(), strict=True))


USERS = st.lists(st.sampled_from("abcdefghij") | st.text("é€ x", min_size=1), max_size=40)


@given(st.lists(USERS.filter(bool), min_size=1, max_size=6), st.sampled_from([1, 5, 1000]))
def test_spilled_or_not_every_row_comes_back_once(fresh_dir, tables_in, spill_rows):
    folder = fresh_dir() / "spill" / "1-a"
    partitions, line = Partitions(folder, spill_rows), 0
    for users in tables_in:
        partitions.append(table_of(users, line))
        line += len(users)
    assert partitions.rows == line
    assert folder.exists() == (line > spill_rows)
    out = list(partitions.tables())
    assert sorted(row for table in out for row in rows_of(table)) == sorted(
        zip([user for users in tables_in for user in users], range(line), strict=True)
    )
    persons = [set(table["user_id"].to_pylist()) for table in out]
    assert sum(map(len, persons)) == len(set.union(*persons))
    assert all(table.schema == schema.MEASUREMENT for table in out)
    assert not folder.exists()


def test_a_spilled_partition_keeps_the_order_of_its_rows(fresh_dir):
    partitions = Partitions(fresh_dir(), 1)
    for start in range(0, 90, 30):
        partitions.append(table_of(["a", "b", "c"] * 10, start))
    for table in partitions.tables():
        assert table["line"].to_pylist() == sorted(table["line"].to_pylist())


def test_large_input_is_spread_over_the_partitions(fresh_dir):
    partitions = Partitions(fresh_dir(), 10)
    partitions.append(table_of([f"user {n}" for n in range(5000)]))
    sizes = [len(table) for table in partitions.tables()]
    assert len(sizes) == PARTITIONS
    assert max(sizes) < 3 * 5000 / PARTITIONS


@pytest.mark.parametrize("limit", [0, 4, 100])
def test_a_spool_gives_back_all_in_order(fresh_dir, limit):
    path = fresh_dir() / "deep" / "spool.parquet"
    spool = Spool(path, limit)
    for start in range(0, 12, 3):
        spool.append(table_of(["a", "b", "c"], start))
    assert spool.rows == 12
    assert path.exists() == (limit < 12)
    assert [line for table in spool.tables() for line in table["line"].to_pylist()] == list(
        range(12)
    )
    assert not path.exists()


@given(
    st.lists(st.integers(0, 120), min_size=1, max_size=300),
    st.integers(1, 9),
    st.sampled_from([0, 1, 3, 1000]),
)
def test_a_person_is_in_exactly_one_batch(persons, width, users_per_task):
    table = concat([table_of([f"{person:03}" for person in persons])])
    parts = [rows_of(part.take()) for part in plan(table, width, users_per_task)]
    assert sorted(row for rows in parts for row in rows) == sorted(rows_of(table))
    people = [sorted({user for user, _ in rows}) for rows in parts]
    in_order = [user for some in people for user in some]
    assert in_order == sorted(set(in_order))
    assert all(people)
    if users_per_task:
        assert all(len(some) == users_per_task for some in people[:-1])
    else:
        assert len(parts) == 1  # few rows, whatever the number of persons and threads


def test_persons_without_a_row_do_not_disturb_the_plan():
    """A dictionary may name persons whose rows were filtered out."""
    table = table_of(["b", "a", "c", "b"])
    table = concat([table.filter(pa.array([True, False, False, True]))])
    (part,) = plan(table, 2, 0)
    assert rows_of(part.take()) == [("b", 0), ("b", 3)]


@given(st.integers(1, 10**8), st.integers(1, 64))
def test_there_are_few_batches_and_none_is_large(rows, width):
    count = number_of_batches(rows, width)
    assert 1 <= count <= width + -(-rows // ROWS_PER_TASK)
    assert rows / count <= ROWS_PER_TASK


def test_spill_files_of_dead_processes_are_removed(data_dir):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        "dead": f"{ended.pid}-0a",
        "alive": f"{os.getpid()}-0b",
        "of someone": "my-notes",
    }
    for name in names.values():
        (data_dir / "spill" / name).mkdir(parents=True)
        (data_dir / "spill" / name / "00.parquet").write_text("x")
    folder = spill_folder(data_dir)
    left = {path.name for path in (data_dir / "spill").iterdir()}
    assert left == {names["alive"], names["of someone"]}
    assert not folder.exists()
    assert folder.parent == data_dir / "spill"
    assert spill_folder(data_dir) != folder


def test_joined_makes_one_dictionary(fresh_dir):
    table = concat([table_of(["b", "a"]), table_of(["a", "c"], 2)])
    codes = table["user_id"].combine_chunks()
    assert len(codes.dictionary) == len(np.unique(codes.dictionary.to_pylist())) == 3
