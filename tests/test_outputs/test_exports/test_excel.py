"""No cell of an export is a formula, where a person asks for that."""

import pyarrow as pa
import pytest

from weightstream.outputs.exports.excel import excel_safe
from weightstream.schema import CODE


@pytest.mark.parametrize(
    "cell",
    ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "+49 170 1234567"],
)
def test_formulas_become_texts(cell):
    for kind in (pa.string(), CODE):
        table = pa.table({"user_id": pa.array([cell, "ann", None]).cast(kind)})
        assert excel_safe(table)["user_id"].to_pylist() == [f"'{cell}", "ann", None]


def test_numbers_and_times_stay_as_they_are():
    columns = {
        "raw_weight": ["80.5", "-1", "+80,5", "8e1"],
        "effective_at": ["2024-01-31", "2024-01-31T06:12:33Z", "", None],
        "weight_kg": [80.5, -1.0, None, 80.0],
    }
    table = pa.table(columns)
    assert excel_safe(table).to_pydict() == columns
