"""Counts of one source file of a run."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FileCounts:
    """One source file of a run: the sha256 of its bytes, and counts of its rows by outcome."""

    path: Path
    importer: str
    sha256: str
    size: int
    rows_in: int = 0
    duplicates: int = 0
    quarantined: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    refused: bool = False

    def exclude(self, reason: str, rows: int) -> None:
        if rows:
            self.excluded[reason] = self.excluded.get(reason, 0) + rows

    def refuse(self) -> None:
        """Reset the counts of a file that cannot be used."""
        self.rows_in = self.duplicates = self.quarantined = self.skipped = 0
        self.excluded, self.refused = {}, True
