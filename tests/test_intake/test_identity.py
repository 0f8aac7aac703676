from dataclasses import replace
from hashlib import blake2b

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_intake.rows import GOOD, RULES
from weightstream.intake.cleaning import clean
from weightstream.intake.identity import deduplicate, measurement_ids
from weightstream.readers.block import raw_table_of_rows


def measurements(*changes, file=0):
    rows = [GOOD | change | {"line": number} for number, change in enumerate(changes, 2)]
    return clean(raw_table_of_rows(rows), RULES, file).measurements


def ids(*changes):
    return measurement_ids(measurements(*changes)).to_pylist()


def test_an_id_is_known():
    """Stored ids must stay what they are: from one release to the next nothing may change them."""
    text = b"2024-01-31T07:12:00Z 80000 2 u1 scale"
    assert ids({}) == [blake2b(text, digest_size=8).hexdigest()] == ["6ab2067e16feca34"]


@pytest.mark.parametrize(
    "change",
    [{"weight": "80"}, {"weight": "8e1"}, {"unit": "KG"}, {"time": "2024-01-31T07:12:00.0"},
     {"user_id": " u1"}, {"record_id": "9"}, {"weight": "80000", "unit": "g"},
     {"weight": "80.00000000000000001"}, {"weight": "79999.998", "unit": "g"},
     {"time": "2024-01-31T07:12Z"}, {"time": "2024-01-31T08:12:00+01:00"},
     {"time": "2024-01-31T02:12-05:00"}],
)  # fmt: skip
def test_spelling_does_not_matter(change):
    assert ids(change) == ids({})


def test_a_zone_of_the_file_and_an_offset_name_one_instant():
    local = clean(raw_table_of_rows([GOOD | {"line": 2}]), replace(RULES, timezone="Asia/Tokyo"), 0)
    assert measurement_ids(local.measurements).to_pylist() == ids(
        {"time": "2024-01-31T07:12:00+09:00"}
    )


def test_pounds_and_their_exact_kilograms_are_one_mass():
    pounds = ids({"weight": "176.4", "unit": "[lb_av]"})
    assert pounds == ids({"weight": "80.013694068"}) == ids({"weight": "12.6", "unit": "st"})
    assert pounds != ids({"weight": "80.01"})  # rounded: another mass, perhaps of one weighing


@pytest.mark.parametrize(
    "change",
    [{"weight": "80.001"}, {"source": "app"}, {"time": "2024-01-31"}, {"user_id": "u2"},
     {"time": "2024-01-31 07:12:00.001"}, {"time": "2024-01-31T07:12:00+01:00"}],
)  # fmt: skip
def test_content_does(change):
    assert ids(change) != ids({})


def test_an_id_does_not_depend_on_its_neighbours():
    alone, absurd = ids({}), {"weight": "1e300", "source": "app"}
    assert ids({}, absurd)[0] == alone[0]
    assert ids(absurd) == [ids({}, absurd)[1]]


def test_no_name_imitates_the_separator():
    assert len(set(ids({"user_id": "a b", "source": "c"}, {"user_id": "a", "source": "b c"}))) == 2
    assert (
        len(set(ids({"user_id": "1 2 x", "source": "y"}, {"user_id": "1", "source": "2 x y"}))) == 2
    )


def test_copies_leave_the_smallest_spelling_and_are_counted_by_file():
    table = pa.concat_tables(
        [
            measurements({"weight": "80.0", "record_id": "b", "updated": "2024-02-01"}),
            measurements({"weight": "80", "record_id": None}, {"time": "2024-01-30"}, file=1),
            measurements({"weight": "80", "unit": "KG", "record_id": "a"}, file=2),
        ]
    )
    result = deduplicate(table, measurement_ids(table))
    kept = result.measurements.to_pylist()
    assert [row["wall"] for row in kept] == ["2024-01-30", "2024-01-31T07:12:00"]
    assert (kept[1]["raw_weight"], kept[1]["raw_unit"], kept[1]["file"]) == ("80", "KG", 2)
    assert (kept[1]["record_id"], kept[1]["updated"]) == ("a", None)
    assert sorted(result.dropped["file"].to_pylist()) == [0, 1]
    assert result.dropped["user_id"].to_pylist() == ["u1", "u1"]


def test_a_record_keeps_its_latest_update():
    changes = [{"record_id": "a", "updated": f"2024-02-0{day}"} for day in (2, 3, 1)]
    table = measurements(*changes)
    result = deduplicate(table, measurement_ids(table))
    assert result.measurements["updated"].to_pylist() == ["2024-02-03T12:00:00.000000Z"]


def test_order_of_users_is_by_bytes_and_same_times_by_source_kg_id():
    table = measurements(
        {"user_id": "é"}, {"user_id": "b"}, {"user_id": "B"}, {"user_id": "b", "source": "a"},
        {"user_id": "b", "weight": "79"}, {"user_id": "b", "time": "2023-01-01"},
    )  # fmt: skip
    rows = deduplicate(table, measurement_ids(table)).measurements.to_pylist()
    found = [(row["user_id"], row["wall"][:4], row["source"], row["weight_kg"]) for row in rows]
    assert found == [
        ("B", "2024", "scale", 80.0),
        ("b", "2023", "scale", 80.0),
        ("b", "2024", "a", 80.0),
        ("b", "2024", "scale", 79.0),
        ("b", "2024", "scale", 80.0),
        ("é", "2024", "scale", 80.0),
    ]


few = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u1", "u2"]),
        "time": st.sampled_from(["2024-01-31", "2024-01-31 12:00", "2024-01-31 12:00:00"]),
        "source": st.sampled_from(["a", "b"]),
        "weight": st.sampled_from(["80", "80.0", "79"]),
        "unit": st.sampled_from(["kg", "KG"]),
        "record_id": st.sampled_from([None, "1", "2"]),
        "updated": st.sampled_from([None, "2024-02-01", "2024-02-02"]),
    }
)


@settings(deadline=None)
@given(st.lists(few, max_size=12), st.randoms(use_true_random=False))
def test_what_is_kept_does_not_depend_on_the_order_of_rows(rows, random):
    table = measurements(*rows)
    shuffled = list(range(table.num_rows))
    random.shuffle(shuffled)
    mixed = table.take(pa.array(shuffled, pa.int64()))
    one = deduplicate(table, measurement_ids(table))
    other = deduplicate(mixed, measurement_ids(mixed))
    assert one.ids.equals(other.ids)
    assert repr(one.measurements.to_pylist()) == repr(other.measurements.to_pylist())
    assert sorted(one.dropped.to_pylist(), key=str) == sorted(other.dropped.to_pylist(), key=str)
    assert len(one.dropped) + len(one.ids) == len(rows)
    assert len(set(one.ids.to_pylist())) == len(one.ids)
    keys = [
        (r["user_id"], r["time_us"], r["source"], r["weight_kg"])
        for r in one.measurements.to_pylist()
    ]
    full = [(*key, key_id) for key, key_id in zip(keys, one.ids.to_pylist(), strict=True)]
    assert full == sorted(full)
