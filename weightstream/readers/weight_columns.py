"""Which columns of a table hold the weight: one, one in two units, stones and pounds, a value."""

from collections.abc import Sequence
from dataclasses import dataclass

from weightstream.errors import InputError, plain
from weightstream.parsing.quantities import SMALLER
from weightstream.parsing.units import KILOGRAMS
from weightstream.readers import column_names as names
from weightstream.readers.column_names import PLAIN
from weightstream.readers.measures import is_known, weight_unit
from weightstream.readers.table import NAME, Column, Table

_SAME = 0.006
"""Weights in two units are one if they differ by no more than rounding."""
_FILLED = 0.9
"""Share of the rows in which a column that tells what is measured has a word."""
_CLASSES = names.word_set("underweight overweight obese obesity")
"""Of a body mass index; beside them, ideal and lean are no goal and no part of a body."""
_MOST = 20
"""Columns that may be the weight and are compared; of more, none is chosen."""


@dataclass(frozen=True)
class ChosenWeights:
    """chosen: one column; or two that hold the weight in two units, or (added) stones and pounds,
    or another unit and the next smaller one.

    stated: the unit that the name of each states. measure: the column that says what each row
    measures, or (kinds) which rows are goals and the like.
    """

    chosen: tuple[int, ...] = ()
    stated: tuple[str | None, ...] = ()
    added: bool = False
    measure: int | None = None
    kinds: bool = False


def choose_weights(table: Table) -> ChosenWeights:
    """Raises InputError where several columns may be the weight and do not say the same."""
    told = table.told("weight")
    if told is not None:
        table.taken.add(told.index)
        measure = table.told("measure")
        return ChosenWeights(
            (told.index,), (told.name.unit,), measure=measure.index if measure else None
        )
    fits = [(names.weight_fit(column.name), column) for column in table.left]
    found = [column for fit, column in fits if fit and _may_hold_numbers(column)]
    # Without numbers the name tells; each row then says what is wrong with it.
    found = found or [column for fit, column in fits if fit == PLAIN][:1]
    if not found:
        return _value_of_a_long_table(table)
    if len(found) > _MOST:
        raise table.refuse_several(found, "weight", "the weight")
    _refuse_other_things(table, found[0])
    empty = [column for column in found if not column.cells]
    found = _different(found)
    added = _are_added(found)
    if len(found) > 1 and not added and not _are_one_weight(found):
        raise table.refuse_several(found, "weight", "the weight")
    if not added:
        found += _in_further_units(found, empty)
    # Stones before the pounds beside them; of one weight in several units, kilograms first.
    units = sorted(KILOGRAMS, key=lambda unit: -KILOGRAMS[unit]) if added else list(KILOGRAMS)
    found.sort(key=lambda column: units.index(column.name.unit or "kg"))
    table.taken |= {column.index for column in found}
    chosen = tuple(column.index for column in found)
    # Goals may come in later rows only; without one nothing is left out.
    kind = next((column.index for column in table.left if _may_tell_kinds(column)), None)
    units_stated = tuple(column.name.unit for column in found)
    return ChosenWeights(chosen, units_stated, added, kind, kinds=kind is not None)


def _in_further_units(found: Sequence[Column], empty: Sequence[Column]) -> list[Column]:
    """Columns of the weight in other units that are empty in the first rows, but need not be."""
    units = {column.name.unit for column in found}
    further = {column.name.unit: column for column in reversed(empty)}
    if None in units or None in further:
        return []
    return [column for unit, column in further.items() if unit not in units]


def _may_tell_kinds(column: Column) -> bool:
    of_classes = any(names.parse_name(text).words & _CLASSES for text in column.texts)
    return names.is_kind(column.name) and not of_classes


def _kinds(table: Table) -> int | None:
    """The column that tells goals and the like from weighings."""
    for column in table.left:
        if _may_tell_kinds(column) and any(map(names.is_no_weighing, column.texts)):
            return column.index
    return None


def _refuse_other_things(table: Table, weight: Column) -> None:
    """Raise InputError where another column shows that lifts, or food, are weighed."""
    others = [column for column in table.columns if names.is_of_other_things(column.name)]
    if others:
        name = weight.name.text
        raise InputError(
            f"{table.where} has {table.listing(others)}, so {table.listing([weight])} may be of"
            f" something else than a body; if it is a body weight, give"
            f" {table.how_to_name('weight', name)}"
        )


def _are_added(found: Sequence[Column]) -> bool:
    """Whether one column holds whole stones, and the other the pounds beside them, and the like."""
    by_unit = {column.name.unit: column for column in found}
    for larger, (smaller, ratio) in SMALLER.items():
        if len(found) == 2 and set(by_unit) == {larger, smaller}:
            whole = (amount for amount, _ in by_unit[larger].numbers.values())
            rest = (amount for amount, _ in by_unit[smaller].numbers.values())
            return all(map(float.is_integer, whole)) and all(amount < ratio for amount in rest)
    return False


def _are_one_weight(found: Sequence[Column]) -> bool:
    """Whether each column holds the weight in a unit of its own."""
    units = {column.name.unit for column in found}
    return len(units) == len(found) and None not in units and _agree(found)


def _may_hold_numbers(column: Column) -> bool:
    return not column.cells or column.share_of_numbers() >= 0.5


def _different(found: list[Column]) -> list[Column]:
    """Without columns that repeat another cell by cell, and empty ones beside filled ones."""
    filled = [column for column in found if column.cells] or found[:1]
    kept: list[Column] = []
    for column in filled:
        if not any(
            column.name.unit == one.name.unit and column.numbers == one.numbers for one in kept
        ):
            kept.append(column)
    return kept


def _agree(found: Sequence[Column]) -> bool:
    """Whether columns in several units hold one weight each row."""
    first, *others = [_kilograms(column) for column in found]
    for other in others:
        rows = first.keys() & other.keys()
        same = sum(abs(first[row] - other[row]) <= _SAME * first[row] for row in rows)
        if not rows or same < 0.9 * len(rows):
            return False
    return True


def _kilograms(column: Column) -> dict[int, float]:
    return {
        row: amount * float(KILOGRAMS[unit or column.name.unit or "kg"])
        for row, (amount, unit) in column.numbers.items()
    }


def _value_of_a_long_table(table: Table) -> ChosenWeights:
    """The column of the values, and the one that says what each of them measures."""
    values = [column for column in table.left if names.value_fit(column.name)][:_MOST]
    values = list(filter(_may_hold_numbers, values)) or values[:1]
    if len(values) > 1:  # that of numbers, where there is one of texts beside it
        numeric = [c for c in values if c.name.words & {"number", "valuenum", "numeric", "num"}]
        values = _different(numeric or values)
    measure = _measure(table, {column.index for column in values})
    values = [column for column in values if column.index != measure]
    if len(values) > 1:
        called_value = [column for column in values if "value" in column.name.words]
        if len(called_value) != 1:
            raise table.refuse_several(values, "weight", "the weight")
        values = called_value
    if not values:
        return ChosenWeights()
    table.taken.add(values[0].index)
    kind = _kinds(table) if measure is None else None
    if measure is None and kind is None:
        _refuse_unknown_kinds(table, values[0])
    chosen = measure if kind is None else kind
    table.taken |= {chosen} if chosen is not None else set()
    return ChosenWeights(
        (values[0].index,), (values[0].name.unit,), measure=chosen, kinds=kind is not None
    )


def _measure(table: Table, values: set[int]) -> int | None:
    told = table.told("measure")
    if told is not None:
        return told.index
    best: tuple[float, int, int] | None = None
    for column in table.left:
        fit = names.measure_fit(column.name)
        if not fit or (column.index in values and len(values) == 1):
            continue
        known = sum(map(is_known, column.texts)) / len(column.cells) if column.cells else 0.0
        if known == 0 and fit != PLAIN:
            continue
        if best is None or (known, fit) > best[:2]:
            best = (known, fit, column.index)
    if best is None:
        return _measure_by_content(table, values)
    if best[0] == 0:  # the first rows of a large table need not be of weights
        table.notes.append(
            f"{table.listing([table.columns[best[2]]])} tells what is measured, and none of its"
            " first words and codes is known; if all values are body weights, name their column by"
            f" {table.how_to_name('weight', NAME)}"
        )
    return best[2]


def _refuse_unknown_kinds(table: Table, value: Column) -> None:
    """Raise InputError where a column may tell what each value is of, in words that are not known.

    One that has another word in each row, or tells how it was weighed, does not.
    """
    for column in table.left:
        texts = set(column.texts)
        of_kinds = names.measure_fit(column.name) and 1 < len(texts) < len(column.cells)
        if of_kinds and not all(map(names.tells_how, texts)):
            raise InputError(
                f"{table.where} has {table.listing([column])}, which may tell what each"
                f" {plain(value.name.text)!r} is of; if all are body weights, give"
                f" {table.how_to_name('weight', value.name.text)}"
            )


def _measure_by_content(table: Table, values: set[int]) -> int | None:
    """The column that has a word in each row, some of which are of a body weight."""
    rows = max((len(c.cells) for c in table.columns if c.index in values), default=0)
    for column in table.left:
        worded = len(column.cells) >= _FILLED * rows and column.index not in values
        if worded and any(weight_unit(text)[0] for text in column.texts):
            table.notes.append(f"{table.listing([column])} tells what is measured, by its cells")
            return column.index
    return None
