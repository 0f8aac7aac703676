"""Persons who do not exist: their true weight over time, and when and where they are weighed."""

from dataclasses import dataclass

import numpy as np

from weightstream.simulator.scenarios import HABITS, SOURCES, Scenario
from weightstream.types import Floats, Ints

SOURCE_NAMES = tuple(SOURCES)
HABIT_NAMES = tuple(HABITS)
STEP_NAMES = ("", "surgery", "fluid", "gap", "pregnancy")
SURGERY_BMI = (35, 55)
"""Bariatric surgery is for a BMI of 35 or more."""

LAST_DAY = 19_900  # 2024-06-26; a fixed day, since the same seed gives the same file for ever
LONGEST_DAYS = 2_200
VELOCITY_TAU_DAYS = 60.0
WATER_SD_KG = 0.35
WATER_TAU_DAYS = 2.0
WEEK_AMPLITUDE = 0.00175  # 0.35 % of the weight from peak to trough
WEEK_PEAK_DAY = 4.0  # the midnight after a Sunday, 1970-01-05
NOISE_DF = 7  # of Student's t: real scales have heavier tails than the normal
REWEIGH_SD_KG = 0.1
FEWEST_FOR_STEP = 8


@dataclass(frozen=True)
class People:
    """U persons, one entry each. kg, metres, days."""

    habit: Ints
    rows: Ints
    woman: np.ndarray
    height_m: Floats
    start_kg: Floats
    level_sd: Floats  # of the level's random walk, kg per sqrt(day)
    velocity_sd: Floats  # kg a day
    evening_kg: Floats  # from morning to evening
    usual_hour: Floats
    noise_factor: Floats
    sloppiness: Floats  # multiplies the error rates of the sources
    pounds: np.ndarray  # their scales show pounds
    writes_pounds: np.ndarray  # and the file says so, instead of converting
    zone_hours: Ints
    step: Ints  # index into STEP_NAMES
    source_bias: Floats  # (U, sources)
    date_only: np.ndarray  # (U, sources)


@dataclass(frozen=True)
class Weighings:
    """N weighings, by person and time. time: local days since 1970-01-01. All kg are true."""

    person: Ints
    time: Floats
    source: Ints
    level_kg: Floats
    right_kg: Floats  # what a faultless display with endless digits would have shown
    offset_kg: Floats  # of a new scale, contained in right_kg
    step: Ints
    bodies: "Bodies"


def draw_people(rng: np.random.Generator, scenario: Scenario, habit: Ints, rows: Ints) -> People:
    users = len(habit)
    woman = rng.random(users) < 0.55
    step = np.where(rows >= FEWEST_FOR_STEP, _draw_steps(rng, scenario, users), 0)
    woman |= step == STEP_NAMES.index("pregnancy")
    height = np.where(woman, rng.normal(1.63, 0.065, users), rng.normal(1.765, 0.07, users))
    bmi = np.clip(rng.lognormal(np.log(28.5), 0.2, users), 18, 55)
    operated = step == STEP_NAMES.index("surgery")
    bmi = np.where(operated, np.clip(1.4 * bmi, *SURGERY_BMI), bmi)
    pounds = rng.random(users) < 0.4
    sources = list(SOURCES.values())
    bias = rng.normal(
        [s.bias_kg for s in sources], [s.bias_sd_kg for s in sources], (users, len(sources))
    )
    clothes = np.where(woman, 0.8, 1.2)[:, None] * [s.clothed for s in sources]
    return People(
        habit=habit,
        rows=rows,
        woman=woman,
        height_m=height,
        start_kg=bmi * height**2,
        level_sd=np.sqrt(0.018) * rng.lognormal(0, 0.25, users),
        velocity_sd=0.022 * rng.lognormal(0, 0.4, users),
        evening_kg=np.clip(rng.normal(1.3, 0.7, users), -0.2, 3.0),
        usual_hour=np.clip(rng.normal(7.2, 0.9, users), 5, 11),
        noise_factor=rng.lognormal(0, 0.15, users),
        sloppiness=rng.lognormal(-0.125, 0.5, users),
        pounds=pounds,
        writes_pounds=pounds & (rng.random(users) < 0.15),
        zone_hours=rng.choice([-8, -6, -5, 0, 0, 1, 1, 2], users),
        step=step,
        source_bias=bias + clothes,
        date_only=rng.random((users, len(sources))) < [s.date_only for s in sources],
    )


def weigh(rng: np.random.Generator, scenario: Scenario, people: People) -> Weighings:
    """Choose times and sources, let the bodies live day by day, and read the scales."""
    person = np.repeat(np.arange(len(people.rows)), people.rows)
    day, gap_at = _draw_days(rng, people, person)
    source = _draw_sources(rng, people, person)
    hour = _draw_hours(rng, people, person, source)
    order = np.lexsort((hour, day, person))
    time, source = (day + hour / 24)[order], source[order]
    again = _weighed_again(rng, person, time)
    head = np.maximum.accumulate(np.where(again, 0, np.arange(len(person))))
    minutes = np.cumsum(np.where(again, rng.uniform(1, 8, len(person)), 0.0))
    time = np.where(again, time[head] + (minutes - minutes[head]) / 1440, time)
    source = source[head]
    order = np.lexsort((time, person))
    time, source, again = time[order], source[order], again[order]
    head = np.argsort(order)[head[order]]

    starts = np.concatenate([[0], np.cumsum(people.rows)[:-1]])
    first, last = time[starts], time[starts + people.rows - 1]
    body = _live(rng, people, first, last, time[gap_at - 1], time[gap_at])
    level, water, step = body.at(person, time)
    hours = (time % 1) * 24
    white = rng.standard_t(NOISE_DF, len(person)) * np.sqrt(1 - 2 / NOISE_DF)
    white *= _noise_kg(people, person, source)
    white = white[head] + np.where(again, rng.normal(0, REWEIGH_SD_KG, len(person)), 0)
    offset = _new_scale(rng, scenario, people, person, time, source, first, last)
    right = (
        level
        + water
        + WEEK_AMPLITUDE * level * np.cos(2 * np.pi * (time - WEEK_PEAK_DAY) / 7)
        + people.evening_kg[person] * evening_share(hours)
        + people.source_bias[person, source]
        + offset
        + white
    )
    return Weighings(person, time, source, level, right, offset, step, body)


def evening_share(hour: Floats) -> Floats:
    """How much of the day's gain is on the body: 0 at 7:00, 1 at 21:00, straight lines between."""
    since = (hour - 7.0) % 24
    return np.where(since <= 14, since / 14, (24 - since) / 10)


def _draw_steps(rng: np.random.Generator, scenario: Scenario, users: int) -> Ints:
    shares = [scenario.steps.get(name, 0.0) for name in STEP_NAMES[1:]]
    return rng.choice(len(STEP_NAMES), users, p=[max(0.0, 1 - sum(shares)), *shares])


def _draw_days(rng: np.random.Generator, people: People, person: Ints) -> tuple[Ints, Ints]:
    """Local day of each reading, and per person the row that follows the longest planned gap."""
    habits = list(HABITS.values())
    mean, same, pause = (
        np.array([getattr(h, name) for h in habits])[people.habit[person]]
        for name in ("gap_days", "same_day", "pause")
    )
    size = len(person)
    gap = 1.0 + np.floor(rng.exponential(1.0, size) * (mean - 0.5))
    gap = np.where(rng.random(size) < pause, 30 + rng.exponential(50, size), gap)
    gap = np.where(rng.random(size) < same, 0.0, gap)
    starts = np.concatenate([[0], np.cumsum(people.rows)[:-1]])
    within = (people.rows * rng.uniform(0.35, 0.65, len(starts))).astype(np.int64)
    middle = starts + np.minimum(np.maximum(within, 1), people.rows - 1)
    planned = people.step == STEP_NAMES.index("gap")
    gap[middle[planned]] = rng.uniform(40, 90, planned.sum())
    gap[starts] = 0
    total = np.cumsum(gap)
    since = total - total[starts][person]
    longest = np.maximum(since[starts + people.rows - 1], 1)
    since = np.floor(since * np.minimum(1.0, LONGEST_DAYS / longest)[person])
    end = LAST_DAY - np.floor(rng.exponential(90, len(starts)))
    return (since + (end - since[starts + people.rows - 1])[person]).astype(np.int64), middle


def _draw_sources(rng: np.random.Generator, people: People, person: Ints) -> Ints:
    shares = np.array([[h.sources.get(s, 0.0) for s in SOURCE_NAMES] for h in HABITS.values()])
    ends = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    draw = rng.random(len(person))[:, None]
    chosen = (draw > ends[people.habit[person]]).sum(axis=1)
    return np.minimum(chosen, len(SOURCE_NAMES) - 1)


def _draw_hours(rng: np.random.Generator, people: People, person: Ints, source: Ints) -> Floats:
    size = len(person)
    office = np.array([s.office_hours for s in SOURCES.values()])[source]
    morning = rng.normal(people.usual_hour[person], 0.8)
    evening = rng.normal(20, 1.5, size)
    home = np.where(rng.random(size) < 0.85, morning, evening)
    hour = np.where(office, rng.normal(12.5, 2.2, size), home)
    return np.clip(hour, np.where(office, 8, 4), np.where(office, 18, 23.5))


def _weighed_again(rng: np.random.Generator, person: Ints, time: Floats) -> np.ndarray:
    """Rows that repeat the weighing before them within minutes, on the same scale."""
    same = np.zeros(len(person), bool)
    same[1:] = (person[1:] == person[:-1]) & (np.floor(time[1:]) == np.floor(time[:-1]))
    return same & (rng.random(len(person)) < 0.35)


def _noise_kg(people: People, person: Ints, source: Ints) -> Floats:
    """White noise SD; clothes vary by 0.3 kg within a person (Whigham 2013)."""
    white = np.array([np.hypot(s.noise_kg, 0.3 * s.clothed) for s in SOURCES.values()])
    return white[source] * people.noise_factor[person]


def _new_scale(
    rng: np.random.Generator,
    scenario: Scenario,
    people: People,
    person: Ints,
    time: Floats,
    source: Ints,
    first: Floats,
    last: Floats,
) -> Floats:
    """Offset of the home scale that some persons buy midway."""
    users = len(people.rows)
    buys = rng.random(users) < scenario.new_scale
    size = rng.uniform(1.5, 4.0, users) * rng.choice([-1, 1], users) * buys
    since = first + (last - first) * rng.uniform(0.3, 0.7, users)
    home = source == SOURCE_NAMES.index("patient-device")
    return np.where(home & (time >= since[person]), size[person], 0.0)


@dataclass(frozen=True)
class Bodies:
    """Daily paths, (U, days), from each person's own first day on."""

    first_day: Floats
    level: Floats
    water: Floats
    step: Ints

    def at(self, person: Ints, time: Floats) -> tuple[Floats, Floats, Ints]:
        """Level, water (kg) and step in progress; outside the path its end is held."""
        where = np.clip(time - self.first_day[person], 0, self.level.shape[1] - 1.001)
        day = where.astype(np.int64)
        part = where - day
        level = (1 - part) * self.level[person, day] + part * self.level[person, day + 1]
        water = (1 - part) * self.water[person, day] + part * self.water[person, day + 1]
        # Between two points of an AR(1) the straight line varies less than the points do.
        phi = np.exp(-1 / WATER_TAU_DAYS)
        shrink = np.sqrt(part**2 + (1 - part) ** 2 + 2 * phi * part * (1 - part))
        return level, water / shrink, self.step[person, day]


def _live(
    rng: np.random.Generator,
    people: People,
    first: Floats,
    last: Floats,
    gap_from: Floats,
    gap_to: Floats,
) -> Bodies:
    users = len(first)
    first_day = np.floor(first) - 1
    days = int(np.max(last - first_day)) + 3
    keep = np.exp(-1 / VELOCITY_TAU_DAYS)
    push = rng.normal(0, 1, (days, users)) * people.velocity_sd * np.sqrt(1 - keep**2)
    diets = rng.random((days, users)) < 0.5 / 365
    push -= diets * rng.uniform(0.03, 0.11, (days, users))
    shake = rng.normal(0, WATER_SD_KG, (days, users)) * people.noise_factor
    phi = np.exp(-1 / WATER_TAU_DAYS)
    velocity = rng.normal(0, 1, users) * people.velocity_sd
    water = shake[0]
    level = rng.normal(0, 1, (days, users)) * people.level_sd
    waters = np.empty((days, users))
    for day in range(days):
        level[day] += velocity
        waters[day] = water
        velocity = keep * velocity + push[day]
        water = phi * water + np.sqrt(1 - phi**2) * shake[day]
    path = people.start_kg[:, None] + np.cumsum(level, axis=0).T
    change, step = _real_steps(rng, people, first_day, days, first, last, gap_from, gap_to)
    return Bodies(first_day, np.clip(path + change, 38, 260), np.ascontiguousarray(waters.T), step)


def _real_steps(
    rng: np.random.Generator,
    people: People,
    first_day: Floats,
    days: int,
    first: Floats,
    last: Floats,
    gap_from: Floats,
    gap_to: Floats,
) -> tuple[Floats, Ints]:
    """Change in kg by person and day, and which step is in progress (until 30 days after)."""
    change = np.zeros((len(first), days))
    step = np.zeros((len(first), days), np.int64)
    for user in np.flatnonzero(people.step):
        kind = STEP_NAMES[people.step[user]]
        onset = first[user] + (last[user] - first[user]) * rng.uniform(0.3, 0.5) - first_day[user]
        sign = rng.choice([-1.0, 1.0])
        if kind == "surgery":
            weeks = rng.uniform(16, 26)
            knots = [(0.0, 0.0), (7 * weeks, -weeks * rng.uniform(0.7, 1.4))]
        elif kind == "fluid":
            knots = [(0.0, 0.0), (rng.uniform(3, 7), sign * rng.uniform(4, 8))]
        elif kind == "gap":
            onset = gap_from[user] - first_day[user]
            knots = [(0.0, 0.0), (gap_to[user] - gap_from[user], sign * rng.normal(8, 1.5))]
        else:
            gain = rng.normal(12, 2.5)
            share = [(0.0, 0.0), (90, 0.15), (275, 1.0), (277, 0.5), (340, 0.2)]
            knots = [(days_since, gain * part) for days_since, part in share]
        at, kg = np.array(knots).T
        grid = np.arange(days) - onset
        change[user] = np.interp(grid, at, kg)
        step[user] = np.where((grid >= 0) & (grid <= at[-1] + 30), people.step[user], 0)
    return change, step
