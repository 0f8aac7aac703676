"""The recipe of docs/scale.md: Spark judges as one machine does."""

import os
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import weightstream

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
pytest.importorskip("pyspark", reason="pyspark is not installed; `make spark` installs it")


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_the_recipe_gives_what_one_machine_gives(spark, simulated, tmp_path):
    records = weightstream.read(simulated(12, 900))[["user_id", "time", "source", "weight", "unit"]]
    records.to_parquet(tmp_path / "in.parquet")
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    (recipe,) = re.findall(r"## Spark\n\n```python\n(.*?)```", page, re.DOTALL)
    recipe = recipe.replace("s3://bucket/in", str(tmp_path / "in.parquet"))
    recipe = recipe.replace("s3://bucket/judged", str(tmp_path / "judged")).replace("256", "4")
    exec(recipe, {"spark": spark})
    expected = weightstream.clean(pq.read_table(tmp_path / "in.parquet"))
    judged = pq.read_table(tmp_path / "judged")
    keys = [(name, "ascending") for name in ("user_id", "measurement_id", "outcome", "raw_weight")]
    names = [name for name in expected.column_names if name != "effective_at"]
    found, wanted = (table.select(names).sort_by(keys) for table in (judged, expected))
    assert found.num_rows == wanted.num_rows == 900
    for name in names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
