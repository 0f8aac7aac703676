"""Gross errors put into right series, by an injector of another make than the simulator's.

Numbers are spoilt as they stand on paper: the digits that a person reads and types, the unit that a
program takes them for, the wrong chart. What ends within LEAST_KG of the right value is left right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.course_series import CLINIC, CLOTHES_KG, HOME, KG_PER_LB, Rng
from benchmarks.real_bodies import Body, clinic_body, home_body
from benchmarks.streams import Bools, Stream, Texts
from weightstream.batch import UserBatch
from weightstream.types import Floats

LEAST_KG = 6.0
MOST_KG = 650.0
BURST_PERSONS, FIRST_PERSONS = 0.06, 0.06
"""Share of persons with two to four errors of one kind in a row, and with a wrong first value."""
BODIES: Mapping[str, Callable[[Rng], Body]] = {"clinic": clinic_body, "home": home_body}


@dataclass(frozen=True)
class Spoilt:
    """stream: labelled, with its errors. right: the same readings before. how: (N,) the way in
    which a reading was spoilt, empty where it was not. off: (N,) kg from the right value."""

    stream: Stream
    right: UserBatch
    how: Texts
    off: Floats


def _unit(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    return kg / KG_PER_LB if rng.random() < 0.5 else kg * KG_PER_LB


def _hundred_pounds(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    return kg + 100 * KG_PER_LB * (1 if shown < 130 or rng.random() < 0.5 else -1)


def _swapped(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    """Tens and units change places, in the unit that the person reads."""
    tens, units = int(shown) // 10 % 10, int(shown) % 10
    return kg * (shown + 9 * (units - tens)) / shown


def _wrong_tens(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    return kg * (shown + 10 * (int(rng.integers(0, 10)) - int(shown) // 10 % 10)) / shown


def _stranger(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    return float(rng.choice(strangers))


def _anything(rng: Rng, kg: float, shown: float, strangers: Floats) -> float:
    return kg + float(rng.choice([-1, 1])) * (LEAST_KG + rng.exponential(18))


HOW: Mapping[str, tuple[Callable[[Rng, float, float, Floats], float], str]] = {
    "unit": (_unit, "unit_lb_as_kg"),
    "100 lb": (_hundred_pounds, "hundreds_off"),
    "swap": (_swapped, "digit_swap"),
    "tens digit": (_wrong_tens, "outlier"),
    "other person": (_stranger, "other_person"),
    "anything": (_anything, "outlier"),
}
"""Each way, and the reason that names it (of a unit taken the other way round: unit_kg_as_lb)."""
IN_A_ROW = ("unit", "other person", "anything")


def spoilt_stream(
    place: str, seed: int, persons: int, rate: float, source: str | None = None
) -> Spoilt:
    """Persons of one place ("clinic", "home"), `rate` of their readings spoilt; then bursts and
    first values."""
    rngs = [np.random.default_rng([seed, person]) for person in range(persons)]
    bodies = [BODIES[place](rng) for rng in rngs]
    everyone = np.array([body.kg[len(body.kg) // 2] for body in bodies])
    usual = {"clinic": CLINIC, "home": HOME}[place]
    kg, how = [], []
    for person, (rng, body) in enumerate(zip(rngs, bodies, strict=True)):
        own = _drawn_ways(rng, len(body.kg), rate)
        strangers = np.delete(everyone, person)
        kg.append(_spoil(rng, body, own, strangers))
        how.append(own)
    return _labelled(bodies, np.concatenate(kg), np.concatenate(how), source or usual)


def _drawn_ways(rng: Rng, size: int, rate: float) -> Texts:
    how = np.full(size, "", object)
    if rate == 0:
        return how
    wrong = rng.random(size) < rate
    how[wrong] = rng.choice(np.array(list(HOW), object), int(wrong.sum()))
    if rng.random() < BURST_PERSONS and size >= 8:
        length = int(rng.integers(2, 5))
        begin = int(rng.integers(2, size - length))
        how[begin : begin + length] = "burst: " + str(rng.choice(IN_A_ROW))
    if rng.random() < FIRST_PERSONS:
        how[0] = "first: " + str(rng.choice(list(HOW)))
    return how


def _spoil(rng: Rng, body: Body, how: Texts, strangers: Floats) -> Floats:
    """(N,) kg; `how` is emptied where nothing came of it. A burst is one stranger, one offset."""
    kg = body.kg.copy()
    unit = KG_PER_LB if body.pounds else 1.0
    ratio, offset = 1.0, 0.0
    for row in np.flatnonzero(how != ""):
        name = str(how[row]).rpartition(": ")[2]
        if how[row].startswith("burst") and how[row - 1] == how[row]:
            value = kg_again(body.kg[row], name, ratio, offset, rng)
        else:
            value = HOW[name][0](rng, body.kg[row], body.kg[row] / unit, strangers)
            ratio, offset = value / body.kg[row], value
        value = round(value / unit, 1) * unit
        if abs(value - body.kg[row]) >= LEAST_KG and 1.0 <= value <= MOST_KG:
            kg[row] = value
        else:
            how[row] = ""
    return kg


def kg_again(right: float, name: str, ratio: float, before: float, rng: Rng) -> float:
    """The next of a burst: the same factor, or the same stranger on another day."""
    return before + rng.normal(0, 0.8) if name == "other person" else right * ratio


def _labelled(bodies: Sequence[Body], kg: Floats, how: Texts, source: str) -> Spoilt:
    sizes = [len(body.kg) for body in bodies]
    right = UserBatch(
        user_ids=tuple(f"p{k:05}" for k in range(len(bodies))),
        indptr=np.cumsum([0, *sizes]).astype(np.int64),
        day=np.concatenate([body.day for body in bodies]),
        hour=np.concatenate([body.hour for body in bodies]),
        weight_kg=np.concatenate([body.kg for body in bodies]),
        source=np.zeros(len(kg), np.int64),
        sources=(source,),
    )
    wrong = how != ""
    error = np.full(len(kg), "ok", object)
    error[wrong] = [HOW[str(name).rpartition(": ")[2]][1] for name in how[wrong]]
    error[(error == "unit_lb_as_kg") & (kg < right.weight_kg)] = "unit_kg_as_lb"
    stream = Stream(
        batch=_with_weights(right, kg),
        error=error,
        true_kg=right.weight_kg,
        level_kg=np.concatenate([body.level for body in bodies]) - CLOTHES_KG * (source == CLINIC),
        step=np.full(len(kg), "", object),
        after_step=np.zeros(len(kg), np.int64),
    )
    return _sorted(Spoilt(stream, right, how, np.abs(kg - right.weight_kg)))


def _with_weights(batch: UserBatch, kg: Floats) -> UserBatch:
    return UserBatch(
        batch.user_ids, batch.indptr, batch.day, batch.hour, kg, batch.source, batch.sources
    )


def _sorted(spoilt: Spoilt) -> Spoilt:
    """Readings of one time in the order of their weights, as the store hands them over."""
    batch = spoilt.stream.batch
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))
    order = np.lexsort((batch.weight_kg, batch.day, user))
    return spoilt if _is_range(order) else _reordered(spoilt, order)


def _is_range(order: np.ndarray) -> bool:
    return bool((np.diff(order) == 1).all())


def _reordered(spoilt: Spoilt, order: np.ndarray) -> Spoilt:
    stream = spoilt.stream
    return Spoilt(
        Stream(
            _with_weights(stream.batch, stream.batch.weight_kg[order]),
            stream.error[order],
            stream.true_kg[order],
            stream.level_kg[order],
            stream.step,
            stream.after_step,
        ),
        _with_weights(spoilt.right, spoilt.right.weight_kg[order]),
        spoilt.how[order],
        spoilt.off[order],
    )


def sizes_of(off: Floats) -> list[tuple[str, Bools]]:
    """Errors by how far they are off."""
    ends = ((6, 10), (10, 15), (15, 25), (25, 50), (50, np.inf))
    return [
        (f"{low}-{high} kg" if np.isfinite(high) else f">= {low} kg", (off >= low) & (off < high))
        for low, high in ends
    ]
