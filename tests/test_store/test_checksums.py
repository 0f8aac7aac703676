"""What changes in a store by itself is noticed; what weightstream writes never is."""

import sqlite3

import numpy as np
import pyarrow as pa
import pytest

from tests.running import draw_pages, run
from weightstream.errors import StoreError
from weightstream.store.connection import STORE_NAME
from weightstream.store.hashing import hash_columns, hash_row
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.verifying import damage_of

TEXTS = ["", "a", "12345678", "123456789", "ünïcödé ☃ 0123456789abcdef", None, "a\0b"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (TEXTS, "text"),
        ([b"", b"\0", b"\0\0", bytes(range(256)), None], "blob"),
        ([0, -1, 1 << 40, None, -(1 << 63)], "integer"),
        ([0.0, 1.5, None, -2.25, 1e300], "real"),
    ],
)
def test_columns_are_hashed_as_their_rows_are(values, kind):
    columns = hash_columns(
        [(values, kind), ("retro", "text"), (7, "integer"), (None, "real")], len(values)
    )
    assert columns.tolist() == [hash_row(value, "retro", 7, None) for value in values]
    assert len(set(columns.tolist())) == len(values)


def test_a_slice_of_a_column_is_hashed_as_the_rows_in_it():
    texts = pa.array(TEXTS).slice(2, 4)
    assert hash_columns([(texts, "text")], 4).tolist() == [hash_row(text) for text in TEXTS[2:6]]


def test_minus_zero_and_nan_are_what_sqlite_makes_of_them():
    made = hash_columns([(np.array([-0.0, np.nan]), "real")], 2).tolist()
    assert made == [hash_row(0.0), hash_row(None)]


@pytest.mark.parametrize("cell", ["person-1 ☃", b"state" * 9])
def test_every_bit_of_a_cell_counts(cell):
    raw = cell.encode() if isinstance(cell, str) else cell
    seen = {hash_row(cell, 80.25)}
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        seen.add(hash_row(bytes(changed), 80.25))
    assert len(seen) == 1 + 8 * len(raw)


def damage(data_dir):
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        found = damage_of(connection)
    connection.close()
    return found


def change(data_dir, statement):
    """As no program of ours does it: without the functions and triggers of its connection."""
    with sqlite3.connect(data_dir / STORE_NAME) as connection:
        connection.execute(statement)
    connection.close()


def test_whatever_weightstream_writes_is_sound(store, store_files, csv_of, decide, id_of, smooth):
    """Also respelt, corrected, assigned, withdrawn, learnt, erased, quarantined rows."""
    more = [("a", "2024-01-09T07:00:00Z", "176.40"), ("a", "x", "80"), ("c", "2024-01-01", "70")]
    store_files(store, csv_of(*more))
    decide(store, id_of(store, "80.20"), "assign", "b")
    decide(store, id_of(store, "80.22"), "reject")
    decide(store, id_of(store, "80.22"), "withdraw")
    smooth(store)
    run("learn", "--data-dir", store)
    assert not damage(store)
    assert run("erase", "a", "--data-dir", store).exit_code == 0
    assert not damage(store)
    assert run("erase", "c", "--data-dir", store).exit_code == 0
    assert not damage(store)


@pytest.mark.parametrize(
    "statement",
    [
        "update measurements set weight_kg = weight_kg + 0.01 where raw_weight = '80.20'",
        "update measurements set raw_weight = '80.21' where raw_weight = '80.20'",
        "update measurements set line = line + 1 where raw_weight = '80.20'",
        "update decisions set level_kg = level_kg + 1e-9 where user_id = 'a'",
        "update decisions set verdict = 'rejected' where user_id = 'b'",
        "update users set user_id = 'z' where user_id = 'b'",
        "update files set name = 'other.csv'",
        "update runs set run_id = 'x' where id = 1",
        "update settings set value = 'Asia/Tokyo' where key = 'timezone'",
        "delete from decisions where user_id = 'b'",
        "delete from measurements where user_id = 'b'",
        "delete from users where user_id = 'b'",
    ],
)
def test_an_export_of_what_changed_by_itself_is_refused(store, statement, tmp_path):
    out = tmp_path / "out.csv"
    assert run("export", out, "--data-dir", store).exit_code == 0
    out.unlink()
    change(store, statement)
    done = run("export", out, "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert "is damaged" in done.stderr
    assert not out.exists()
    assert damage(store)


@pytest.mark.parametrize(
    "statement",
    [
        "update measurements set weight_kg = weight_kg + 0.01 where raw_weight = '80.20'",
        "update measurements set raw_weight = '80.21' where raw_weight = '80.20'",
        "update decisions set level_kg = level_kg + 1e-9 where user_id = 'b'",
        "update decisions set received_user = 'z' where user_id = 'b'",
        "update users set user_id = 'z' where user_id = 'b'",
        "update overrides set made_by = 'adam'",
        "delete from decisions where user_id = 'b' and effective_at = '2024-02-01'",
    ],
)
def test_pages_and_lists_of_what_changed_by_itself_are_refused(store, decide, id_of, statement):
    decide(store, id_of(store, "80.22"), "reject")
    draw_pages(store)
    for command in ("alerts", "review"):
        assert run(command, "--data-dir", store).exit_code == 0
    change(store, statement)
    with pytest.raises(StoreError, match="is damaged"):
        draw_pages(store)
    done = run("alerts", "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output


def test_a_review_of_what_changed_by_itself_is_refused(store):
    assert "61.0 was accepted" in run("review", "--data-dir", store).stdout
    change(store, "update decisions set p_valid = 0.4 where user_id = 'a'")
    assert "is damaged" in run("review", "--data-dir", store).stderr


def test_states_and_histories_that_changed_by_themselves_are_not_judged_by(store):
    for table, changed, read in (
        (
            "user_states",
            "state = zeroblob(length(state))",
            lambda stored, users: stored.persons([*users]),
        ),
        ("measurements", "weight_kg = weight_kg + 1e-12", StoredPersons.history),
    ):
        change(store, f"update {table} set {changed} where user_id = 'a'")
        with sqlite3.connect(store / STORE_NAME) as connection:
            read(StoredPersons(connection), {"b": ""})
            with pytest.raises(StoreError, match=f"1 rows of {table}|20 rows of {table}"):
                read(StoredPersons(connection), {"a": "", "b": ""})
        connection.close()


def test_a_view_that_says_something_else_is_damage(store):
    with sqlite3.connect(store / STORE_NAME) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute(
            "update sqlite_master set sql = replace(sql, 'expected_kg - d', 'expected_kg + d')"
        )
    connection.close()
    assert damage(store).structure == ["current_decisions is defined otherwise"]
