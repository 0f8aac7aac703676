"""The report on data quality: a document for programs, a text, and a page beside the persons'."""

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import orjson

from weightstream.config import Config
from weightstream.engine.model import source_model
from weightstream.errors import ConfigError, StoreError, plain
from weightstream.outputs import quality
from weightstream.outputs.checks import as_json, checks, sentences, validation
from weightstream.outputs.failing_rows import FailingRow, failing_rows
from weightstream.outputs.pages.failing import FAILING_PAGE, Section, failing_page
from weightstream.outputs.pages.page import PERSONS, file_name, write_assets, write_page
from weightstream.outputs.pages.quality import quality_page
from weightstream.outputs.quality import COMPLETENESS, CONFORMANCE, PLAUSIBILITY, Measured, Tally
from weightstream.store import models
from weightstream.store.connection import ReadPool
from weightstream.store.locks import shared_run_lock

logger = logging.getLogger("weightstream")
Document = dict[str, Any]


def write_report(
    connection: sqlite3.Connection,
    dashboards: Path,
    config: Config,
    *,
    pages_follow: bool = False,
) -> Document:
    """Measure the store; write quality.html, quality.json and the rows of failed checks.

    pages_follow: pages of persons that are missing are about to be drawn; link to them, too.
    Returns the content of quality.json.
    """
    found = document(connection, config)
    checked = found.pop("validation")
    write_assets(dashboards, config.visualization.language)
    _write_failing(connection, dashboards, config, found, pages_follow)
    write_page(dashboards / "quality.html", quality_page(found))
    write_page(dashboards / "quality.json", orjson.dumps(found))
    write_page(dashboards / "quality-validation.json", orjson.dumps(checked))
    return found


def tell_end(dashboards: Path, found: Document, run: int, status: str) -> None:
    """Write into the report that a run has written how that run ended: it was under way.

    found: as write_report returned it. A report that another run wrote since is left alone.
    """
    kept = dashboards / "quality.json"
    if not kept.is_file() or kept.read_bytes() != orjson.dumps(found):
        return
    for one in found["runs"]:
        if one["run"] == run:
            one["state"] = status
    write_page(dashboards / "quality.html", quality_page(found))
    write_page(kept, orjson.dumps(found))


def _write_failing(
    connection: sqlite3.Connection,
    dashboards: Path,
    config: Config,
    found: Document,
    pages_follow: bool,
) -> None:
    """Write the page of rows of failed checks; each check gets its place there as rows_at."""

    def page_of(user: str) -> str | None:
        page = f"{PERSONS}/{file_name(user, config.visualization.file_names)}"
        return page if pages_follow or (dashboards / page).exists() else None

    sections: list[Section] = []
    damage = set()
    weeks = set(filter(None, found["weeks"]["week"]))
    for number, check in enumerate(found["checks"]):
        check["rows_at"] = None
        if check["status"] != "failed":
            continue
        rows: Sequence[FailingRow] | str
        try:
            rows = failing_rows(connection, check, found["checked_since"], weeks)
        except StoreError as error:
            damage.add(rows := str(error))
        if rows:
            check["rows_at"] = f"{FAILING_PAGE}#check-{number}"
            sections.append((f"check-{number}", check, rows))
    if sections:
        write_page(dashboards / FAILING_PAGE, failing_page(sections, page_of))
    else:
        (dashboards / FAILING_PAGE).unlink(missing_ok=True)
    if damage:  # the sentences differ only in how many rows each check met
        logger.warning("rows of failed checks are left out: %s", min(damage))


def report_on_store(config: Config) -> Document:
    """Call write_report on the configured store. Raises StoreError, ConfigError."""
    data_dir = config.data.data_dir.absolute()
    dashboards = data_dir / "dashboards"
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        try:
            return write_report(connection, dashboards, config)
        except OSError as error:
            raise ConfigError(f"{dashboards}: cannot be written ({error.strerror})") from None


def failed_checks(dashboards: Path) -> set[tuple[str, str]]:
    """Return (source, metric) of the checks that failed when the report was last written."""
    try:
        return failed(orjson.loads((dashboards / "quality.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # none yet, or of an earlier version


def failed(quality: Document) -> set[tuple[str, str]]:
    """Return (source, metric) of the checks of a document that failed."""
    checks = quality["checks"]
    return {(one["source"], one["metric"]) for one in checks if one["status"] == "failed"}


def document(connection: sqlite3.Connection, config: Config) -> Document:
    """Return the figures of each source, of its weeks, and of the newest runs.

    Shares are of 1, weights in kg; null if there is no value. It names no person.
    """
    measured = quality.measure(connection)
    in_use = models.active(connection)
    newest, since = measured.newest_week, quality.checked_since(measured, config.quality)
    made, sources = checks(measured, config.quality), []
    for source in measured.weeks:
        model = source_model(source, config.sources, in_use)
        drift = quality.drift(measured, source, config.quality)
        of_source = _judged(measured.of(source))
        of_source["plausibility"] |= {
            "bias_kg": model.bias_kg,
            "noise_kg": model.noise_kg,
            "error_rate": model.error_rate,
            "drift_kg": drift and round(drift[0], 4),
            "drift_error_kg": drift and round(drift[1], 4),
        }
        sources.append({"source": source} | of_source)
    everything = quality.total(t for weeks in measured.weeks.values() for t in weeks.values())
    return {
        "newest_week": newest and newest.isoformat(),
        "checked_since": since and since.isoformat(),
        "parameters": in_use.name,
        "total": _judged(everything)
        | {"rows_in": measured.rows_in, "duplicates": measured.duplicates},
        "sources": sources,
        "weeks": _weeks(measured),
        "runs": measured.runs,
        "limits": config.quality.model_dump(),
        "checks": [as_json(check) for check in made],
        "breaches": sentences(made),
        "validation": validation(made, measured.asked),
    }


def _judged(tally: Tally) -> dict[str, Any]:
    """Return a tally in the terms of the field."""
    return {
        "rows": tally.rows,
        "readings": tally.readings,
        "conformance": _quarantined(tally, CONFORMANCE),
        "completeness": _quarantined(tally, COMPLETENESS)
        | {"date_only": tally.date_only, "undecided": tally.undecided},
        "plausibility": _quarantined(tally, PLAUSIBILITY)
        | {
            "accepted": tally.accepted,
            "rejected": tally.rejected.total() - tally.copies,
            "rejected_share": _share(
                tally.rejected.total() - tally.copies, tally.readings - tally.copies
            ),
            "copies": tally.copies,
            "rejected_reasons": dict(tally.rejected.most_common()),
            "compared": tally.compared,
            "coverage_50": _share(tally.inside_50, tally.compared),
            "coverage_95": _share(tally.inside_95, tally.compared),
            "difference_kg": _rounded(tally.mean_difference),
            "spread": _rounded(sqrt(tally.z_squares / tally.compared) if tally.compared else None),
        },
    }


def _quarantined(tally: Tally, reasons: Iterable[str]) -> dict[str, Any]:
    some = {reason: tally.quarantined[reason] for reason in reasons if tally.quarantined[reason]}
    rows = sum(some.values())
    return {"quarantined": rows, "quarantined_share": _share(rows, tally.rows), "reasons": some}


def _weeks(measured: Measured) -> dict[str, list[Any]]:
    """One row a source and week, as columns: rows and rejected and quarantined ones by reason."""
    found = [
        (source, week, tally)
        for source, weeks in measured.weeks.items()
        for week, tally in sorted(weeks.items(), key=lambda item: (item[0] is None, item[0]))
    ]
    tallies = [tally for _, _, tally in found]
    columns: dict[str, list[Any]] = {
        "source": [source for source, _, _ in found],
        "week": [week and week.isoformat() for _, week, _ in found],
        "readings": [tally.readings for tally in tallies],
        "compared": [tally.compared for tally in tallies],
        "coverage_50": [_share(tally.inside_50, tally.compared) for tally in tallies],
        "coverage_95": [_share(tally.inside_95, tally.compared) for tally in tallies],
        "difference_kg": [_rounded(tally.mean_difference) for tally in tallies],
    }
    for outcome in ("rejected", "quarantined"):
        counts: list[Counter[str]] = [getattr(tally, outcome) for tally in tallies]
        columns[outcome] = [count.total() for count in counts]
        if outcome == "rejected":
            columns["copies"] = [tally.copies for tally in tallies]
            columns[outcome] = [
                n - c for n, c in zip(columns[outcome], columns["copies"], strict=True)
            ]
        for reason in sorted(set().union(*counts)):
            columns[f"{outcome}.{reason}"] = [count[reason] for count in counts]
    return columns


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


TABLE = (
    ("readings", 10, lambda s: f"{s['readings']:,}"),
    ("nonconform", 11, lambda s: _percent(s["conformance"]["quarantined_share"])),
    ("incomplete", 11, lambda s: _percent(s["completeness"]["quarantined_share"])),
    ("rejected", 9, lambda s: _percent(s["plausibility"]["rejected_share"])),
    ("in 50 %", 8, lambda s: _percent(s["plausibility"]["coverage_50"])),
    ("in 95 %", 8, lambda s: _percent(s["plausibility"]["coverage_95"])),
    ("bias kg", 8, lambda s: f"{s['plausibility']['bias_kg']:+.2f}"),
    ("noise kg", 9, lambda s: f"{s['plausibility']['noise_kg']:.2f}"),
    ("differs kg", 11, lambda s: _signed(s["plausibility"]["difference_kg"])),
    ("drift kg", 9, lambda s: _signed(s["plausibility"]["drift_kg"])),
)
"""Heading, width and text of what stands beside each source."""


def report_text(found: Document, path: Path) -> str:
    """Return the sources and exceeded limits as text."""
    total = found["total"]
    lines = [
        f"{total['rows_in']:,} rows came in, {total['duplicates']:,} were duplicates; "
        f"{total['readings']:,} readings, newest week {found['newest_week'] or '-'}, parameters "
        f"{found['parameters']}",
        f"{'source':<28}" + "".join(f"{name:>{width}}" for name, width, _ in TABLE),
    ]
    for source in found["sources"]:
        cells = "".join(f"{text(source):>{width}}" for _, width, text in TABLE)
        lines.append(f"{plain(source['source'])[:27]:<28}{cells}")
    lines += [f"beyond its limit: {plain(breach)}" for breach in found["breaches"]]
    counts = Counter(check["status"] for check in found["checks"])
    lines.append(
        ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "not checked"))
    )
    return "\n".join([*lines, f"page: {path}"])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _signed(kg: float | None) -> str:
    return "-" if kg is None else f"{round(kg, 2) + 0.0:+.2f}"  # no -0.00
