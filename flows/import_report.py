"""Publishing the import report: to a file if requested, and to Prefect without cells."""

import logging
from pathlib import Path

from prefect.artifacts import create_table_artifact

from tasks.runtime.context import RunContext
from weightstream.errors import ConfigError
from weightstream.intake.import_report import (
    contradictory_text,
    first_quarantined,
    shared_ids_text,
    write_report,
)
from weightstream.intake.sources import report_of

logger = logging.getLogger("weightstream")
ROWS_SHOWN = 100


def publish_import_report(context: RunContext, json_report: str | None) -> list[str]:
    """Write the import report, and an artifact that quotes nothing of the files.

    Returns what went wrong.
    """
    settings, intake = context.settings, context.batches.intake
    # A file's name may be a person's: Prefect gets the number that the file has in the store.
    names = [f"file {number}" for number in context.store.file_numbers.tolist()]
    rows = first_quarantined(intake.findings, names)
    if rows:
        quarantined = sum(file.quarantined for file in intake.files)
        create_table_artifact(
            key="quarantine",
            table=rows[:ROWS_SHOWN],
            description=f"{quarantined:,} rows in quarantine; the first of each file and reason",
        )
    if json_report is None:  # the report would say it
        for name, found in zip(names, intake.findings, strict=True):
            if found.shared_ids:
                logger.warning(shared_ids_text(f"{name} of the store", found.shared_ids.total()))
        for what, persons in intake.contradictory.items():
            logger.warning(contradictory_text(what, persons))
        return []
    try:
        timezone = settings.config.data.timezone
        write_report(Path(json_report), report_of(intake, settings.read_options, timezone))
    except ConfigError as error:
        return [str(error)]
    return []
