"""What every table and column means, and in which unit it is: for data packages and Datasette."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """of: one sentence. unit: UCUM, where there is one."""

    of: str
    unit: str | None = None


KG, KG_A_WEEK = "kg", "kg/wk"

SHARED = {
    "user_id": Meaning("The person, as the source names them"),
    "measurement_id": Meaning(
        "Identity of a measurement: a hash over person, source, instant and mass"
    ),
    "effective_at": Meaning("When the person was weighed: UTC, or the day alone"),
    "source": Meaning("Where the reading is from: a device, a questionnaire, a feed"),
    "weight_kg": Meaning("The weight as received, in kg", KG),
    "raw_weight": Meaning("The number as it was written"),
    "raw_unit": Meaning("The unit as it was written, or as the format or an option states"),
    "raw_time": Meaning("The time as it was written"),
    "record_id": Meaning("The source's own id of the record"),
    "verdict": Meaning("accepted, or rejected"),
    "reason": Meaning("Why: ok, a named error, outlier, or whose decision it was"),
    "override": Meaning("A reviewer's decision: accept, reject or assign"),
    "override_by": Meaning("Who decided it"),
    "updated": Meaning("When the source last changed the record, UTC"),
    "p_reason": Meaning("Probability of the reason among all explanations of the reading", "1"),
    "p_valid": Meaning("Probability that the reading is valid", "1"),
    "expected_kg": Meaning(
        "What this source should have shown, predicted without this reading", KG
    ),
    "expected_lo_kg": Meaning("Lower end of the 95 % interval of expected_kg", KG),
    "expected_hi_kg": Meaning("Upper end of the 95 % interval of expected_kg", KG),
    "level_kg": Meaning("The person's slow weight then, as on a reference scale at morning", KG),
    "level_lo_kg": Meaning("Lower end of the 95 % interval of level_kg", KG),
    "level_hi_kg": Meaning("Upper end of the 95 % interval of level_kg", KG),
    "trend_kg_per_week": Meaning("How fast the level moves", KG_A_WEEK),
    "change_28d_kg": Meaning("How much the level changed over the 28 days before", KG),
    "change_28d_lo_kg": Meaning("Lower end of the 95 % interval of change_28d_kg", KG),
    "change_28d_hi_kg": Meaning("Upper end of the 95 % interval of change_28d_kg", KG),
    "suggested_kg": Meaning("What the value probably should have been, by its reason", KG),
    "stage": Meaning("causal: judged by earlier readings; retro: by all others"),
    "version": Meaning("Rises when verdict, reason or suggestion changes"),
    "run_id": Meaning("The run that decided it; Prefect's flow run id"),
    "model": Meaning("The named set of parameters that was used"),
    "file": Meaning("Name of the file it came from"),
    "line": Meaning("Line of the file from 1, or position of the record"),
    "explanation": Meaning("Why it was rejected, in one sentence"),
    "checksum": Meaning("Over the row's other columns: `weightstream check` compares"),
    "detail": Meaning("What is wrong with the row, in one sentence"),
    "rows_in": Meaning("Body-weight records"),
    "accepted": Meaning("Rows that were accepted"),
    "rejected": Meaning("Readings that were rejected"),
    "duplicates": Meaning("Rows with the same content as another row"),
    "quarantined": Meaning("Rows that cannot be used"),
    "excluded": Meaning("Rows that were not selected, or retracted by their source"),
    "readings": Meaning("Readings of the person that are stored"),
}
"""Columns that mean the same in every table."""

TABLES: dict[str, tuple[str, dict[str, Meaning]]] = {
    "current_decisions": ("Every measurement with its current decision: start here", {}),
    "rejected_readings": ("Readings that were rejected, and what they probably should be", {}),
    "persons": (
        "One line a person",
        {
            "first_at": Meaning("Their first reading, UTC"),
            "last_at": Meaning("Their newest reading, UTC"),
            "rejected_percent": Meaning("Share of their readings that were rejected", "%"),
            "level_kg": Meaning("Their level at the newest reading", KG),
            "waits_for_retro": Meaning("1: retro has not seen their newest change"),
        },
    ),
    "quarantine_by_reason": (
        "How many rows of each file are in quarantine, and why",
        {
            "rows": Meaning("Rows in quarantine"),
            "first_line": Meaning("The first of them"),
            "example": Meaning("What is wrong with the first of them"),
        },
    ),
    "measurements": (
        "What was received, as text, beside the normalised values; never updated",
        {
            "local_hour": Meaning("Hour of the day there; empty for a day alone", "h"),
            "run": Meaning("The run that stored it: runs.id"),
            "file": Meaning("The file it came from: files.id"),
            "checksum": Meaning("Over the columns that judging reads"),
            "received_checksum": Meaning("Over the columns that tell how it was received"),
        },
    ),
    "decisions": (
        "What was decided on each measurement, version by version",
        {
            "user_id": Meaning("The person whose reading it counts as"),
            "received_user": Meaning("The person it was received for, where that is another"),
            "verdict": Meaning("accepted, rejected, or moved: to another person's series"),
            "expected_margin_kg": Meaning("Half of the 95 % interval of expected_kg", KG),
            "level_margin_kg": Meaning("Half of the 95 % interval of level_kg", KG),
            "change_28d_margin_kg": Meaning("Half of the 95 % interval of change_28d_kg", KG),
            "run": Meaning("The run that decided it: runs.id"),
        },
    ),
    "row_counts": (
        "How many rows each person has, so that a row which vanished is missed",
        {
            "measurements": Meaning("Rows in measurements"),
            "decisions": Meaning("Rows in decisions, of all versions"),
        },
    ),
    "level_shifts": (
        "Where several readings agreed on a new level",
        {
            "effective_at": Meaning("Of the first reading on the new level"),
            "measurement_id": Meaning("The first reading on the new level"),
            "from_kg": Meaning("Level before", KG),
            "to_kg": Meaning("Level after", KG),
        },
    ),
    "quarantine": (
        "Rows that could not be used, as they stood",
        {
            "file_id": Meaning("The file it came from: files.id"),
            "reason": Meaning("The first fault that was found"),
            "time": Meaning("The time as it was written"),
            "weight": Meaning("The number as it was written"),
            "unit": Meaning("The unit as it was written"),
            "run": Meaning("The run that stored it: runs.id"),
        },
    ),
    "users": (
        "State of each person; the view persons is easier to read",
        {
            "revision": Meaning("Rises with every change of the person's series"),
            "dirty": Meaning(
                "1: retro has not seen the newest change; 2: nor is a reviewer's decision applied"
            ),
            "first_us": Meaning("The oldest reading, since 1970 UTC", "us"),
            "last_us": Meaning("The newest reading, since 1970 UTC", "us"),
            "level_kg": Meaning("Level at the newest reading", KG),
        },
    ),
    "user_states": (
        "The filter after the newest reading of each person",
        {
            "basis": Meaning("Fingerprint of engine, parameters and configuration"),
            "settled": Meaning("0: later readings may still revise earlier decisions"),
            "state": Meaning("The filter's state, behind the version of its layout"),
            "records": Meaning("Hashes of the records that are known of the person"),
        },
    ),
    "records": (
        "Statements of sources' records besides the measurements' own rows",
        {
            "record_id": Meaning(
                "The source's own id; empty: the measurement arrived without one too"
            ),
            "measurement_id": Meaning("What it states; empty: that the record is retracted"),
            "run": Meaning("The run that stored it: runs.id"),
            "file": Meaning("The file it came from: files.id"),
        },
    ),
    "superseded": (
        "Measurements that their source corrected or retracted: no data",
        {"reason": Meaning("superseded or retracted")},
    ),
    "former_ids": (
        "What weightstream 0.1 called its measurements",
        {"former_id": Meaning("The id of 0.1; history and override take it as well")},
    ),
    "sources": (
        "What was learnt of each source",
        {
            "bias_kg": Meaning("How much more it shows than a reference scale at morning", KG),
            "noise_kg": Meaning("Standard deviation of one reading", KG),
            "error_rate": Meaning("Share of its readings that are grossly wrong", "1"),
            "readings": Meaning("Readings that it was learnt from"),
        },
    ),
    "files": (
        "Files that were read; the same content is the same file",
        {
            "id": Meaning("Number of the file"),
            "sha256": Meaning("Hash of its bytes"),
            "name": Meaning("What it was called when first seen"),
            "importer": Meaning("The format it was read as"),
            "bytes": Meaning("Its size on disk", "By"),
            "reads": Meaning("How often it was read"),
            "last_run": Meaning("The run that last read it: runs.id"),
            "excluded_reasons": Meaning("Excluded rows by reason, as JSON"),
            "skipped": Meaning("Records of other kinds"),
        },
    ),
    "runs": (
        "Runs of ingest, retro, dashboards and learn",
        {
            "id": Meaning("Number of the run"),
            "run_id": Meaning("Prefect's flow run id where there is one"),
            "kind": Meaning("ingest, retro, dashboards, learn, override"),
            "status": Meaning("running, completed, degraded, failed"),
            "started_at": Meaning("UTC"),
            "finished_at": Meaning("UTC"),
            "failed": Meaning("Rows whose batch failed"),
            "users": Meaning("Persons of the run"),
            "seconds": Meaning("Seconds by stage, as JSON"),
            "results": Meaning("What stages did, as JSON"),
        },
    ),
    "models": (
        "Named sets of parameters that `weightstream learn` made",
        {
            "name": Meaning("Of the set"),
            "active": Meaning("1: ingest and retro use it"),
            "learnt_at": Meaning("UTC"),
            "readings": Meaning("Readings that it was learnt from"),
            "parameters": Meaning("The set, as JSON"),
            "stale": Meaning("1: a person was erased since; learn again"),
        },
    ),
    "overrides": (
        "Reviewers' decisions on measurements",
        {
            "id": Meaning("Number of the override"),
            "user_id": Meaning("The person that the measurement was received for"),
            "action": Meaning("accept, reject or assign"),
            "assigned_to": Meaning("Whose reading it is, where assigned"),
            "made_by": Meaning("Who decided"),
            "note": Meaning("Why"),
            "made_at": Meaning("UTC"),
            "withdrawn_at": Meaning("UTC; empty while it is in force"),
            "withdrawn_by": Meaning("Who withdrew it, or decided otherwise"),
        },
    ),
    "alert_statuses": (
        "What people said of alerts; an alert itself is a function of the readings",
        {
            "kind": Meaning("rapid_gain, weight_loss, unusual or unconfirmed"),
            "began": Meaning("When the first reading was that told it: as effective_at"),
            "status": Meaning("new, acknowledged or closed"),
            "made_by": Meaning("Who said so"),
            "made_at": Meaning("UTC"),
            "note": Meaning("Why"),
        },
    ),
    "erasures": (
        "Persons who were erased, as keyed hashes",
        {
            "token": Meaning("Keyed hash of the person"),
            "erased_at": Meaning("UTC"),
            "finished_at": Meaning("UTC; empty: cut short, erase goes on with it"),
            "left_to_do": Meaning("Whom to judge and draw anew, as JSON, until it is finished"),
        },
    ),
    "received": (
        "Every stored row as it was received: of `export --raw`",
        {
            "effectiveDateTime": SHARED["raw_time"],
            "source_type": SHARED["source"],
            "weight": SHARED["raw_weight"],
            "unit": SHARED["raw_unit"],
            "id": SHARED["record_id"],
            "quarantined_as": Meaning("Why the row cannot be used; empty for a measurement"),
        },
    ),
    "settings": (
        "What the store was begun with",
        {"key": Meaning("Name"), "value": Meaning("Value")},
    ),
}
"""Table, view or file -> its meaning, and columns that SHARED lacks or describes otherwise."""


def column_of(table: str, name: str) -> Meaning | None:
    """Return what a column of a table, view or export means; None if it is not described."""
    return TABLES.get(table, ("", {}))[1].get(name) or SHARED.get(name)
