"""Progress of a run: bars on a terminal, plain lines elsewhere, an artifact in Prefect."""

import logging
import time
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

logger = logging.getLogger("weightstream")
LINE_SECONDS = 5.0
ARTIFACT_SECONDS = 5.0


class Progress:
    """Counts by stage, shown as they grow. Only the flow's own thread changes it."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self._totals: dict[str, int | None] = {}
        self._units: dict[str, str] = {}
        self._logged = self._published = time.monotonic()
        self._moved: dict[str, float] = {}
        self._artifacts: dict[str, UUID] = {}
        self._bars: Bars | None = None
        self._ids: dict[str, TaskID] = {}
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn())
            units = TextColumn("{task.fields[unit]}")
            self._bars = Bars(*columns, units, TimeRemainingColumn(), console=console)
            self._bars.start()

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self.done[stage], self._totals[stage], self._units[stage] = 0, total, unit
        if self._bars:
            self._ids[stage] = self._bars.add_task(stage, total=total, unit=unit)

    def advance(self, stage: str, amount: int) -> None:
        self.done[stage] += amount
        self._moved[stage] = time.monotonic()
        if self._bars:
            self._bars.update(self._ids[stage], advance=amount)
        elif time.monotonic() - self._logged > LINE_SECONDS:
            self._logged = time.monotonic()
            logger.info(self._line(stage))
        if time.monotonic() - self._published > ARTIFACT_SECONDS:
            self._published = time.monotonic()
            self._publish(stage)

    def moved(self, stage: str) -> float:
        """Return when a stage last advanced, in seconds of time.monotonic; 0.0 if it never did."""
        return self._moved.get(stage, 0.0)

    def end(self, stage: str) -> None:
        """End a stage: its total is what it has done."""
        self._totals[stage] = self.done[stage]
        if self._bars:
            self._bars.update(self._ids[stage], total=self.done[stage])
        else:
            logger.info(self._line(stage))
        if stage in self._artifacts:
            self._publish(stage)

    def close(self) -> None:
        if self._bars:
            self._bars.stop()

    def _line(self, stage: str) -> str:
        total = self._totals[stage]
        of = f" of {total:,}" if total is not None and total != self.done[stage] else ""
        return f"{stage}: {self.done[stage]:,}{of} {self._units[stage]}"

    def _publish(self, stage: str) -> None:
        """Publish stages of known length only: an artifact costs Prefect some 30 ms."""
        total = self._totals[stage]
        if total is None:
            return
        share = 100.0 * self.done[stage] / total if total else 100.0
        line = self._line(stage)
        if stage in self._artifacts:
            update_progress_artifact(self._artifacts[stage], progress=share, description=line)
        else:
            self._artifacts[stage] = create_progress_artifact(  # type: ignore[assignment]
                progress=share, key=f"progress-{stage}", description=line
            )
