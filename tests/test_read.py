"""weightstream.read: what it gives is what weightstream.clean takes, wherever it was kept."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weightstream


def test_a_folder_and_records_that_their_source_took_back(tmp_path):
    observation = (
        '{"resourceType":"Observation","id":"%s","status":"%s","code":{"coding":[{"system":'
        '"http://loinc.org","code":"29463-7"}]},"subject":{"reference":"Patient/p"},'
        '"effectiveDateTime":"2024-01-31","valueQuantity":{"value":%s,"code":"kg"}}'
    )
    (tmp_path / "a.json").write_text(observation % ("1", "final", "80.50"))
    (tmp_path / "b.json").write_text(observation % ("2", "entered-in-error", "81"))
    records = weightstream.read(tmp_path)
    assert [Path(name).name for name in records["file"]] == ["a.json", "b.json"]
    cleaned = weightstream.clean(records)
    assert cleaned["outcome"].to_list() == ["accepted", "excluded"]
    assert cleaned["reason"].to_list() == ["ok", "retracted"]
    (tmp_path / "b.json").write_text(observation % ("1", "entered-in-error", "80.50"))
    cleaned = weightstream.clean(weightstream.read(tmp_path))
    assert cleaned["outcome"].to_list() == ["rejected", "excluded"]
    assert cleaned["reason"].to_list() == ["retracted", "retracted"]


@pytest.mark.parametrize("library", ["polars", "pyarrow", "csv", "parquet"])
def test_what_read_gave_reads_back_from_wherever_it_was_kept(library, simulated, tmp_path):
    records = weightstream.read(simulated(12, 600))
    assert records["retracted"].isna().any()
    if library == "csv":
        records.to_csv(tmp_path / "kept.csv", index=False)
        kept = pd.read_csv(tmp_path / "kept.csv")
    else:
        records.to_parquet(tmp_path / "kept.parquet")
        kept = pq.read_table(tmp_path / "kept.parquet")
    if library == "parquet":
        kept = kept.to_pandas()
    elif library == "polars":
        kept = pytest.importorskip("polars").from_arrow(kept)
    expected, found = weightstream.clean(records), weightstream.clean(kept, keep="line")
    if library != "pyarrow":
        found = pa.table(found) if library == "polars" else pa.Table.from_pandas(found)
    wanted = pa.Table.from_pandas(expected.assign(line=records["line"]))
    for name in ("measurement_id", "outcome", "line"):
        assert found[name].to_pylist() == wanted[name].to_pylist()
