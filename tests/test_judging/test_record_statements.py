"""Which measurements are not current, against the definition in plain Python."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.judging.record_statements import (
    LINK,
    RECORD_STATEMENTS,
    RETRACTED,
    SUPERSEDED,
    superseded_rows,
)

STATEMENTS = pa.schema([LINK.field(name) for name in RECORD_STATEMENTS])
statements = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["scale", "app"]),
        st.sampled_from(["", "1", "2", "3"]),
        st.sampled_from(["", "m1", "m2", "m3", "m4"]),
        st.sampled_from([None, "2024-01-01", "2024-01-02"]),
    ),
    max_size=12,
)


def rank(statement):
    *_, measurement, updated = statement
    return (updated or ("~" if measurement == "" else ""), measurement == "", measurement)


def by_definition(said):
    """Each measurement that no record states last, with whether its record was taken back."""
    records = {}
    for one in said:
        if one[2]:
            records.setdefault(one[:3], []).append(one)
    newest = [max(of_one, key=rank) for of_one in records.values()]
    current = {one[3] for one in newest} | {one[3] for one in said if not one[2]}
    taken_back = {record for record, of_one in records.items() if max(of_one, key=rank)[3] == ""}
    found = {}
    for one in said:
        if one[3] and one[3] not in current:
            gone = one[:3] in taken_back or found.get(one[3]) == RETRACTED
            found[one[3]] = RETRACTED if gone else SUPERSEDED
    return found


@given(statements)
@settings(max_examples=400, deadline=None)
def test_what_no_record_states_last_is_not_current(said):
    columns = zip(*said, strict=True) if said else [[]] * len(STATEMENTS)
    table = pa.table([pa.array(c, pa.string()) for c in columns], schema=STATEMENTS)
    found = superseded_rows(table)
    assert dict(zip(*found.to_pydict().values(), strict=True)) == by_definition(said)
