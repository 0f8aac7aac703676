"""The artifacts of a run in Prefect's UI: a summary, and a table of sources. No person, no name."""

from collections.abc import Iterable, Sequence
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
    config, quality = context.settings.config, context.tallies.quality
    table = sources_table(config, quality)
    create_markdown_artifact(
        key="summary",
        markdown=summary.to_markdown()
        + "\n".join(worst_sources(table))
        + passed_limits(quality, table)
        + places(summary, config.visualization.base_url),
        description="What became of the rows, what took long, and where the results are.",
    )
    if table:
        create_table_artifact(
            key="sources",
            table=table,
            description="All stored data by source; see also quality.html beside the pages.",
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


def passed_limits(quality: Document, table: Sequence[dict[str, Any]]) -> str:
    """Return the limits of [quality] that are passed, as Markdown; sources as in the table."""
    names = dict(
        zip(
            (one["source"] for one in quality.get("sources", [])),
            (row["source"] for row in table),
            strict=True,
        )
    )
    failed = [check for check in quality.get("checks", []) if check["status"] == "failed"]
    lines = [f"- {names.get(one['source'], one['source'])}: {one['said']}" for one in failed]
    return "\n".join(["", "### Limits of [quality] that are exceeded", "", *lines]) if lines else ""


def places(summary: Summary, base_url: str = "") -> str:
    """Return where the results are, as Markdown: links only where a web server has them.

    A browser opens no file of another machine, and none from a page of Prefect's at all.
    """
    index = summary.dashboards_index
    lines = ["", "", "### Where", ""]
    if index:
        for words, path in (
            ("dashboards", index),
            ("data quality", index.with_name("quality.html")),
        ):
            linked = f"[{words}]({base_url}/{path.name})" if base_url else words
            lines.append(f"- {linked}: `{path}`")
    lines.append(f"- store: `{summary.store}`")
    return "\n".join(lines) + "\n"
