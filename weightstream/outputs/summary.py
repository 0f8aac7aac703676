"""The summary of a run: numbers, one line of JSON, a text, and an artifact in Prefect."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from weightstream.schema import LEVEL_MOVED_KG, OUTCOMES


@dataclass
class Summary:
    """Counts of rows by outcome, persons, seconds by stage; problems are one sentence each.

    retro: counts by schema.RETRO_COUNTS; empty if retro did not run.
    """

    run_id: str
    rows_in: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    users: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0
    store: Path | None = None
    dashboards_index: Path | None = None
    retro: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unusable_sources: int = 0
    sources: int = 0

    @property
    def rows_per_second(self) -> float:
        apart = sum(self.seconds.get(name, 0.0) for name in ("startup", "retro", "dashboards"))
        busy = self.seconds.get("total", 0.0) - apart
        return self.rows_in / busy if busy > 0 else 0.0

    @property
    def exit_status(self) -> int:
        """Return 0: done; 1: done but something failed; 2: nothing could be used."""
        if self.sources and self.unusable_sources == self.sources:
            return 2
        return 1 if self.problems else 0

    def to_json(self) -> str:
        """Return the line of `--json`. A run that read no rows also has the results of retro."""
        told = {"retro": self.retro} if self.retro and not self.sources else {}
        return json.dumps(
            {
                "run_id": self.run_id,
                "rows_in": self.rows_in,
                **self.counts,
                "users": self.users,
                "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
                "rows_per_second": round(self.rows_per_second, 1),
                "peak_rss_mb": round(self.peak_rss_mb, 1),
                "store": str(self.store) if self.store else None,
                "dashboards_index": str(self.dashboards_index) if self.dashboards_index else None,
                **told,
            }
        )

    def to_text(self) -> str:
        """Return the summary as text; the last line names the dashboards, if there are any."""
        lines = [f"{self.rows_in:,} rows of {self.users:,} persons"]
        lines += [f"  {name:<12}{count:>12,}" for name, count in self.counts.items()]
        spent = ", ".join(f"{name} {value:.1f}" for name, value in self.seconds.items())
        if self.retro:
            lines.append(f"retro: {self.retro_text()}")
        lines.append(f"seconds: {spent}; {self.rows_per_second:,.0f} rows/s")
        lines.append(f"peak memory: {self.peak_rss_mb:,.0f} MB")
        lines += [f"failed: {trouble}" for trouble in self.problems]
        if self.store:
            lines.append(f"store: {self.store}")
        if self.dashboards_index:
            lines.append(f"dashboards: {self.dashboards_index}")
        return "\n".join(lines)

    def retro_text(self) -> str:
        """Return in one line what retro did."""
        return (
            "{readings:,} readings of {persons:,} persons judged again; accepted to rejected "
            "{accepted_to_rejected:,}, rejected to accepted {rejected_to_accepted:,}; the level of "
            "{levels_moved:,} persons moved by more than {moved_kg} kg"
        ).format(**self.retro, moved_kg=LEVEL_MOVED_KG)

    def to_markdown(self) -> str:
        """Return the artifact of the run in Prefect: counts, rates and the slowest stage; no
        person."""
        lines = [f"**{self.rows_in:,} rows** of {self.users:,} persons", ""]
        lines += ["| outcome | rows | share |", "| --- | ---: | ---: |"]
        for name, count in self.counts.items():
            share = count / self.rows_in if self.rows_in else 0.0
            lines.append(f"| {name} | {count:,} | {share:.2%} |")
        if self.retro:
            lines += ["", "| retro | |", "| --- | ---: |"]
            lines += [f"| {name.replace('_', ' ')} | {n:,} |" for name, n in self.retro.items()]
        lines += ["", "| stage | seconds |", "| --- | ---: |"]
        stages = {
            name: value for name, value in self.seconds.items() if name not in ("startup", "total")
        }
        slowest = max(stages, key=stages.__getitem__, default=None)
        lines += [
            f"| {name}{', the slowest' if name == slowest else ''} | {value:.2f} |"
            for name, value in self.seconds.items()
        ]
        lines += ["", f"{self.rows_per_second:,.0f} rows/s, peak {self.peak_rss_mb:,.0f} MB"]
        lines += [f"\n**failed**: {trouble}" for trouble in self.problems]
        return "\n".join(lines) + "\n"
