"""The error menu: what goes wrong between a body and a file, each with its name.

An error is drawn for a weighing and changes what is written: the number, the unit it is taken
for, or the time. Labels follow the result, not the intention: a value that ends within 6 kg or
8 % of the right one is `offset_small` whatever made it, since nobody could tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from weightstream.parsing.units import POUND_KG
from weightstream.simulator.people import SOURCE_NAMES, People, Weighings
from weightstream.simulator.scenarios import BURST, FIRST, SOURCES, Scenario
from weightstream.types import Floats, Ints

KG_PER_LB = float(POUND_KG)
SMALL_KG = 6.0
SMALL_SHARE = 0.08
NEAR_DAYS = 60.0

VALUE_ERRORS = (
    "unit_lb_as_kg",
    "unit_kg_as_lb",
    "decimal_shift",
    "hundreds_off",
    "digit_swap",
    "height_as_weight",
    "bmi_as_weight",
    "other_person",
    "implausible",
    "outlier",
)
ERRORS = ("ok", *VALUE_ERRORS, "wrong_date", "repeat", "carried_forward")
"""What can be drawn."""

EXTRA_LABELS = ("offset_small", "wrong_date_small", "carried_forward", "scale_offset")
"""Labels beside schema.REASONS: what no one can find in a single reading, and a new scale."""

OVERFLOWS = (0.1, 0.5, 1.0, 655.35, 777.7, 888.8, 999.9, 1500.0, 6553.5)


@dataclass
class Written:
    """What each weighing leaves behind: a number, the unit it is taken for, and a time.

    number: (N,) in pounds where pounds, else kg. decimals: of number. true_kg: what the display
    should have said. clock: the source whose way of writing times is used, since a copy keeps the
    time's form. intended: index into ERRORS.
    """

    number: Floats
    pounds: np.ndarray
    decimals: Ints
    time: Floats
    source: Ints
    clock: Ints
    true_kg: Floats
    intended: Ints


def read_display(people: People, weighings: Weighings) -> Written:
    """Round as the source's display does. A new scale's offset is no part of true_kg."""
    sources = list(SOURCES.values())
    step_kg = np.array([s.step_kg for s in sources])[weighings.source]
    step_lb = np.array([s.step_lb for s in sources])[weighings.source]
    pounds = people.pounds[weighings.person]
    step = np.where(pounds, step_lb, step_kg)
    unit = np.where(pounds, KG_PER_LB, 1.0)
    number = np.round(weighings.right_kg / unit / step) * step
    return Written(
        number=number,
        pounds=pounds.copy(),
        decimals=np.where(step < 1, 1, 0),
        time=weighings.time.copy(),
        source=weighings.source.copy(),
        clock=weighings.source.copy(),
        true_kg=number * unit - weighings.offset_kg,
        intended=np.zeros(len(number), np.int64),
    )


def spoil(
    rng: np.random.Generator,
    scenario: Scenario,
    people: People,
    weighings: Weighings,
    written: Written,
) -> None:
    """Draw errors and write them into `written`."""
    written.intended[:] = _draw_errors(rng, scenario, people, weighings)
    housemate = _other_persons(rng, people, weighings, written)
    right = written.number.copy(), written.pounds.copy()
    for name, change in {
        "unit_lb_as_kg": _pounds_taken_for_kg,
        "unit_kg_as_lb": _kg_taken_for_pounds,
        "decimal_shift": _shift_point,
        "hundreds_off": _miss_hundreds,
        "digit_swap": _swap_digits,
        "height_as_weight": _type_height,
        "bmi_as_weight": _type_bmi,
        "implausible": _overflow,
        "outlier": _disturb,
    }.items():
        rows = np.flatnonzero(written.intended == ERRORS.index(name))
        if len(rows):
            change(rng, people, weighings.person, written, rows)
    rows = np.flatnonzero(written.intended == ERRORS.index("other_person"))
    unit = np.where(written.pounds[rows], KG_PER_LB, 1.0)
    written.number[rows] = np.round(housemate[rows] / unit, 1)
    _repeat(rng, weighings, written, right)
    _misdate(rng, people, weighings, written)


def _draw_errors(
    rng: np.random.Generator, scenario: Scenario, people: People, weighings: Weighings
) -> Ints:
    person, source = weighings.person, weighings.source
    size = len(person)
    rates = np.array([s.error_rate for s in SOURCES.values()])[source]
    rates = np.minimum(rates * people.sloppiness[person] * scenario.error_factor, 0.4)
    drawn = np.zeros(size, np.int64)
    wrong = rng.random(size) < rates
    for index, spec in enumerate(SOURCES.values()):
        rows = np.flatnonzero(wrong & (source == index))
        drawn[rows] = _choose(rng, scenario.errors or spec.errors, len(rows))
    shared = rng.random(len(people.rows)) < scenario.household
    share = np.where(shared, rng.uniform(0.04, 0.12, len(shared)), 0.0)
    home = source == SOURCE_NAMES.index("patient-device")
    drawn[home & (rng.random(size) < share[person])] = ERRORS.index("other_person")
    _draw_runs(rng, scenario, people, drawn)
    return drawn


def _draw_runs(rng: np.random.Generator, scenario: Scenario, people: People, drawn: Ints) -> None:
    """Bursts of 3-10 of one kind after the first tenth of a series, and wrong first values."""
    starts = np.concatenate([[0], np.cumsum(people.rows)[:-1]])
    for user in np.flatnonzero(rng.random(len(starts)) < scenario.bursts):
        rows = int(people.rows[user])
        length = int(rng.integers(3, 11))
        kind = ERRORS.index(BURST[int(rng.integers(len(BURST)))])
        begin = int(rng.integers(0, rows))
        if rows >= 4 * length:
            begin = starts[user] + rows // 10 + begin * (rows - rows // 10 - length) // rows
            drawn[begin : begin + length] = kind
    first = np.flatnonzero(rng.random(len(starts)) < scenario.first_wrong)
    first = first[people.rows[first] >= 3]
    drawn[starts[first]] = _choose(rng, dict.fromkeys(FIRST, 1.0), len(first))


def _choose(rng: np.random.Generator, mix: Mapping[str, float], size: int) -> Ints:
    shares = np.array(list(mix.values()))
    codes = np.array([ERRORS.index(name) for name in mix])
    return codes[rng.choice(len(codes), size, p=shares / shares.sum())]


def _other_persons(
    rng: np.random.Generator, people: People, weighings: Weighings, written: Written
) -> Floats:
    """What another person shows on the same source: at home a housemate, else anyone, kg."""
    users = len(people.rows)
    if users == 1:
        return written.true_kg * rng.choice([0.75, 1.3])
    housemate = (np.arange(users) + 1) % users
    home = weighings.source == SOURCE_NAMES.index("patient-device")
    anyone = (weighings.person + rng.integers(1, users, len(home))) % users
    other = np.where(home, housemate[weighings.person], anyone)
    bias = people.source_bias[other, weighings.source]
    starts = np.concatenate([[0], np.cumsum(people.rows)[:-1]])
    level = weighings.level_kg[starts[other] + rng.integers(0, people.rows[other])]
    return level + bias + rng.normal(0.4, 0.6, len(home))


def _pounds_taken_for_kg(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    written.number[rows] = np.round(written.true_kg[rows] / KG_PER_LB, 1)
    written.decimals[rows] = 1
    written.pounds[rows] = False


def _kg_taken_for_pounds(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    written.number[rows] = np.round(written.true_kg[rows], 1)
    written.decimals[rows] = 1
    written.pounds[rows] = True


def _shift_point(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    up = rng.random(len(rows)) < 0.6
    written.number[rows] = np.where(up, written.number[rows] * 10, written.number[rows] / 10)
    written.decimals[rows] = np.where(up, 0, written.decimals[rows] + 1)


def _miss_hundreds(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    number = written.number[rows]
    most = np.where(written.pounds[rows], 3, 2)
    hundreds = np.where(rng.random(len(rows)) < 0.8, 1, 1 + rng.integers(0, most))
    down = (number - 100 * hundreds > 10) & (rng.random(len(rows)) < 0.5)
    written.number[rows] = number + np.where(down, -100, 100) * hundreds


def _swap_digits(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    """Two neighbouring digits change places, mostly tens and units; equal ones cannot."""
    for row in rows:
        digits = list(f"{written.number[row]:.1f}".replace(".", ""))
        pairs = [k for k in range(len(digits) - 1) if digits[k] != digits[k + 1]]
        if not pairs:
            written.intended[row] = 0
            continue
        weights = np.array([0.2 if k == len(digits) - 2 else 1.0 for k in pairs])
        k = int(rng.choice(pairs, p=weights / weights.sum()))
        digits[k], digits[k + 1] = digits[k + 1], digits[k]
        written.number[row] = int("".join(digits)) / 10
        written.decimals[row] = 1


def _type_height(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    """Centimetres where kg are typed; where pounds are, inches or, less often, centimetres."""
    height = people.height_m[person[rows]]
    inches = written.pounds[rows] & (rng.random(len(rows)) < 0.8)
    written.number[rows] = np.round(np.where(inches, height / 0.0254, height * 100))
    written.decimals[rows] = 0


def _type_bmi(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    bmi = written.true_kg[rows] / people.height_m[person[rows]] ** 2
    written.number[rows] = np.round(bmi, 1)
    written.decimals[rows] = 1
    written.pounds[rows] = False


def _overflow(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    """A device's nonsense; one that a slipped point would explain is not nonsense."""
    value = rng.choice(OVERFLOWS, len(rows))
    ratio = value / written.true_kg[rows]
    near = np.minimum(abs(ratio / 10 - 1), abs(ratio * 10 - 1)) < 0.2
    written.number[rows] = np.where(near, 6553.5, value)
    written.decimals[rows] = np.where(written.number[rows] == 655.35, 2, 1)
    written.pounds[rows] = False


def _disturb(
    rng: np.random.Generator, people: People, person: Ints, written: Written, rows: Ints
) -> None:
    """An offset without a name: luggage or a child (more), one foot on the floor (less)."""
    share = rng.uniform(0.03, 0.35, len(rows)) * rng.choice([-1, 1], len(rows))
    written.number[rows] = np.round(written.number[rows] * (1 + share), 1)
    written.decimals[rows] = 1


def _repeat(
    rng: np.random.Generator,
    weighings: Weighings,
    written: Written,
    right: tuple[Floats, np.ndarray],
) -> None:
    """The value before, again: through another app within two minutes, or carried forward."""
    person = weighings.person
    copied, carried = ERRORS.index("repeat"), ERRORS.index("carried_forward")
    wanted = (written.intended == copied) | (written.intended == carried)
    usable = np.zeros(len(person), bool)
    usable[1:] = (person[1:] == person[:-1]) & (written.intended[:-1] == 0)
    written.intended[wanted & ~usable] = 0
    rows = np.flatnonzero(wanted & usable)
    written.number[rows], written.pounds[rows] = right[0][rows - 1], right[1][rows - 1]
    written.decimals[rows] = written.decimals[rows - 1]
    retimed = rows[written.intended[rows] == copied]
    written.time[retimed] = written.time[retimed - 1] + rng.integers(2, 118, len(retimed)) / 86400
    written.true_kg[retimed] = written.true_kg[retimed - 1]
    upload, device = SOURCE_NAMES.index("patient-upload"), SOURCE_NAMES.index("patient-device")
    before = written.source[retimed - 1]
    written.clock[retimed] = before
    written.source[retimed] = np.where(before == upload, device, upload)


def _misdate(
    rng: np.random.Generator, people: People, weighings: Weighings, written: Written
) -> None:
    """The right value under a wrong day: last or next year, or day and month changed over.

    Days outside the person's own span are not used: there nothing could contradict them.
    """
    starts = np.concatenate([[0], np.cumsum(people.rows)[:-1]])
    ends = starts + people.rows - 1
    for row in np.flatnonzero(written.intended == ERRORS.index("wrong_date")):
        user = weighings.person[row]
        day = np.datetime64(int(written.time[row]), "D")
        swapped = _day_and_month_swapped(day)
        to = np.array([int(written.time[row]) - 365, int(written.time[row]) + 365, swapped])
        span = weighings.time[starts[user]], weighings.time[ends[user]]
        to = to[(to > span[0]) & (to < span[1]) & (to != int(written.time[row]))]
        if len(to) == 0:
            written.intended[row] = 0
            continue
        written.time[row] = rng.choice(to) + written.time[row] % 1


def _day_and_month_swapped(day: np.datetime64) -> int:
    year, month, date = str(day).split("-")
    if int(date) > 12:
        return int(day.astype(np.int64))
    return int(np.datetime64(f"{year}-{date}-{month}").astype(np.int64))


def label(
    weighings: Weighings, written: Written, weight_kg: Floats, stated_true_kg: Floats
) -> np.ndarray:
    """(N,) names: ok, a reason of schema.REASONS, or one of EXTRA_LABELS.

    weight_kg: as it stands in the file. stated_true_kg: the right value at the stated time.
    """
    names = np.array(ERRORS, dtype=object)[written.intended]
    off = np.abs(weight_kg - stated_true_kg)
    small = (off < SMALL_KG) | (off < SMALL_SHARE * stated_true_kg)
    value_error = np.isin(written.intended, [ERRORS.index(name) for name in VALUE_ERRORS])
    names[value_error & small] = "offset_small"
    dated = written.intended == ERRORS.index("wrong_date")
    names[dated & (small | ~_has_neighbours(weighings, written))] = "wrong_date_small"
    names[(written.intended == 0) & (np.abs(weighings.offset_kg) > 0)] = "scale_offset"
    return names


def _has_neighbours(weighings: Weighings, written: Written) -> np.ndarray:
    """Whether the person has right readings within 60 days before and after the stated time."""
    found = np.zeros(len(written.time), bool)
    for row in np.flatnonzero(written.intended == ERRORS.index("wrong_date")):
        own = (weighings.person == weighings.person[row]) & (written.intended == 0)
        apart = written.time[own] - written.time[row]
        near = apart[np.abs(apart) < NEAR_DAYS]
        found[row] = bool((near < 0).any() and (near > 0).any())
    return found
