"""Every input row has exactly one of the six outcomes (design.md §4.1, §5.1)."""

import csv
import io
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.schema import OUTCOMES, QUARANTINE_REASONS

CELLS = {
    "user": ["a", "b", "c", " a", "ö", "", "NULL", "x\ty", 'q"q', "a,b"],
    "time": [
        "2024-01-01", "2024-01-02T07:00Z", "2024-01-02 07:00", "2024-01-02T08:00+01:00",
        "2024-01-03T07:00:00.250Z", "1890-01-01", "2090-01-01", "soon", "", "31/12/2023",
        "2024-02-30", "null", "2024-05-05",
    ],
    "weight": ["80", "80.0", "81.5", "8e1", "0", "-3", "nan", "eighty", "", "1,5", "999", "176.4"],
    "unit": ["kg", "lb", "KG", "[lb_av]", "st", "g", "kg/m2", "furlong", ""],
    "source": ["scale", "app", "", "NULL", "multi\nline"],
}  # fmt: skip
ROW = st.tuples(*(st.sampled_from(values) for values in CELLS.values()))
MESS = st.sampled_from(["", "\n", "a,b\n", 'a,2024-01-01,"80,kg,s\n', "a;b;c;d;e\n", ",,,,\n"])
SELECTED = st.fixed_dictionaries(
    {},
    optional={
        "min_readings": st.integers(1, 4),
        "max_users": st.integers(0, 2),
        "user_offset": st.integers(0, 2),
        "date_from": st.just("2024-01-02"),
        "date_to": st.just("2024-01-03"),
        "spill_rows": st.just(1),
    },
)


def written(rows, mess):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for at, row in enumerate(rows):
        if at == len(rows) // 2:
            text.write(mess)
        user, time, weight, unit, source = row
        writer.writerow((user, time, weight, unit, source))
    return "user_id,effectiveDateTime,weight,unit,source_type\n" + text.getvalue()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.lists(ROW, max_size=12), MESS), min_size=1, max_size=3), SELECTED)
def test_every_row_has_one_outcome(store_files, tables, fresh_dir, files, data):
    data_dir, paths = fresh_dir(), []
    for rows, mess in files:
        handle, name = tempfile.mkstemp(".csv", dir=fresh_dir().parent)
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(written(rows, mess))
        paths.append(type(data_dir)(name))
    for again in (False, True):
        stored = store_files(data_dir, *paths, settings={"data": data})
        rows_in = stored.intake.rows_in
        assert sum(stored.outcomes.values()) == rows_in
        assert min(stored.outcomes.values()) >= 0
        assert tuple(stored.outcomes) == OUTCOMES
        assert stored.outcomes["failed"] == 0
        if again:
            assert stored.outcomes["accepted"] == stored.outcomes["rejected"] == 0
            continue
        assert rows_in >= sum(
            len(rows)
            for file, (rows, mess) in zip(stored.intake.files, files, strict=False)
            if not file.refused and not mess
        )
        found = tables(data_dir)
        outcomes = stored.outcomes
        assert len({row[:2] for row in found["quarantine"]}) == len(found["quarantine"])
        decided = outcomes["accepted"] + outcomes["rejected"]
        assert len(found["decisions"]) == decided
        assert decided <= len(found["measurements"]) <= decided + outcomes["excluded"]
        assert {row[3] for row in found["quarantine"]} <= set(QUARANTINE_REASONS)
        lines = {row[-2:] for row in found["measurements"]}  # file, line
        assert len(lines) == len(found["measurements"])
        assert not lines & {row[:2] for row in found["quarantine"]}


def test_a_copy_of_an_undecided_reading_is_excluded_as_that_is(store_files, fresh_dir, csv_of):
    """Not selected comes before duplicate, whether the copy came in the same run or a later one."""
    few = [("few", "2024-01-01", "80"), ("few", "2024-01-01", "80.0"), ("few", "2024-01-02", "81")]
    many = [("many", f"2024-01-0{day}", "70") for day in (1, 2, 3, 3)]
    data_dir, path = fresh_dir(), csv_of(*few, *many)
    for decided, duplicates in ((3, 1), (0, 4)):
        outcomes = store_files(data_dir, path, settings={"data": {"min_readings": 3}}).outcomes
        assert outcomes["accepted"] == decided
        assert (outcomes["excluded"], outcomes["duplicates"]) == (3, duplicates)
