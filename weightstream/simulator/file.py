"""How sources write what they weighed: text of numbers, units and times, copies and faulty rows."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from weightstream.simulator.error_menu import KG_PER_LB, Written
from weightstream.simulator.people import SOURCE_NAMES, STEP_NAMES, People
from weightstream.simulator.scenarios import SOURCES
from weightstream.types import Floats, Ints

Objects = npt.NDArray[np.object_]

COLUMNS = ("user_id", "effectiveDateTime", "source_type", "weight", "unit", "id")
"""Of the file; what follows them in a simulated frame is the truth."""

POUND_TEXTS = ("[lb_av]", "lb", "lbs", "[lb_ap]")
GRAM_SHARE = 0.01
DUPLICATE_SHARE = 0.0034
FAULT_SHARES = {
    "not_body_weight": 0.0040,
    "missing_field": 0.0006,
    "unknown_unit": 0.0004,
    "bad_number": 0.0002,
    "bad_timestamp": 0.0001,
    "too_old": 0.0001,
    "future_timestamp": 0.0001,
}
"""Of all rows, as in a real export (units kg/m2, m2, NULL; a year 0025)."""


def write_numbers(
    rng: np.random.Generator, people: People, person: Ints, written: Written
) -> tuple[Objects, Objects, Floats]:
    """Text of weight and unit as the file has them, and the kilograms that they say."""
    pound_text = rng.choice(POUND_TEXTS, len(people.rows), p=[0.5, 0.3, 0.1, 0.1])[person]
    grams = (rng.random(len(people.rows)) < GRAM_SHARE)[person] & ~written.pounds
    as_pounds = written.pounds & people.writes_pounds[person]
    converted = written.pounds & ~as_pounds
    number = np.where(converted, written.number * KG_PER_LB, written.number)
    number = np.where(grams, number * 1000, number)
    decimals = np.where(converted, 2, np.where(grams, 0, written.decimals))
    weight = np.empty(len(number), object)
    for places in np.unique(decimals):
        rows = decimals == places
        weight[rows] = np.char.mod(f"%.{places}f", number[rows])
    unit = np.where(as_pounds, pound_text, np.where(grams, "g", "kg")).astype(object)
    amount = weight.astype(np.float64)
    kg = np.where(as_pounds, amount * KG_PER_LB, np.where(grams, amount / 1000, amount))
    return weight, unit, kg


def write_times(people: People, person: Ints, written: Written) -> tuple[Objects, Floats, Floats]:
    """Text of the time; days since 1970 UTC and local hour as a reader takes them from it.

    A time without offset counts as UTC, a date alone as its noon with no hour (NaN).
    """
    styles = np.array([s.time_style for s in SOURCES.values()])[written.clock]
    zone = people.zone_hours[person]
    date_only = people.date_only[person, written.clock]
    milliseconds = np.round(written.time * 86_400_000).astype(np.int64)
    whole = milliseconds - milliseconds % 1000
    wall = np.where(styles == "fraction", milliseconds, whole)
    wall = np.where(styles == "zulu", wall - zone * 3_600_000, wall)
    utc = np.where(styles == "offset", wall - zone * 3_600_000, wall)
    text = np.empty(len(person), object)
    for style in np.unique(styles):
        rows = (styles == style) & ~date_only
        text[rows] = _clock(wall[rows], zone[rows], str(style))
    days = np.floor(written.time).astype(np.int64).astype("datetime64[D]")
    text[date_only] = np.datetime_as_string(days[date_only])
    day = np.where(date_only, np.floor(written.time) + 0.5, utc / 86_400_000)
    return text, day, np.where(date_only, np.nan, (wall % 86_400_000) / 3_600_000)


def _clock(wall: Ints, zone: Ints, style: str) -> Objects:
    unit: Any = "ms" if style == "fraction" else "s"
    text = np.datetime_as_string(wall.astype("datetime64[ms]"), unit=unit)
    if style == "space":
        text = np.char.replace(text, "T", " ")
    elif style == "zulu":
        text = np.char.add(text, "Z")
    elif style == "offset":
        suffix = {hours: f"{hours:+03d}:00" for hours in np.unique(zone).tolist()}
        text = np.char.add(text, np.array([suffix[h] for h in zone.tolist()], dtype="U6"))
    return text.astype(object)


def with_copies(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Turn some rows into copies of the row before: exact, or with another id or spelling."""
    same = (frame["user_id"] == frame["user_id"].shift()).to_numpy()
    chosen = same & (rng.random(len(frame)) < DUPLICATE_SHARE) & ~_copied_next(frame)
    chosen[1:] &= ~chosen[:-1]
    rows = np.flatnonzero(chosen)
    own_ids = frame["id"].to_numpy()[rows]
    copies = frame.iloc[rows - 1].copy()
    renamed, respelled = rng.random(len(rows)) < 0.3, rng.random(len(rows)) < 0.2
    copies["id"] = np.where(renamed, own_ids, copies["id"])
    point = copies["weight"].str.contains(".", regex=False).to_numpy()
    copies["weight"] = np.where(respelled & point, copies["weight"] + "0", copies["weight"])
    copies["error"], copies["verdict"] = "duplicate", "duplicate"
    copies.index = frame.index[rows]
    return pd.concat([frame.drop(index=copies.index), copies]).sort_index()


def _copied_next(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows that the next one repeats: without them its label would be wrong."""
    copies = frame["error"].isin(["repeat", "carried_forward", "duplicate"])
    return copies.shift(-1, fill_value=False).to_numpy(dtype=bool)


def mark_identical(frame: pd.DataFrame) -> None:
    """A row that by chance says what an earlier one says (same day and value) is a duplicate."""
    again = frame.duplicated(["user_id", "source_type", "effectiveDateTime", "weight_kg"])
    again &= frame["verdict"].isin(["accepted", "rejected"])
    frame.loc[again, ["error", "verdict"]] = "duplicate"


def mark_tied_copies(frame: pd.DataFrame) -> None:
    """Of a weighing and its copy on a date alone, the one that comes first in the order of a series
    counts as the weighing: nothing tells which it was."""
    source = frame["source_type"].replace("", "unknown")
    same_time = (frame["user_id"] == frame["user_id"].shift()) & (
        frame["day"] == frame["day"].shift()
    )
    swapped = (frame["error"] == "repeat") & same_time & (source < source.shift())
    copies = np.flatnonzero(swapped)
    for name in ("error", "verdict"):
        told = frame[name].to_numpy(copy=True)
        told[copies], told[copies - 1] = told[copies - 1], told[copies]
        frame[name] = told


def with_faults(rng: np.random.Generator, frame: pd.DataFrame) -> None:
    """Make some rows unusable, each in one way, in place."""
    shares = np.array(list(FAULT_SHARES.values()))
    draw = np.searchsorted(np.cumsum(shares), rng.random(len(frame)), side="right")
    free = frame["verdict"].isin(["accepted", "rejected"]).to_numpy() & ~_copied_next(frame)
    for index, reason in enumerate(FAULT_SHARES):
        rows = frame.index[np.flatnonzero(free & (draw == index))]
        for row in rows:
            for column, text in _fault(rng, reason, frame.loc[row]).items():
                frame.loc[row, column] = text
        frame.loc[rows, ["error", "verdict"]] = [reason, "quarantined"]
        frame.loc[rows, ["weight_kg", "true_kg", "day"]] = np.nan


def _fault(rng: np.random.Generator, reason: str, row: pd.Series) -> dict[str, str]:
    """The cells that make a row faulty."""
    if reason == "not_body_weight":
        if rng.random() < 0.7:
            return {"unit": "kg/m2", "weight": f"{rng.normal(29, 4):.1f}"}
        return {"unit": "m2", "weight": f"{rng.normal(1.95, 0.2):.2f}"}
    if reason == "missing_field":
        column = str(rng.choice(["weight", "unit", "effectiveDateTime"], p=[0.3, 0.6, 0.1]))
        return {column: str(rng.choice(["NULL", ""]))}
    if reason == "unknown_unit":
        return {"unit": str(rng.choice(["unit", "%", "cm", "kgm"]))}
    if reason == "bad_number":
        return {"weight": str(rng.choice(["nan", "0", "-1", "n/a", "inf"]))}
    if reason == "bad_timestamp":
        text = rng.choice(["2023-02-30", "unknown", "2023-13-01 08:00:00"])
        return {"effectiveDateTime": str(text)}
    year = "0025" if reason == "too_old" else "2923"
    return {"effectiveDateTime": year + str(row["effectiveDateTime"])[4:]}


def step_names(step: Ints) -> Objects:
    return np.array(STEP_NAMES, dtype=object)[step]


def source_names(source: Ints) -> Objects:
    return np.array(SOURCE_NAMES, dtype=object)[source]


def in_file_order(rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Newest first with persons interleaved, one row in twenty out of its place."""
    moved = (rng.random(len(frame)) < 0.05) * rng.normal(0, 20, len(frame))
    key = frame["day"].fillna(float(frame["day"].median())).to_numpy() + moved
    return frame.iloc[np.argsort(-key, kind="stable")].reset_index(drop=True)
