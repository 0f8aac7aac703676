"""The columns of each stage: names, types, units. No other module lists them.

A reader yields RAW tables of text as written. Cleaning turns them into MEASUREMENT tables, and into
QUARANTINE tables of the rows that it could not use. All are Arrow tables.
"""

import pyarrow as pa

Z95 = 1.959963984540054
"""Half of a 95 % interval, in standard deviations."""
Z50 = 0.6744897501960817
"""Half of a 50 % interval."""

CODE = pa.dictionary(pa.int32(), pa.string())

RAW = pa.schema(
    [
        ("user_id", CODE),
        ("time", pa.string()),
        ("source", CODE),
        ("weight", CODE),
        ("unit", CODE),
        ("record_id", pa.string()),  # the source's own id of the record, if it has one
        ("updated", pa.string()),  # when the source last changed the record, if it says so
        ("line", pa.int64()),  # of the file, from 1, header included
        ("retracted", pa.bool_()),  # the source retracts the record; null: it does not
        ("fault", pa.string()),  # a quarantine reason that the reader itself found, else null
        ("detail", pa.string()),  # one sentence on that fault, else null
        ("birth_date", pa.string()),  # of the person, as written
        ("sex", pa.string()),  # of the person: m, f, or null
    ]
)
"""One row per record of the source; a missing cell (empty, NULL) is null."""

MEASUREMENT = pa.schema(
    [
        ("user_id", CODE),
        ("source", CODE),  # "unknown" where the cell is empty
        ("time_us", pa.int64()),  # microseconds since 1970 UTC; a date alone is 12:00 local
        ("effective_at", pa.string()),  # 2024-01-31T07:12:33Z or, date only, 2024-01-31
        ("wall", pa.string()),  # as written, normalised: 2024-01-31T07:12:33.5+01:00
        ("hour", pa.float32()),  # local hour of the day, 0-24; NaN where only the date is known
        ("weight_kg", pa.float64()),
        ("amount", pa.string()),  # the exact decimal as written, normalised: "80.0" is "80"
        ("unit", CODE),  # kg, g, lb, oz, st
        ("raw_weight", pa.string()),
        ("raw_unit", CODE),
        ("raw_time", pa.string()),
        ("record_id", pa.string()),
        ("updated", pa.string()),
        ("file", pa.int32()),  # index into the run's list of files
        ("line", pa.int64()),
    ]
)

RETRACTION = pa.schema(
    [
        ("user_id", pa.string()),
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("updated", pa.string()),  # as in MEASUREMENT
        ("file", pa.int32()),
        ("line", pa.int64()),
    ]
)
"""Records that their source retracted; one without a record_id has no effect."""

DEMOGRAPHICS = pa.schema(
    [
        ("user_id", pa.string()),
        ("birth_date", pa.string()),  # 1984-05-31
        ("sex", pa.string()),  # m or f
    ]
)
"""What sources state about persons, beside their weighings; null: nothing. Once merged
(weightstream.demographics), a value may be "contradictory"."""

QUARANTINE = pa.schema(
    [
        ("reason", pa.string()),
        ("detail", pa.string()),  # one sentence; may quote the cell
        ("user_id", pa.string()),
        ("time", pa.string()),
        ("source", pa.string()),
        ("weight", pa.string()),
        ("unit", pa.string()),
        ("file", pa.int32()),
        ("line", pa.int64()),
    ]
)

QUARANTINE_REASONS = (
    "missing_field",
    "not_body_weight",
    "unknown_unit",
    "bad_number",
    "bad_timestamp",
    "too_old",
    "future_timestamp",
)
"""In the order in which they are tested; a row has the first that fits."""

REASONS = (
    "ok",
    "unit_lb_as_kg",
    "unit_kg_as_lb",
    "decimal_shift",
    "hundreds_off",
    "digit_swap",
    "height_as_weight",
    "bmi_as_weight",
    "other_person",
    "wrong_date",
    "repeat",
    "implausible",
    "outlier",
    "override",
    "superseded",
    "retracted",
)
"""Why a reading was accepted or rejected: a closed list. The engine's codes are indexes into it;
new reasons are appended, never inserted."""

REASONS_VERSION = 2

HUMAN_REASONS = ("override", "superseded", "retracted")
"""Reasons that do not come from the engine: a reviewer's decision, or a correction or retraction by
the source."""

OUTCOMES = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed")
"""Every input row has exactly one of these outcomes."""

RETRO_COUNTS = (
    "persons",
    "readings",
    "accepted_to_rejected",
    "rejected_to_accepted",
    "levels_moved",  # persons whose level at their newest reading moved by more than LEVEL_MOVED_KG
)
"""The results of retro: persons whose series it judged, their readings, and what changed."""

LEVEL_MOVED_KG = 0.1
"""The resolution of a scale: a smaller change is not visible."""

EXPORT = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("source", pa.string()),
        ("raw_weight", pa.string()),
        ("raw_unit", pa.string()),
        ("weight_kg", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("p_reason", pa.float64()),
        ("second_reason", pa.string()),
        ("p_second", pa.float64()),
        ("p_valid", pa.float64()),
        ("expected_kg", pa.float64()),
        ("expected_lo_kg", pa.float64()),
        ("expected_hi_kg", pa.float64()),
        ("level_kg", pa.float64()),
        ("level_lo_kg", pa.float64()),
        ("level_hi_kg", pa.float64()),
        ("trend_kg_per_week", pa.float64()),
        ("change_28d_kg", pa.float64()),
        ("change_28d_lo_kg", pa.float64()),
        ("change_28d_hi_kg", pa.float64()),
        ("suggested_kg", pa.float64()),
        ("stage", pa.string()),
        ("version", pa.int64()),
        ("run_id", pa.string()),
        ("model", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("explanation", pa.string()),
        ("override", pa.string()),
        ("override_by", pa.string()),
    ]
)
"""One row per measurement, with its current decision. `weightstream.store.descriptions` says what
each column means; `clean`, which has no store, writes all but OF_STORE."""

OF_STORE = ("version", "run_id")
