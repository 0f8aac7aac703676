"""What must hold for any bytes whatever."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from fuzz.seeds import options_of
from weightstream.errors import InputError
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.readers import ReadOptions

RULES = Rules(started=datetime(2030, 1, 1, tzinfo=UTC))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
WHOLE = 4 << 20
KEPT = ("line", "user_id", "amount", "unit", "wall", "source")
PUT_ASIDE = ("line", "reason", "detail")

Found = tuple[list[tuple[object, ...]], int] | None


def check(data: bytes, name: str) -> None:
    """Read bytes as a format: refused in a sentence, or rows, each once, whatever the blocks."""
    small = 1 + len(data) * 7 % 97
    whole, parts = (found(data, name, block_bytes) for block_bytes in (WHOLE, small))
    assert whole == parts, f"in blocks of {small} bytes other rows are found"


def found(data: bytes, name: str, block_bytes: int) -> Found:
    """(line, what it became) of every row, and what was skipped; None if the file is refused."""
    rows: list[tuple[object, ...]] = []
    skipped = 0
    with tempfile.NamedTemporaryFile(dir=MEMORY) as file:
        file.write(data)
        file.flush()
        options = ReadOptions(
            format="auto" if name == "zip" else name, block_bytes=block_bytes, **options_of(name)
        )
        try:
            for part in read_clean(Path(file.name), options, RULES, 0, threads=1):
                kept, bad = part.measurements, part.quarantine
                rows += zip(*(kept[n].to_pylist() for n in ("line", "amount", "wall")), strict=True)
                rows += zip(
                    *(bad[n].to_pylist() for n in ("line", "reason", "detail")), strict=True
                )
                rows += [(line, "retracted", "") for line in part.retractions["line"].to_pylist()]
                skipped += part.skipped
        except InputError as error:
            sentence = str(error)
            assert "\n" not in sentence, "more than a sentence"
            return None
    lines = [row[0] for row in rows]
    assert len(set(lines)) == len(lines), "two rows on one line"
    return sorted(rows, key=repr), skipped
