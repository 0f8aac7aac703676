"""Any order of rows, files and runs, with overrides, learning and refused files in between."""

import random
import time

import pyarrow as pa
import pytest

from tests.running import configured
from weightstream.errors import StoreError
from weightstream.outputs.exports.decisions import current_decisions
from weightstream.store.connection import open_writer
from weightstream.store.learning_run import learn_from_store
from weightstream.store.models import judging_on
from weightstream.store.overriding import OverrideRequest, override

PARTS = 4
PERMUTATIONS = [
    pytest.param(1500, 250, False, id="no learning"),
    pytest.param(300, 50, True, id="learning"),
]
"""How many, how many pairs of persons a store, and whether parameters are learnt in between."""
OF_A_RUN = ("run_id", "version", "file", "line", "model", "user_id", "measurement_id")
"""Columns that name runs, or the persons of a pair; sets of parameters are numbered."""
WISHES = (("a", "80.21", "reject", None), ("b", "60.0", "assign", "a"), ("b", "90", "accept", None))
TIMES = (
    ("a", "2024-01-09T09:00:00+02:00", "176.40"),
    ("a", "2024-01-09T07:00:00Z", "80.21"),
    ("b", "2024-03-01", "90"),
)


def split(rows, chance):
    """Shuffle a pair's rows and deal them out to PARTS files, of which some may get none."""
    chance.shuffle(rows)
    cuts = sorted(chance.choices(range(len(rows) + 1), k=PARTS - 1))
    return [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


@pytest.fixture
def ask(rows_of):
    """Asks for overrides of pairs: those that can be, in any order; returns the others."""

    def ask_for(data_dir, wishes, chance):
        query = "select raw_weight, user_id, measurement_id from measurements"
        ids = {(weight, user): name for weight, user, name in rows_of(data_dir, query)}
        chance.shuffle(wishes)
        users = {user for _, user in ids}
        there = [
            one
            for one in wishes
            if (one[1], one[0]) in ids and {one[3]} <= {None, *users} and chance.random() < 0.7
        ]
        report = override(
            configured(data_dir),
            [
                OverrideRequest(ids[weight, user], action, to, "eva", None)
                for user, weight, action, to in there
            ],
        )
        assert not report.faults
        return [one for one in wishes if one not in there]

    return ask_for


@pytest.fixture
def permuted(store_files, csv_of, course, smooth, ask, fresh_dir):
    """A store of some pairs of persons, each pair in an order of its own."""

    def make(chance, count, learning):
        data_dir, pairs = fresh_dir(), range(count)
        parts = [split([*course, *TIMES], chance) for _ in pairs]
        wishes = [
            (f"{user}{pair}", weight, action, to and f"{to}{pair}")
            for pair in pairs
            for user, weight, action, to in WISHES
        ]
        for part in range(PARTS):
            rows = [(f"{row[0]}{pair}", *row[1:]) for pair in pairs for row in parts[pair][part]]
            chance.shuffle(rows)
            store_files(data_dir, source := csv_of(*rows))
            with pytest.raises(StoreError, match="begun with timezone UTC"):
                store_files(data_dir, source, settings={"data": {"timezone": "Asia/Tokyo"}})
            if chance.random() < 0.3:
                smooth(data_dir)
            if chance.random() < 0.5:
                wishes = ask(data_dir, wishes, chance)
            if learning and chance.random() < 0.2:
                learn_from_store(configured(data_dir))
        while wishes:
            wishes = ask(data_dir, wishes, chance)
        if learning:
            learn_from_store(configured(data_dir))
        with open_writer(data_dir) as connection:
            rules = judging_on(connection, configured(data_dir))
        smooth(data_dir, rules)
        return data_dir

    return make


def exports_of(data_dir, count):
    """What each pair's readings are exported as, without OF_A_RUN."""
    with open_writer(data_dir) as connection:
        table = pa.concat_tables(current_decisions(connection, "UTC"))
    users = table["user_id"].to_pylist()
    lines = [repr(row) for row in table.drop_columns(list(OF_A_RUN)).to_pylist()]
    found = [[] for _ in range(count)]
    for user, line in zip(users, lines, strict=True):
        found[int(user[1:])].append(f"{user[0]} {line}")
    return found


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("most", "count", "learning"), PERMUTATIONS)
def test_permutations(permuted, until, figure, most, count, learning):
    chance, expected, done = random.Random(1500), None, 0
    while done < most and time.monotonic() < until:
        for found in exports_of(permuted(chance, count, learning), count):
            expected = expected or found
            differences = set(found) ^ set(expected)
            assert not differences, f"permutation {done}: {min(differences)}"
            done += 1
    assert done > count  # the first store is what others are compared with
    between = "overrides, retro and learning" if learning else "overrides and retro"
    figure(f"permutations: {done}, with {between} in between, 0 differences")
