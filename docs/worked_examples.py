"""The worked examples of docs/examples.md: small series and the decisions on them.

`docs/generate.py` renders them, and `tests/test_examples.py` runs them.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

FIRST_DAY = date(2024, 1, 1)


@dataclass(frozen=True)
class Example:
    """One person's readings and the decisions that are expected.

    readings: (day, kg) each, day counted from the first of January 2024; a fraction is a clock.
    rejected: reason by position of the readings that are rejected; None where any reason will do.
    suggested: kg by position, where the error can be undone. uncertain: positions whose
    probability of being valid lies between 0.1 and 0.9.
    """

    title: str
    text: str
    readings: tuple[tuple[float, float], ...]
    source: str = "patient-device"
    rejected: dict[int, str | None] = field(default_factory=dict)
    suggested: dict[int, float] = field(default_factory=dict)
    uncertain: tuple[int, ...] = ()

    @property
    def times(self) -> list[str]:
        """When each reading was made: a date, or a date and a clock."""
        return [_time(day) for day, _ in self.readings]


def _time(day: float) -> str:
    whole, clock = divmod(day, 1)
    on = FIRST_DAY + timedelta(days=int(whole))
    minutes = round(clock * 1440)
    return f"{on}T{minutes // 60:02d}:{minutes % 60:02d}" if minutes else str(on)


def _daily(*weights: float, first: float = 0) -> tuple[tuple[float, float], ...]:
    return tuple((first + day, kg) for day, kg in enumerate(weights))


EPISODE = (90, 92, 94, 96, 98, 100, 98.5, 97, 95.5, 94, 92.5, 91, 89.5)

EXAMPLES = (
    Example(
        "A hundred too many",
        "The hundreds were mistyped. With a hundred less the value fits, so that is suggested.",
        _daily(76, 78, 177, 76),
        rejected={2: "hundreds_off"},
        suggested={2: 77},
    ),
    Example(
        "Two digits swapped",
        "95 was typed as 59, in a source where people type. From a connected scale, the same "
        "reading is more likely another person's.",
        _daily(95, 94, 59, 96, 95.5),
        source="patient-upload",
        rejected={2: "digit_swap"},
        suggested={2: 95},
    ),
    Example(
        "Two digits swapped, less than three apart",
        "growthcleanr does not call this a swap, since the digits 7 and 5 differ by less than "
        "three. We do, since 75 fits the readings around it and 57 does not.",
        _daily(75, 74, 57, 76, 75.5),
        source="patient-upload",
        rejected={2: "digit_swap"},
        suggested={2: 75},
    ),
    Example(
        "Pounds in a column of kilograms",
        "176.2 is 79.9 kg in pounds.",
        _daily(80, 80.3, 79.8, 176.2, 80.1, 80.2, 79.9),
        rejected={3: "unit_lb_as_kg"},
        suggested={3: 79.92},
    ),
    Example(
        "Real movement over months",
        "Clinic values that differ by 14 kg, weeks apart. A body can do that; all are accepted.",
        ((0, 61), (35, 65), (80, 72), (130, 68), (200, 58)),
        source="care-team-upload",
    ),
    Example(
        "Fluid",
        "Twelve kilograms of fluid in six days, gone a week later. Several readings on a path that "
        "a body can take are not errors: all are accepted, and the page reports the gain.",
        (*_daily(*[88] * 30), *_daily(*EPISODE, first=30), *_daily(*[88] * 14, first=43)),
    ),
    Example(
        "A step between sparse visits",
        "After surgery between two visits 200 days apart the weight is lower, and stays lower.",
        ((0, 131.5), (40, 132), (240, 90.5), (420, 89.8)),
        source="care-team-upload",
    ),
    Example(
        "A lone value that no other supports",
        "The weight was 80 kg a year before and a year after.",
        ((0, 80), (365, 110), (730, 80)),
        source="care-team-upload",
        rejected={1: None},
    ),
    Example(
        "An infant",
        "From 3.4 kg at birth to 9.9 kg at one year. Nothing here is an error.",
        ((0, 3.4), (14, 3.7), (30, 4.4), (61, 5.6), (91, 6.4), (183, 7.9), (274, 9.0), (365, 9.9)),
        source="care-team-upload",
    ),
    Example(
        "A heavy person",
        "Rare values are not errors if they agree with each other.",
        _daily(268.2, 267.9, 268.5, 268.1, 267.6, 268.0, 267.8),
    ),
)
