"""The meaning and unit of every table and column, for data packages and Datasette."""

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
    "effective_at": Meaning("When the person was weighed: in UTC, or only the day"),
    "source": Meaning("Where the reading is from: a device, a questionnaire, a feed"),
    "weight_kg": Meaning("The weight as received, in kg", KG),
    "raw_weight": Meaning("The number as it was written"),
    "raw_unit": Meaning("The unit as it was written, or as the format or an option states"),
    "raw_time": Meaning("The time as it was written"),
    "record_id": Meaning("The source's own id of the record"),
    "verdict": Meaning("accepted, or rejected"),
    "reason": Meaning("ok, or why it was rejected or decided otherwise"),
    "override": Meaning("A reviewer's decision in force: accept, reject or assign"),
    "override_by": Meaning("The reviewer"),
    "updated": Meaning("When the source last changed the record, UTC"),
    "p_reason": Meaning("Probability of the reason among all errors that the reading may be", "1"),
    "second_reason": Meaning("The next likeliest reason"),
    "p_second": Meaning("Probability of second_reason, as p_reason", "1"),
    "p_valid": Meaning("Probability that the reading is valid", "1"),
    "expected_kg": Meaning(
        "The value that this source should have shown, predicted without this reading", KG
    ),
    "expected_lo_kg": Meaning("Lower end of the 95 % interval of expected_kg", KG),
    "expected_hi_kg": Meaning("Upper end of the 95 % interval of expected_kg", KG),
    "level_kg": Meaning(
        "The person's underlying weight, as a reference scale would show it in the morning", KG
    ),
    "level_lo_kg": Meaning("Lower end of the 95 % interval of level_kg", KG),
    "level_hi_kg": Meaning("Upper end of the 95 % interval of level_kg", KG),
    "trend_kg_per_week": Meaning("How fast the level changes", KG_A_WEEK),
    "change_28d_kg": Meaning("How much the level changed over the 28 days before", KG),
    "change_28d_lo_kg": Meaning("Lower end of the 95 % interval of change_28d_kg", KG),
    "change_28d_hi_kg": Meaning("Upper end of the 95 % interval of change_28d_kg", KG),
    "suggested_kg": Meaning("The value that was probably meant, if the reason is right", KG),
    "stage": Meaning("causal: judged by earlier readings; retro: judged by all others"),
    "version": Meaning("Rises when verdict, reason or suggestion changes"),
    "run_id": Meaning("The run that decided it; Prefect's flow run id"),
    "model": Meaning("The set of parameters that was used"),
    "file": Meaning("Name of the file it came from"),
    "line": Meaning("Line of the file from 1, or position of the record"),
    "explanation": Meaning("Why it was rejected, in one sentence"),
    "checksum": Meaning("Hash of the row's other columns, which `weightstream check` verifies"),
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

BIRTH_DATE = Meaning("Their birth date; contradictory: sources state several, so none is used")
SEX = Meaning("m or f; contradictory: sources state both, so neither is used")

TABLES: dict[str, tuple[str, dict[str, Meaning]]] = {
    "current_decisions": ("Every measurement with its current decision: start here", {}),
    "rejected_readings": ("Rejected readings, and the values that were probably meant", {}),
    "persons": (
        "One row per person",
        {
            "first_at": Meaning("Their first reading, UTC"),
            "last_at": Meaning("Their newest reading, UTC"),
            "rejected_percent": Meaning("Share of their readings that were rejected", "%"),
            "level_kg": Meaning("Their level at the newest reading", KG),
            "birth_date": BIRTH_DATE,
            "sex": SEX,
            "waits_for_retro": Meaning("1: retro has not seen their newest change"),
        },
    ),
    "quarantine_by_reason": (
        "The number of quarantined rows by file and reason",
        {
            "rows": Meaning("Rows in quarantine"),
            "first_line": Meaning("Line of the first of them"),
            "example": Meaning("What is wrong with the first of them"),
        },
    ),
    "measurements": (
        "Measurements as received, with the normalised values; replaced only by a smaller spelling",
        {
            "local_hour": Meaning("Local hour of the day; empty if only the day is known", "h"),
            "run": Meaning("The run that stored it: runs.id"),
            "file": Meaning("The file it came from: files.id"),
            "checksum": Meaning("Hash of the columns that judging reads"),
            "received_checksum": Meaning("Hash of the columns that show how it was received"),
        },
    ),
    "decisions": (
        "All versions of the decision on each measurement",
        {
            "user_id": Meaning("The person in whose series the reading is"),
            "received_user": Meaning("The person it was received for, if that is another"),
            "verdict": Meaning("accepted, rejected, or moved: to another person's series"),
            "expected_margin_kg": Meaning("Half of the 95 % interval of expected_kg", KG),
            "level_margin_kg": Meaning("Half of the 95 % interval of level_kg", KG),
            "change_28d_margin_kg": Meaning("Half of the 95 % interval of change_28d_kg", KG),
            "run": Meaning("The run that decided it: runs.id"),
        },
    ),
    "row_counts": (
        "The number of rows of each person, to notice missing rows",
        {
            "measurements": Meaning("Rows in measurements"),
            "decisions": Meaning("Rows in decisions, of all versions"),
        },
    ),
    "level_shifts": (
        "Changes to a new level on which several readings agree",
        {
            "effective_at": Meaning("Of the first reading on the new level"),
            "measurement_id": Meaning("The first reading on the new level"),
            "from_kg": Meaning("Level before", KG),
            "to_kg": Meaning("Level after", KG),
        },
    ),
    "quarantine": (
        "Rows that could not be used, as written",
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
                "1: retro has not seen the newest change; 2: an override is not applied yet"
            ),
            "first_us": Meaning("The oldest reading, since 1970 UTC", "us"),
            "last_us": Meaning("The newest reading, since 1970 UTC", "us"),
            "level_kg": Meaning("Level at the newest reading", KG),
        },
    ),
    "demographics": (
        "Birth date and sex of persons, where a source states them",
        {"birth_date": BIRTH_DATE, "sex": SEX},
    ),
    "user_states": (
        "The filter's state after each person's last reading that can no longer change",
        {
            "basis": Meaning("Fingerprint of engine, parameters and configuration"),
            "settled": Meaning("0: the whole series is judged again when the next reading comes"),
            "state": Meaning("The version of the layout, then the filter's state"),
            "records": Meaning("Hashes of the known record ids of the person"),
        },
    ),
    "records": (
        "Statements of records that the rows of measurements do not show",
        {
            "record_id": Meaning(
                "The source's own id; empty: the measurement arrived without one too"
            ),
            "measurement_id": Meaning(
                "The measurement that it states; empty: the record is retracted"
            ),
            "run": Meaning("The run that stored it: runs.id"),
            "file": Meaning("The file it came from: files.id"),
        },
    ),
    "superseded": (
        "Measurements that their source corrected or retracted",
        {"reason": Meaning("superseded or retracted")},
    ),
    "former_ids": (
        "Ids of measurements in weightstream 0.1",
        {"former_id": Meaning("The id of 0.1, which history and override accept too")},
    ),
    "sources": (
        "Learnt parameters of each source",
        {
            "bias_kg": Meaning("How much more it shows than a reference scale in the morning", KG),
            "noise_kg": Meaning("Standard deviation of one reading", KG),
            "error_rate": Meaning("Share of its readings that are grossly wrong", "1"),
            "readings": Meaning("Number of readings that it was learnt from"),
        },
    ),
    "files": (
        "Files that were read; the same content is the same file",
        {
            "id": Meaning("Number of the file"),
            "sha256": Meaning("Hash of its bytes"),
            "name": Meaning("Its name when it was first read"),
            "importer": Meaning("The format it was read as"),
            "bytes": Meaning("Its size on disk", "By"),
            "reads": Meaning("Number of times it was read"),
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
            "results": Meaning("Results of retro, and news (alerts, breaches), as JSON"),
        },
    ),
    "models": (
        "Named sets of parameters that `weightstream learn` made",
        {
            "name": Meaning("Of the set"),
            "active": Meaning("1: ingest and retro use it"),
            "learnt_at": Meaning("UTC"),
            "readings": Meaning("Number of readings that it was learnt from"),
            "parameters": Meaning("The set, as JSON"),
            "stale": Meaning("1: a person was erased since, so learn again"),
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
            "withdrawn_by": Meaning("Who withdrew or replaced it"),
        },
    ),
    "alert_statuses": (
        "The status of alerts, which themselves are computed from the readings",
        {
            "kind": Meaning("rapid_gain, weight_loss, unusual or unconfirmed"),
            "began": Meaning("effective_at of the first reading that showed it"),
            "status": Meaning("new, acknowledged or closed"),
            "made_by": Meaning("Who set it"),
            "made_at": Meaning("UTC"),
            "note": Meaning("Why"),
        },
    ),
    "announced_alerts": (
        "Alerts that events and [notify] have announced, each once at most",
        {
            "kind": Meaning("rapid_gain, weight_loss, unusual or unconfirmed"),
            "began": Meaning("effective_at of the first reading that showed it"),
            "announced_at": Meaning("UTC"),
        },
    ),
    "erasures": (
        "Persons who were erased, as keyed hashes",
        {
            "token": Meaning("Keyed hash of the person"),
            "erased_at": Meaning("UTC"),
            "finished_at": Meaning("UTC; empty: under way or cut short"),
            "left_to_do": Meaning("Persons to judge and draw again, as JSON, until it is finished"),
        },
    ),
    "received": (
        "Every stored row as received, from `export --raw`",
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
        "Settings with which the store was created",
        {"key": Meaning("Name"), "value": Meaning("Value")},
    ),
}
"""Table, view or file -> its meaning, and columns that are not in SHARED or differ from it."""


def column_of(table: str, name: str) -> Meaning | None:
    """Return what a column of a table, view or export means; None if it is not described."""
    return TABLES.get(table, ("", {}))[1].get(name) or SHARED.get(name)
