"""A judged batch travels as Parquet and comes back as it was."""

import sqlite3
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.intake.cleaning import Rules
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in
from weightstream.judging.causal import judge_part, judging_of
from weightstream.judging.decided import Rows
from weightstream.judging.decided_table import from_table, to_table
from weightstream.judging.smoothing import smooth_persons
from weightstream.readers import ReadOptions

STEP = [("a", f"2024-01-{day:02}", "80" if day < 15 else "62.0") for day in range(1, 22)]
WRONG = [("b", "2024-01-01", "70"), ("b", "2024-01-02", "154.5"), ("b", "2024-01-03", "70.5")]


def judged(csv_of, fresh_dir, connection, *rows, min_readings=1):
    config = Config.model_validate({"data": {"min_readings": min_readings}})
    rules = Rules(datetime(2026, 1, 1, tzinfo=UTC), "UTC", config.data.min_date)
    intake = take_in(
        [csv_of(*rows)], ReadOptions(), rules, Selection(config.data), fresh_dir(), 10**6,
        on_rows=lambda rows: None, threads=1,
    )  # fmt: skip
    (part,) = intake.parts(1, 10)
    return judge_part(part, np.ones(1, np.int64), connection, judging_of(config, PRIOR))[0]


def travelled(decided):
    sink = pa.BufferOutputStream()
    pq.write_table(to_table(decided), sink)
    return from_table(pq.read_table(pa.BufferReader(sink.getvalue())))


def same(one, other):
    users = len(one.user_ids)
    for field in fields(one):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if isinstance(before, Rows):
            assert set(before.columns) == set(after.columns), field.name
            for start in range(users):
                for stop in (start, start + 1, users):  # what the writer binds, NaN and null alike
                    assert repr(_sorted(before, start, stop)) == repr(_sorted(after, start, stop))
        else:
            assert np.array_equal(before, after), field.name
            assert type(before) is type(after)


def _sorted(rows, start, stop):
    return sorted(rows.part(start, stop).items())


def test_new_persons_with_shifts_and_errors(csv_of, fresh_dir):
    decided = judged(csv_of, fresh_dir, None, *STEP, *WRONG)
    assert len(decided.shifts.part(0, 2)["from_kg"]) == 1
    assert "rejected" in decided.decisions.part(0, 2)["verdict"]
    back = travelled(decided)
    same(decided, back)
    assert np.array_equal(decided.counts(0, 2, 2), back.counts(0, 2, 2))
    assert np.array_equal(decided.changed, back.changed)


@pytest.mark.parametrize("least", [1, 30])
def test_stored_persons_copies_and_smaller_spellings(csv_of, store_files, fresh_dir, least):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*STEP, *WRONG))
    with closing(sqlite3.connect(data_dir / "weightstream.db")) as connection:
        again = [("a", "2024-01-03", "80"), ("a", "2024-01-16", "62"), ("b", "2023-12-01", "70")]
        decided = judged(csv_of, fresh_dir, connection, *again, min_readings=least)
        assert len(decided.respelled.part(0, 2)["line"]) == 1
        same(decided, travelled(decided))
        smoothed = smooth_persons(["a", "b"], connection, judging_of(Config(), PRIOR), 1)
        assert not smoothed.outcome.columns
        same(smoothed, travelled(smoothed))


def test_nobody(csv_of, store_files, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*WRONG))
    with closing(sqlite3.connect(data_dir / "weightstream.db")) as connection:
        nobody = smooth_persons([], connection, judging_of(Config(), PRIOR), 1)
    same(nobody, travelled(nobody))
