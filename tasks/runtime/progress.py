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
    """Counts by stage, told to a person as they grow. Used by the flow's own thread alone."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self._totals: dict[str, int | None] = {}
        self._units: dict[str, str] = {}
        self._told = self._shown = time.monotonic()
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
        if self._bars:
            self._bars.update(self._ids[stage], advance=amount)
        elif time.monotonic() - self._told > LINE_SECONDS:
            self._told = time.monotonic()
            logger.info(self._line(stage))
        if time.monotonic() - self._shown > ARTIFACT_SECONDS:
            self._shown = time.monotonic()
            self._show(stage)

    def end(self, stage: str) -> None:
        """The stage is over: what it did is its total."""
        self._totals[stage] = self.done[stage]
        if self._bars:
            self._bars.update(self._ids[stage], total=self.done[stage])
        else:
            logger.info(self._line(stage))
        if stage in self._artifacts:
            self._show(stage)

    def close(self) -> None:
        if self._bars:
            self._bars.stop()

    def _line(self, stage: str) -> str:
        total = self._totals[stage]
        of = f" of {total:,}" if total is not None and total != self.done[stage] else ""
        return f"{stage}: {self.done[stage]:,}{of} {self._units[stage]}"

    def _show(self, stage: str) -> None:
        """Stages that are known to be long only: an artifact costs Prefect some 30 ms."""
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
