"""What the tests of single formats share: write a file, read it, and see its rows."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from weightstream import schema
from weightstream.intake.cleaning import Cleaned, Rules, read_clean
from weightstream.readers import ReadOptions

RULES = Rules(started=datetime(2030, 1, 1, tzinfo=UTC))


def _joined(columns: pa.Schema, tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([columns.empty_table(), *tables])


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def save(content: str | bytes, name: str = "file") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


@pytest.fixture
def cleaned() -> Callable[..., Cleaned]:
    """Read and clean a file as a whole."""

    def cleaned(path: Path, **options: Any) -> Cleaned:
        parts = list(read_clean(path, ReadOptions(**options), RULES, 0, threads=1))
        return Cleaned(
            _joined(schema.MEASUREMENT, [part.measurements for part in parts]),
            _joined(schema.QUARANTINE, [part.quarantine for part in parts]),
            _joined(schema.RETRACTION, [part.retractions for part in parts]),
            skipped=sum(part.skipped for part in parts),
            others=sum((Counter(part.others) for part in parts), Counter()),
            unread=tuple(one for part in parts for one in part.unread),
        )

    return cleaned


@pytest.fixture
def weighings(cleaned: Callable[..., Cleaned]) -> Callable[..., list[tuple[Any, ...]]]:
    """(effective_at, amount, unit, source) of every measurement; nothing may be quarantined."""

    def weighings(path: Path, **options: Any) -> list[tuple[Any, ...]]:
        result = cleaned(path, **options)
        assert result.quarantine.to_pylist() == []
        fields = ("effective_at", "amount", "unit", "source")
        return [tuple(row[name] for name in fields) for row in result.measurements.to_pylist()]

    return weighings


@pytest.fixture
def shared() -> Path:
    """Files by others; they lie outside the repository."""
    folder = Path(__file__).parents[3] / "shared/data"
    if not folder.exists():
        pytest.skip("shared/data lies outside the repository and is absent")
    return folder
