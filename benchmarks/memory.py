"""Peak resident memory of whole runs."""

from collections.abc import Iterator

from benchmarks.runs import Place
from benchmarks.table import Line

SEQUENTIAL = "[threading]\nenabled = false\n"


def lines(place: Place, rows: int, persons: int) -> Iterator[Line]:
    source = place.simulated(rows, persons)
    pools = place.ingest(source, place.fresh("pools"))["peak_rss_mb"]
    yield Line(f"{rows:,} rows", f"{pools:,.0f} MB", "< 1,000 MB", pools < 1_000)
    one = place.ingest(source, place.fresh("sequential"), SEQUENTIAL)["peak_rss_mb"]
    measured = f"{pools / one:.2f} × of {one:,.0f} MB"
    yield Line("pools against threading.enabled = false", measured, "≤ 2 ×", pools <= 2 * one)
    ten = place.ingest(place.simulated(10 * rows, persons), place.fresh("ten"))
    measured = f"{ten['peak_rss_mb']:,.0f} MB at {ten['rows_per_second']:,.0f} rows/s"
    yield Line(f"{10 * rows:,} rows", measured, "< 1,500 MB", ten["peak_rss_mb"] < 1_500)
