"""A query of a real PostgreSQL as a source."""

import tracemalloc

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from weightstream.cli_files import cli
from weightstream.readers.databases import copy_query, with_query

pytestmark = pytest.mark.slow
QUERY = """SELECT 'p' || n / 100 AS user_id,
       timestamptz '2024-01-01 07:00+01' + n % 100 * interval '1 day' AS time,
       (80 + (n % 7) / 10.0)::numeric(6, 1) AS weight, 'kg' AS unit, '50%' AS note
FROM generate_series(0, {rows} - 1) AS n"""


def test_rows_are_streamed_and_judged(postgresql, tmp_path):
    url = postgresql.url.replace("+asyncpg", "")
    peaks = {}
    for rows in (20_000, 100_000):
        (source,) = with_query([url], QUERY.format(rows=rows))
        tracemalloc.start()
        copy_query(source, "database", tmp_path / f"{rows}.parquet")
        peaks[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert pq.read_metadata(tmp_path / f"{rows}.parquet").num_rows == rows
    assert peaks[100_000] < 1.5 * peaks[20_000]
    out = tmp_path / "out.parquet"
    arguments = ["clean", url, "--query", QUERY.format(rows=5_000), "-o", str(out)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.stderr
    first = pq.read_table(out).to_pylist()[0]
    assert (first["effective_at"], first["raw_weight"]) == ("2024-01-01T06:00:00Z", "80.0")
    assert len(pq.read_table(out)) == 5_000
    wrong = url.replace("prefect@", "prefect:secret@").replace("/prefect", "/nothing")
    arguments = ["clean", wrong, "--query", QUERY, "-o", str(tmp_path / "x.csv")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "the query failed" in done.stderr
    assert "secret" not in done.stderr
