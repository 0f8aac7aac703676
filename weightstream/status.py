"""What the store holds, in a few lines for a person."""

import sqlite3
from pathlib import Path

from weightstream.config import Config
from weightstream.store.connection import STORE_NAME, ReadPool

COUNTS = {
    "persons": "select count(*) from users",
    "waiting for retro": "select count(*) from users where dirty",
    "measurements": "select coalesce(sum(readings), 0) from users",
    "rejected": "select coalesce(sum(rejected), 0) from users",
    "level shifts": "select count(*) from level_shifts",
    "quarantined": "select count(*) from quarantine",
    "files": "select count(*) from files",
}
RUNS = """
select kind, status, started_at, coalesce(rows_in, 0), run_id from runs order by id desc limit 5
"""
QUARANTINE = "select reason, count(*) from quarantine group by reason order by count(*) desc"


def status_text(config: Config) -> str:
    """Counts by kind, quarantine by reason, the newest runs. Raises StoreError."""
    data_dir = config.data.data_dir.absolute()
    with ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        return "\n".join(_lines(connection, data_dir / STORE_NAME))


def _lines(connection: sqlite3.Connection, path: Path) -> list[str]:
    lines = [f"{path} ({path.stat().st_size / 1e6:,.1f} MB)"]
    for name, query in COUNTS.items():
        lines.append(f"  {name:<18}{connection.execute(query).fetchone()[0]:>12,}")
    for reason, count in connection.execute(QUARANTINE):
        lines.append(f"    {reason:<16}{count:>12,}")
    lines.append("newest runs")
    for kind, status, started, rows, run_id in connection.execute(RUNS):
        lines.append(f"  {started}  {kind:<11}{status:<10}{rows:>12,} rows  {run_id}")
    return lines
