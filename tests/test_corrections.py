"""Records that their source corrects or takes back: what stands does not depend on the order."""

import json
import secrets
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

COURSE = [(f"2024-01-{day:02}", 80 + day / 10) for day in range(1, 11)]


def record(number, day, kg, updated=None, retracted=False, user="ann"):
    """A FHIR Observation: (id, day, kg, when the source last changed it, taken back)."""
    meta = {"lastUpdated": updated} if updated else {}
    return {
        "resourceType": "Observation",
        "id": number,
        "meta": meta,
        "status": "entered-in-error" if retracted else "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{user}"},
        "effectiveDateTime": f"{day}T07:00:00Z",
        "valueQuantity": {"value": kg, "unit": "kg", "code": "kg"},
    }


BASE = [record(f"r{at}", day, kg, "2024-02-01T00:00:00Z") for at, (day, kg) in enumerate(COURSE)]


@pytest.fixture(scope="module")
def put(store_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fhir")

    def ingest(data_dir, *records, **more):
        path = folder / f"{secrets.token_hex(8)}.ndjson"
        path.write_text("\n".join(json.dumps(one) for one in records), "utf-8")
        return store_files(data_dir, path, **more).outcomes

    return ingest


@pytest.fixture(scope="session")
def said(rows_of):
    """By day and kg: verdict and reason."""
    query = "select substr(effective_at, 1, 10), weight_kg, verdict, reason from current_decisions"

    def found(data_dir):
        rows = rows_of(data_dir, query)
        return {(day, kg): (verdict, reason) for day, kg, verdict, reason in rows}

    return found


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_a_correction_takes_the_place_of_what_it_corrects(
    put, fresh_dir, at_once, turned, smooth, rows_of, said
):
    data_dir = fresh_dir()
    wrong = record("r4", "2024-01-05", 79.9, "2024-01-20T00:00:00Z")
    batches = [[*BASE[:4], wrong, *BASE[5:]], [BASE[4]]]
    batches = batches[::-1] if turned else batches
    batches = [[*batches[0], *batches[1]]] if at_once else batches
    outcomes = [put(data_dir, *batch) for batch in batches]
    assert said(data_dir)["2024-01-05", 79.9] == ("rejected", "superseded")
    assert said(data_dir)["2024-01-05", 80.5] == ("accepted", "ok")
    assert sum(sum(one.values()) for one in outcomes) == 11
    assert sum(one["accepted"] + one["rejected"] for one in outcomes) == 11
    alone = fresh_dir()
    put(alone, *BASE)
    kept = "select level_kg, expected_kg from current_decisions where reason <> 'superseded'"
    for store in (data_dir, alone):
        smooth(store)
    assert rows_of(data_dir, kept) == rows_of(alone, kept)
    assert rows_of(data_dir, "select count(*), count(p_valid) from current_decisions") == [(11, 10)]


@pytest.mark.parametrize("first", [True, False])
def test_a_record_taken_back_is_no_data(put, fresh_dir, first, smooth, rows_of, said):
    data_dir = fresh_dir()
    back = record("r4", "2024-01-05", 80.5, "2024-03-01T00:00:00Z", retracted=True)
    for batch in [[back], BASE] if first else [BASE, [back]]:
        outcomes = put(data_dir, *batch)
        if batch == [back]:
            assert outcomes == dict.fromkeys(outcomes, 0) | {"excluded": 1}
    assert said(data_dir)["2024-01-05", 80.5] == ("rejected", "retracted")
    smooth(data_dir)
    assert said(data_dir)["2024-01-05", 80.5] == ("rejected", "retracted")
    (line,) = rows_of(data_dir, "select readings, rejected, dirty from users")
    assert line == (10, 1, 0)
    assert rows_of(data_dir, "select file, line from measurements where weight_kg = 80.5") != []


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        # Taken back before it was last changed: it stands again.
        ([("r1", 80.5, 3, False), ("r1", 80.5, 1, False), ("r1", 80.5, 2, True)], "ok"),
        ([("r1", 80.5, 1, False), ("r1", 80.5, 2, True)], "retracted"),
        # Without times, taking back is the last word; and one without a time always is.
        ([("r1", 80.5, None, False), ("r1", 80.5, None, True)], "retracted"),
        ([("r1", 80.5, 2, False), ("r1", 80.5, None, True)], "retracted"),
        # Back to what it was.
        ([("r1", 80.5, 1, False), ("r1", 79.0, 2, False), ("r1", 80.5, 3, False)], "ok"),
        # The same reading as two records: one is enough.
        ([("r1", 80.5, 1, False), ("r2", 80.5, 1, False), ("r1", 80.5, 2, True)], "ok"),
        ([("r1", 80.5, 1, False), ("r2", 80.5, 1, False), ("r1", 79.0, 2, False)], "ok"),
        ([("r1", 80.5, 1, False), ("r1", 79.0, 2, False)], "superseded"),
        # Of the same time, the order is by content.
        ([("r1", 80.5, 1, True), ("r1", 80.5, 1, False)], "retracted"),
    ],
)
def test_the_last_word_of_a_source_holds(put, fresh_dir, records, verdict, rows_of, said):
    made = [
        record(name, "2024-01-20", kg, f"2024-05-0{at}T00:00:00Z" if at else None, back)
        for name, kg, at, back in records
    ]
    for order in permutations(made):
        data_dir = fresh_dir()
        for one in order:
            put(data_dir, one)
        ((_, reason),) = [what for (_, kg), what in said(data_dir).items() if kg == 80.5]
        assert reason == verdict
        before = rows_of(data_dir, "select * from records order by 1, 2, 3, 4")
        for one in order:
            outcomes = put(data_dir, one)
            assert outcomes["duplicates"] + outcomes["excluded"] == 1
        assert rows_of(data_dir, "select * from records order by 1, 2, 3, 4") == before


def test_rows_without_an_id_are_never_corrected(put, fresh_dir, said):
    data_dir = fresh_dir()
    nameless = record("r4", "2024-01-05", 79.9)
    del nameless["id"]
    put(data_dir, *BASE, nameless)
    put(data_dir, record("r4", "2024-01-05", 79.9, "2023-01-01T00:00:00Z"))
    put(data_dir, record("r4", "2024-01-05", 0, "2025-01-01T00:00:00Z", retracted=True))
    assert said(data_dir)["2024-01-05", 79.9] == ("accepted", "ok")
    assert said(data_dir)["2024-01-05", 80.5] == ("rejected", "retracted")


def test_ids_of_other_persons_and_sources_are_others(store_files, csv_of, fresh_dir, rows_of):
    data_dir = fresh_dir()
    header = ("user_id", "effectiveDateTime", "weight", "unit", "source_type", "id", "timestamp")
    rows = [
        (user, f"2024-01-0{day}", "80", "kg", source, str(day), "2024-02-01T00:00:00Z")
        for user in "ab"
        for source in ("s", "t")
        for day in (1, 2)
    ]
    store_files(data_dir, csv_of(*rows, header=header))
    assert rows_of(data_dir, "select count(*) from superseded") == [(0,)]
    assert rows_of(data_dir, "select count(*) from records") == [(0,)]
    later = ("a", "2024-01-01", "81", "kg", "s", "1", "2024-02-02T00:00:00Z")
    store_files(data_dir, csv_of(later, header=header))
    assert rows_of(data_dir, "select user_id, reason from superseded") == [("a", "superseded")]


def test_a_correction_that_would_simply_follow(put, fresh_dir, rows_of, said):
    """Its time is after all that is stored, so that the state could be gone on from."""
    data_dir = fresh_dir()
    days = range(1, 31)  # with few readings, all of them may still be in the other unit
    before = [record(f"b{n}", f"2023-12-{n:02}", 80 + n % 3 / 10) for n in days]
    put(data_dir, *before, *BASE)
    assert rows_of(data_dir, "select settled from user_states") == [(1,)]
    put(data_dir, record("r9", "2024-01-11", 81.0, "2024-03-01T00:00:00Z"))
    assert said(data_dir)["2024-01-10", 81.0] == ("rejected", "superseded")
    assert rows_of(data_dir, "select readings, rejected from users") == [(41, 1)]


@pytest.mark.parametrize("minimum", [1, 5, 99])
def test_persons_with_few_readings(put, fresh_dir, minimum, said):
    data_dir = fresh_dir()
    few = {"settings": {"data": {"min_readings": minimum}}}
    put(data_dir, *BASE[:3], **few)
    put(data_dir, record("r1", "2024-01-02", 70, "2025-01-01T00:00:00Z"), **few)
    put(data_dir, *BASE[3:], **few)
    whole = fresh_dir()
    put(whole, *BASE, record("r1", "2024-01-02", 70, "2025-01-01T00:00:00Z"), **few)
    assert said(data_dir) == said(whole)
    assert len(said(data_dir)) == (11 if minimum < 99 else 0)


def test_nothing_is_left_of_a_person(put, fresh_dir, smooth, rows_of, said):
    data_dir = fresh_dir()
    put(data_dir, *BASE)
    put(data_dir, *(one | {"status": "entered-in-error"} for one in BASE))
    smooth(data_dir)
    assert set(said(data_dir).values()) == {("rejected", "retracted")}
    assert rows_of(data_dir, "select readings, rejected, level_kg from users") == [(10, 10, None)]
    put(data_dir, record("new", "2024-05-01", 82))
    assert said(data_dir)["2024-05-01", 82] == ("accepted", "ok")


moments = st.sampled_from([None, 1, 2, 3])
records = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2", "r3"]),
        st.integers(1, 4),
        st.sampled_from([80.0, 80.5, 176.0]),
        moments,
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["ann", "bob"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_order_and_split_ends_in_the_same_export(
    put, fresh_dir, data, smooth, rows_of, exported
):
    made = [
        record(name, f"2024-03-0{day}", kg, f"2024-05-0{at}T00:00:00Z" if at else None, back, user)
        for name, day, kg, at, back, user in data.draw(records)
    ]
    made += data.draw(st.sampled_from([[], BASE[:3]]))
    once, many = fresh_dir(), fresh_dir()
    put(once, *made)
    smooth(once)
    order = data.draw(st.permutations(made))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(made)), max_size=3)))
    for start, stop in pairwise([0, *cuts, len(made)]):
        if start < stop:
            outcomes = put(many, *order[start:stop])
            assert sum(outcomes.values()) == stop - start
            if data.draw(st.booleans()):
                smooth(many)
    smooth(many)
    assert exported(many) == exported(once)
    aside = "select measurement_id, reason from superseded order by 1"
    assert rows_of(many, aside) == rows_of(once, aside)


def test_the_same_files_again_change_nothing(put, fresh_dir, smooth, tables, decide, rows_of):
    """Corrections, copies under other ids, records taken back, and decisions of persons."""
    data_dir = fresh_dir()
    batches = [
        [*BASE, record("copy", "2024-01-03", 80.3, "2024-02-01T00:00:00Z")],
        [record("r4", "2024-01-05", 70.5, "2024-03-01T00:00:00Z"), record("b", "2024-01-01", 60)],
        [record("r5", "2024-01-06", 80.6, "2024-03-01T00:00:00Z", retracted=True)],
        [record("later", "2024-01-07", 80.7, retracted=True, user="bob")],
        [record("first", "2024-01-09", 61, user="bob")],
    ]
    for batch in batches:
        put(data_dir, *batch)
    smooth(data_dir)
    (moved,) = rows_of(data_dir, "select measurement_id from measurements where weight_kg = 60")
    decide(data_dir, moved[0], "assign", "bob")
    before = tables(data_dir, "runs", "files")
    assert all(before[name] for name in ("records", "superseded", "overrides"))
    for batch in reversed(batches):
        outcomes = put(data_dir, *batch)
        assert outcomes["accepted"] == outcomes["rejected"] == 0
    assert tables(data_dir, "runs", "files") == before
