"""The artifacts of a run in Prefect's UI: a summary, and a table of sources. No person, no name."""

from collections.abc import Iterable
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.runtime.context import RunContext
from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.outputs.report import Document
from weightstream.outputs.summary import Summary

WORST_SOURCES = 5


def publish_artifacts(context: RunContext, summary: Summary) -> None:
    """Create the artifacts of a run."""
    table = sources_table(context.settings.config, context.tallies.quality)
    create_markdown_artifact(
        key="summary",
        markdown=summary.to_markdown() + "\n".join(worst_sources(table)) + places(summary),
        description="What became of the rows, what took long, and where the results are.",
    )
    if table:
        create_table_artifact(
            key="sources",
            table=table,
            description="All that is stored, by source; quality.html beside the pages has more.",
        )


def sources_table(config: Config, quality: Document) -> list[dict[str, Any]]:
    """Return one row for each source of the store, in the order of the report on data quality.

    A source's name comes from the files and may be "Anna's phone". Only names that the
    configuration or weightstream itself has are shown; others are numbered as in quality.json.
    """
    known = {*config.sources, *PRIOR.sources}
    return [
        {
            "source": one["source"] if one["source"] in known else f"source {number}",
            "readings": one["readings"],
            "rejected": one["plausibility"]["rejected"],
            "rejected %": percent(one["plausibility"]["rejected_share"]),
            "quarantined": sum(
                one[kind]["quarantined"] for kind in ("conformance", "completeness", "plausibility")
            ),
            "in 95 % interval": percent(one["plausibility"]["coverage_95"]),
            "noise kg": round(one["plausibility"]["noise_kg"], 2),
            "bias kg": round(one["plausibility"]["bias_kg"], 2),
        }
        for number, one in enumerate(quality.get("sources", []), 1)
    ]


def percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def worst_sources(table: Iterable[dict[str, Any]]) -> list[str]:
    """Return the sources with the largest share of rejected readings, as lines of Markdown."""
    worst = sorted(table, key=lambda row: -(row["rejected %"] or 0))[:WORST_SOURCES]
    if not worst:
        return []
    lines = ["", "### Sources with the most rejected", ""]
    lines += ["| source | readings | rejected | share |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {row['source']} | {row['readings']:,} | {row['rejected']:,} "
        f"| {row['rejected %'] or 0} % |"
        for row in worst
    ]
    return lines


def places(summary: Summary) -> str:
    """Return where the results are on this machine, as Markdown."""
    index = summary.dashboards_index
    lines = ["", "", "### Where", ""]
    if index:
        lines.append(f"- [dashboards]({index.as_uri()}): `{index}`")
        quality = index.with_name("quality.html")
        lines.append(f"- [data quality]({quality.as_uri()}): `{quality}`")
    lines.append(f"- store: `{summary.store}`")
    return "\n".join(lines) + "\n"
