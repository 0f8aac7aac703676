"""Who the simulator makes up, as plain data: sources, habits, mixes of errors, scenarios.

Figures are those of docs/accuracy.md; every one that is not from a publication is said there to
be a choice of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TYPED = {
    "unit_lb_as_kg": 0.20,
    "unit_kg_as_lb": 0.10,
    "decimal_shift": 0.12,
    "hundreds_off": 0.10,
    "digit_swap": 0.12,
    "height_as_weight": 0.06,
    "bmi_as_weight": 0.04,
    "other_person": 0.06,
    "wrong_date": 0.06,
    "repeat": 0.03,
    "carried_forward": 0.04,
    "implausible": 0.01,
    "outlier": 0.06,
}
"""Shares of what goes wrong where a person types."""

SCALE = {
    "unit_lb_as_kg": 0.08,
    "unit_kg_as_lb": 0.05,
    "other_person": 0.45,
    "repeat": 0.10,
    "implausible": 0.04,
    "outlier": 0.28,
}
"""Shares where a scale sends by itself: other feet, luggage, one foot on the floor, wrong unit."""

FEED = {
    "unit_lb_as_kg": 0.25,
    "unit_kg_as_lb": 0.15,
    "decimal_shift": 0.10,
    "other_person": 0.20,
    "repeat": 0.12,
    "carried_forward": 0.05,
    "implausible": 0.03,
    "outlier": 0.10,
}
"""Shares where one system passes on what another one sent."""

BURST = (
    "unit_lb_as_kg",
    "unit_kg_as_lb",
    "decimal_shift",
    "hundreds_off",
    "other_person",
    "outlier",
)
FIRST = (
    "unit_lb_as_kg",
    "unit_kg_as_lb",
    "decimal_shift",
    "hundreds_off",
    "height_as_weight",
    "other_person",
)


@dataclass(frozen=True)
class Source:
    """How one kind of source weighs and writes. kg throughout; rates per reading."""

    noise_kg: float
    """White noise of one reading, SD, beside water, weekday and hour."""
    error_rate: float
    errors: Mapping[str, float]
    bias_kg: float = 0.0
    """Mean over persons, without clothes."""
    bias_sd_kg: float = 0.1
    """Between persons."""
    clothed: bool = False
    office_hours: bool = False
    date_only: float = 0.05
    """Share of persons of whom this source keeps the date alone."""
    step_kg: float = 0.1
    """The scale's resolution where it shows kg; step_lb where it shows pounds."""
    step_lb: float = 0.2
    time_style: str = "space"
    """space 2024-01-31 07:12:33, iso with T, fraction with .125, offset with +01:00, zulu UTC."""


SOURCES: dict[str, Source] = {
    "patient-device": Source(0.38, 0.021, SCALE, date_only=0.12, time_style="offset"),
    "patient-upload": Source(0.45, 0.013, TYPED, bias_sd_kg=0.2, date_only=0.4),
    "care-team-upload": Source(
        0.70, 0.0036, TYPED, bias_sd_kg=0.3, clothed=True, office_hours=True, date_only=0.6
    ),
    "internal-questionnaire": Source(
        0.60, 0.014, TYPED, bias_kg=-0.56, bias_sd_kg=0.5, date_only=0.9, step_kg=1.0, step_lb=5.0
    ),
    "initial-questionnaire": Source(
        0.60, 0.014, TYPED, bias_kg=-0.56, bias_sd_kg=0.5, date_only=0.9, step_kg=1.0, step_lb=5.0
    ),
    "https://connectivehealth.io": Source(
        0.70,
        0.036,
        FEED,
        bias_sd_kg=0.3,
        clothed=True,
        office_hours=True,
        date_only=0.3,
        time_style="zulu",
    ),
    "https://api.iglucose.com": Source(0.45, 0.151, FEED, time_style="fraction"),
    "bath-scale-x9": Source(0.50, 0.02, SCALE, bias_kg=-0.6, bias_sd_kg=0.2, time_style="iso"),
    "": Source(0.60, 0.03, TYPED, bias_kg=0.3, bias_sd_kg=0.3, date_only=0.5),
}
"""The replaced system's sources with its gross error rates, one that no table knows, and none."""


@dataclass(frozen=True)
class Habit:
    """When and where a kind of person is weighed."""

    sources: Mapping[str, float]
    gap_days: float
    """Mean days between weighings of different days."""
    same_day: float
    """Share of readings that come on the day of the one before."""
    pause: float
    """Share of readings that come after a pause of 30 days and more."""
    rows: float = 60.0
    """Median readings of a person."""


HABITS: dict[str, Habit] = {
    "home": Habit({"patient-device": 0.97, "patient-upload": 0.03}, 1.3, 0.10, 0.012, 150),
    "clinic": Habit(
        {
            "care-team-upload": 0.70,
            "https://connectivehealth.io": 0.25,
            "initial-questionnaire": 0.05,
        },
        40,
        0.08,
        0.12,
        30,
    ),
    "mixed": Habit(
        {
            "patient-device": 0.58,
            "patient-upload": 0.14,
            "care-team-upload": 0.12,
            "internal-questionnaire": 0.06,
            "initial-questionnaire": 0.01,
            "https://connectivehealth.io": 0.04,
            "bath-scale-x9": 0.03,
            "": 0.02,
        },
        3,
        0.20,
        0.06,
        90,
    ),
    "feed": Habit({"https://api.iglucose.com": 0.9, "patient-device": 0.1}, 1.6, 0.10, 0.01, 100),
    "diary": Habit(
        {"patient-upload": 0.6, "internal-questionnaire": 0.35, "initial-questionnaire": 0.05},
        9,
        0.05,
        0.06,
        40,
    ),
}


@dataclass(frozen=True)
class Scenario:
    """A population: shares of persons by habit, and shares of persons to whom something happens."""

    habits: Mapping[str, float]
    steps: Mapping[str, float] = field(default_factory=dict)
    """surgery, fluid, gap, pregnancy: real fast changes."""
    bursts: float = 0.0
    first_wrong: float = 0.0
    household: float = 0.0
    """Persons whose scale files a housemate's readings under them, 4-12 % of all."""
    new_scale: float = 0.0
    error_factor: float = 1.0
    errors: Mapping[str, float] | None = None
    """Shares of errors in every source, instead of the source's own."""
    about: str = ""


SCENARIOS: dict[str, Scenario] = {
    "mixed": Scenario(
        {"home": 0.30, "clinic": 0.25, "mixed": 0.30, "feed": 0.05, "diary": 0.10},
        steps={"surgery": 0.02, "fluid": 0.02, "gap": 0.03, "pregnancy": 0.01},
        bursts=0.03,
        first_wrong=0.015,
        household=0.04,
        new_scale=0.03,
        about="a population with everything in it",
    ),
    "clean": Scenario(
        {"home": 0.5, "clinic": 0.2, "mixed": 0.3},
        error_factor=0.0,
        about="no errors at all: what filtering alone is worth",
    ),
    "home_daily": Scenario({"home": 1.0}, about="a scale at home, most days"),
    "clinic_sparse": Scenario({"clinic": 1.0}, about="a few clinic values a year"),
    "mixed_sources": Scenario({"mixed": 1.0}, about="scale, clinic, questionnaires and feeds"),
    "dirty_feed": Scenario({"feed": 1.0}, about="a feed with 15 % errors"),
    "error_menu": Scenario(
        {"mixed": 0.6, "clinic": 0.2, "diary": 0.2},
        error_factor=1.5,
        errors=dict.fromkeys(TYPED, 1.0),
        about="every error of the menu equally often, in every source",
    ),
    "named_errors": Scenario(
        {"home": 0.4, "mixed": 0.4, "clinic": 0.1, "diary": 0.1},
        error_factor=1.5,
        errors={name: 1.0 for name in TYPED if name not in ("outlier", "implausible")},
        about="every error that has a cause equally often, no unnamed offsets",
    ),
    "bursts": Scenario(
        {"home": 0.5, "mixed": 0.5}, bursts=1.0, about="three to ten errors in a row"
    ),
    "first_wrong": Scenario(
        {"home": 0.4, "clinic": 0.3, "mixed": 0.3}, first_wrong=1.0, about="a wrong first value"
    ),
    "surgery": Scenario(
        {"home": 0.4, "clinic": 0.2, "mixed": 0.4},
        steps={"surgery": 1.0},
        about="about -1 kg a week for 20 weeks",
    ),
    "fluid": Scenario(
        {"home": 0.7, "mixed": 0.3}, steps={"fluid": 1.0}, about="about 6 kg in 5 days, down or up"
    ),
    "gap_change": Scenario(
        {"home": 0.5, "mixed": 0.5}, steps={"gap": 1.0}, about="about 8 kg over a gap of 60 days"
    ),
    "pregnancy": Scenario(
        {"home": 0.5, "mixed": 0.5}, steps={"pregnancy": 1.0}, about="up 12 kg, then birth"
    ),
    "household": Scenario({"home": 1.0}, household=1.0, about="housemates on one scale"),
    "new_scale": Scenario(
        {"home": 0.5, "mixed": 0.5}, new_scale=1.0, about="a new scale, 1.5-4 kg off"
    ),
}
