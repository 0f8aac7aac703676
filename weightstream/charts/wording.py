"""The sentences that explain a decision to a person."""

REASON_SENTENCES = {
    "ok": "",
    "unit_lb_as_kg": "Pounds entered as kilograms",
    "unit_kg_as_lb": "Kilograms entered as pounds",
    "decimal_shift": "Decimal point in the wrong place",
    "hundreds_off": "Off by a round hundred",
    "digit_swap": "Two digits swapped",
    "height_as_weight": "Height entered as weight",
    "bmi_as_weight": "Body mass index entered as weight",
    "other_person": "Probably another person's reading",
    "wrong_date": "Probably belongs to another date",
    "repeat": "A copy of an earlier reading",
    "implausible": "No body weighs this, and no known slip explains it",
    "outlier": "Far from what was expected, without a known cause",
    "override": "Decided by a person",
}
"""By reason code (schema.REASONS)."""
