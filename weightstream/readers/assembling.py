"""Raw rows from the chosen columns of a table: joining, filtering, filling, comparing."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.parsing.layouts import DAY_ORIGINS
from weightstream.parsing.quantities import parse_quantities
from weightstream.parsing.units import KILOGRAMS, canonical_unit
from weightstream.readers.block import EACH_RECORD, HEADER, OPTION, ReadOptions
from weightstream.readers.column_names import DELETED, is_no_weighing
from weightstream.readers.columns import Choice
from weightstream.readers.measures import weight_unit
from weightstream.readers.table import BLANKS
from weightstream.readers.zone_column import is_naive, with_zones

Columns = dict[str, Any]

_ABSENT = pa.array([*BLANKS, None], pa.string())
_MIDNIGHT = r"[ T]0?0:00(:00([.,]0+)?)?$"
_DAY_OF_A_CLOCK = r"^(1899-12-3[01]|1900-01-0[01])[ T]"
_COMPACT_CLOCK = r"^([01][0-9]|2[0-3])([0-5][0-9])$"
_SHARE = r"^(?:0?[.,][0-9]{1,17}|0)$"
_SHARE_TEXT = re.compile(_SHARE)
_SERIAL = re.compile(r"[1-9][0-9]{4}(?:[.,][0-9]{0,17})?")
_BIRTH = "1900-01-01"
"""Of tables that give ages and no dates: times are counted from here."""
_MEASURES_NAMED = 100
_DISAGREE = 0.01
_SEXES = {
    "m": "m", "male": "m", "man": "m", "boy": "m", "8507": "m", "männlich": "m",
    "f": "f", "female": "f", "woman": "f", "girl": "f", "w": "f", "8532": "f", "weiblich": "f",
}  # fmt: skip


@dataclass(frozen=True)
class Assembled:
    """columns: of schema.RAW, for the rows that are weighings. keep: (N,) which rows these are;
    None for all. others: rows of other measures, by what they measure. unit_from: see Block.
    """

    columns: Columns
    unit_from: str
    keep: pa.Array | None = None
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        return sum(self.others.values())


def assemble(
    choice: Choice, cells: Callable[[int], Any], count: int, options: ReadOptions, where: str
) -> Assembled:
    """Make raw columns of `count` rows. cells: gives the texts of a column by its index.

    Raises InputError if a unit or a person in a row contradicts the options.
    """
    columns: Columns = {
        role: cells(at) for role, at in choice.roles.items() if role in _PLAIN_ROLES
    }
    columns["time"] = _in_zones(choice, cells, _times(choice, cells, options))
    columns["user_id"] = _users(columns.get("user_id"), count, options, where)
    if columns["user_id"] is None:
        del columns["user_id"]
    own, fault = None, None
    if len(choice.weight) == 1:
        columns["weight"] = cells(choice.weight[0])
        stated = choice.stated[0]
    elif choice.added:
        columns["weight"], stated = _added(choice, [plain(cells(at)) for at in choice.weight]), None
    else:
        columns["weight"], own, fault = _either(choice, cells, count)
        stated = None
    measures = None
    if "measure" in choice.roles:
        measures = _Measures.of(cells(choice.roles["measure"]), choice.kinds)
    units = [plain(cells(at)) if len(choice.unit) > 1 else cells(at) for at in choice.unit]
    unit, unit_from, clash = _unit(units, own, stated, measures, options, where, count)
    if unit is not None:
        columns["unit"] = unit
    _mark(columns, fault, clash, count)
    if "sex" in columns:
        columns["sex"] = _mapped(columns["sex"], lambda text: _SEXES.get(text.casefold(), ""))
    _add_ages(columns, choice, cells)
    if "deleted" in choice.roles:
        said = pc.utf8_lower(plain(cells(choice.roles["deleted"])))
        columns["retracted"] = pc.is_in(said, pa.array(sorted(DELETED)))
    if measures is None or options.every_row:
        return Assembled(columns, unit_from)
    keep, others = measures.keep, measures.others()
    columns = {name: column.filter(keep) for name, column in columns.items()}
    return Assembled(columns, unit_from, keep, others)


_PLAIN_ROLES = ("user_id", "source", "record_id", "updated", "birth_date", "sex")


def plain(column: Any) -> pa.StringArray:
    """One array of texts; cells that say that nothing is there are null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), _ABSENT), None, texts)


def _in_zones(choice: Choice, cells: Callable[[int], Any], times: Any) -> Any:
    """Times with what their column's name or a column beside them tells of their zone."""
    if not choice.in_utc and "timezone" not in choice.roles:
        return times
    times = plain(times)
    if choice.in_utc:
        times = pc.if_else(is_naive(times), pc.binary_join_element_wise(times, "Z", ""), times)
    if "timezone" in choice.roles:
        times = with_zones(times, plain(cells(choice.roles["timezone"])))
    return times


def _times(choice: Choice, cells: Callable[[int], Any], options: ReadOptions) -> Any:
    if len(choice.time) == 1:
        return cells(choice.time[0])
    if len(choice.time) == 2:
        day, clock = (plain(cells(at)) for at in choice.time)
        if options.dates in DAY_ORIGINS:
            day = texts_of_serials(day, DAY_ORIGINS[options.dates])
        day = pc.replace_substring_regex(day, _MIDNIGHT, "")
        clock = pc.replace_substring_regex(clock, _DAY_OF_A_CLOCK, "")
        clock = pc.replace_substring_regex(clock, _COMPACT_CLOCK, r"\1:\2")
        if pc.any(pc.match_substring_regex(clock, _SHARE)).as_py():
            clock = _mapped(clock, _clock_of_share)
        both = pc.binary_join_element_wise(day, clock, " ")
        # Without a time of day the date stands; without a date there is no time.
        return pc.if_else(pc.is_null(clock), day, both)
    role = "age_days" if "age_days" in choice.roles else "age_years"
    return _mapped(cells(choice.roles[role]), _date_of_age(1.0 if role == "age_days" else 365.25))


def texts_of_serials(column: Any, origin: int) -> pa.StringArray:
    """Day numbers of Excel as dates, with their times of day if they have some; others unchanged.

    origin: day 0 in days since 1970-01-01.
    """

    def text_of(text: str) -> str:
        if not _SERIAL.fullmatch(text):
            return text
        day, _, share = text.replace(",", ".").partition(".")
        date = str(np.datetime64(origin + int(day), "D"))
        return f"{date} {_clock_of_share(f'0.{share}')}" if share.strip("0") else date

    return _mapped(column, text_of)


def _clock_of_share(text: str) -> str:
    """The time of day of a share of the day, to the second, or the text."""
    if not _SHARE_TEXT.fullmatch(text):
        return text
    second = min(round(float(text.replace(",", ".")) * 86_400), 86_399)
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _date_of_age(days_each: float) -> Callable[[str], str]:
    def date_of(text: str) -> str:
        try:
            days = np.rint(float(text) * days_each)
            return str(np.datetime64(_BIRTH) + np.timedelta64(int(days), "D"))
        except (ValueError, OverflowError):
            return text

    return date_of


def _add_ages(columns: Columns, choice: Choice, cells: Callable[[int], Any]) -> None:
    """Tables with ages have a birth date for all; growthcleanr writes sex as 0 and 1.

    An age in whole years would give a date that is up to a year too late, so it gives none.
    """
    if choice.time:
        return
    count = len(columns["time"])
    born = pa.repeat(pa.scalar(_BIRTH), count)
    if "age_days" not in choice.roles:
        years = plain(cells(choice.roles["age_years"]))
        born = pc.if_else(pc.match_substring_regex(years, r"[.,][0-9]*[1-9]"), born, None)
    columns.setdefault("birth_date", born)
    if "sex" in choice.roles:
        codes = {"0": "m", "1": "f"}
        columns["sex"] = _mapped(
            cells(choice.roles["sex"]),
            lambda text: codes.get(text) or _SEXES.get(text.casefold(), ""),
        )


def _mapped(column: Any, function: Callable[[str], str]) -> pa.StringArray:
    """A function of each distinct text, over the column."""
    coded = plain(column).dictionary_encode()
    texts = pa.array([function(text) for text in coded.dictionary.to_pylist()], pa.string())
    return texts.take(coded.indices)


def _users(column: Any, count: int, options: ReadOptions, where: str) -> Any:
    if options.user is None or column is None:
        return column if options.user is None else constant(options.user, count)
    if plain(column).null_count < count:
        raise InputError(f"{where} has a column for the user; leave --user out")
    return constant(options.user, count)


def constant(text: str, count: int) -> pa.DictionaryArray:
    """(count,) the same text."""
    indices = pa.array(np.zeros(count, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([text]))


def _added(choice: Choice, texts: list[pa.StringArray]) -> pa.StringArray:
    """The texts of both as one, such as 12 st 4 lb; of one of them if the other is absent."""
    # pyarrow's own way of skipping nulls loses rows in which all are null.
    parts = [
        pc.binary_join_element_wise(amounts, unit, " ").fill_null("")
        for amounts, unit in zip(texts, choice.stated, strict=True)
    ]
    both = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*parts, " "))
    return pc.if_else(pc.equal(both, ""), None, both)


def _either(
    choice: Choice, cells: Callable[[int], Any], count: int
) -> tuple[pa.StringArray, pa.StringArray, pa.Array | None]:
    """One weight in two units: the first cell that is filled, its unit, and where both disagree."""
    texts = [plain(cells(at)) for at in choice.weight]
    weight, unit = texts[-1], pa.repeat(pa.scalar(choice.stated[-1], pa.string()), count)
    for column, stated in reversed(list(zip(texts[:-1], choice.stated[:-1], strict=True))):
        unit = pc.if_else(pc.is_valid(column), stated, unit)
        weight = pc.coalesce(column, weight)
    masses = [
        parse_quantities(column, True).value * float(KILOGRAMS[stated or "kg"])
        for column, stated in zip(texts, choice.stated, strict=True)
    ]
    with np.errstate(invalid="ignore"):
        apart = np.abs(masses[0] - masses[1]) > _DISAGREE * np.minimum(masses[0], masses[1])
    return weight, unit, pa.array(apart) if apart.any() else None


@dataclass(frozen=True)
class _Measures:
    """What each row measures, as codes into distinct texts."""

    codes: pa.Array
    texts: list[str]
    weighings: list[tuple[bool, str | None]]

    @classmethod
    def of(cls, column: Any, kinds: bool) -> "_Measures":
        coded = pc.fill_null(plain(column), "").dictionary_encode()
        texts = coded.dictionary.to_pylist()
        if kinds:
            return cls(coded.indices, texts, [(not is_no_weighing(text), None) for text in texts])
        return cls(coded.indices, texts, [weight_unit(text) for text in texts])

    @property
    def keep(self) -> pa.Array:
        """(N,) whether it is a body weight, or does not say."""
        is_one = [
            one or not text for (one, _), text in zip(self.weighings, self.texts, strict=True)
        ]
        return pa.array(is_one, pa.bool_()).take(self.codes)

    def units(self) -> pa.StringArray | None:
        """(N,) the unit that the measure itself states."""
        stated = [unit for _, unit in self.weighings]
        return pa.array(stated, pa.string()).take(self.codes) if any(stated) else None

    def others(self) -> dict[str, int]:
        """Rows of other measures, by what they measure: the most frequent, and all further ones."""
        rows = np.bincount(self.codes.to_numpy(), minlength=len(self.texts)).tolist()
        counts = Counter(
            {
                text: count
                for text, (one, _), count in zip(self.texts, self.weighings, rows, strict=True)
                if text and not one and count
            }
        )
        named = dict(counts.most_common(_MEASURES_NAMED))
        more = counts.total() - sum(named.values())
        return named | ({"further measures": more} if more else {})


def _unit(
    columns: list[Any],
    own: pa.StringArray | None,
    stated: str | None,
    measures: _Measures | None,
    options: ReadOptions,
    where: str,
    count: int,
) -> tuple[Any, str, pa.Array | None]:
    """(N,) the unit of each row, who says it, and where row and header contradict each other."""
    of_measures = measures.units() if measures else None
    unit_from = EACH_RECORD if columns or own or measures else HEADER if stated else OPTION
    if not columns and own is None and of_measures is None:
        unit = stated or options.unit
        return (constant(unit, count) if unit else None), unit_from if unit else EACH_RECORD, None
    if len(columns) == 1 and not (stated or options.unit or own is not None or of_measures):
        return columns[0], unit_from, None
    filled = [plain(column) for column in columns]
    fallback = pa.scalar(stated or options.unit, pa.string())
    parts = [*_understood_first(filled), *(one for one in (own, of_measures) if one is not None)]
    unit = pc.coalesce(*parts, pa.repeat(fallback, count))
    _check_option(filled, options, where)
    return unit, unit_from, _contradicting(filled, stated)


def _understood_first(columns: list[pa.StringArray]) -> list[pa.StringArray]:
    """Of several columns, cells that are no unit come after those that are."""
    if len(columns) < 2:
        return columns
    known = [
        pc.if_else(
            pc.equal(_mapped(column, lambda text: "y" if canonical_unit(text) else ""), "y"),
            column,
            None,
        )
        for column in columns
    ]
    return [*known, *columns]


def _check_option(columns: list[pa.StringArray], options: ReadOptions, where: str) -> None:
    if options.unit is None:
        return
    given = canonical_unit(options.unit)
    for column in columns:
        for text in pc.unique(column).drop_null().to_pylist():
            unit = canonical_unit(text)
            if unit is not None and unit != given:
                raise InputError(
                    f"{where} states {unit} in its column for the unit; leave --unit out"
                )


def _contradicting(columns: list[pa.StringArray], stated: str | None) -> pa.Array | None:
    if stated is None or not columns:
        return None
    said = _mapped(columns[0], lambda text: canonical_unit(text) or "")
    clash = pc.and_(pc.not_equal(said, ""), pc.not_equal(said, stated)).fill_null(False)
    return clash if pc.any(clash).as_py() else None


def _mark(columns: Columns, fault: pa.Array | None, clash: pa.Array | None, count: int) -> None:
    """Write faults of rows whose columns contradict each other."""
    for rows, reason, detail in (
        (clash, "unknown_unit", "the header states another unit than the row's own"),
        (fault, "bad_number", "the columns of the weight do not agree"),
    ):
        if rows is not None:
            for name, text in (("fault", reason), ("detail", detail)):
                before = columns.get(name, pa.nulls(count, pa.string()))
                columns[name] = pc.if_else(rows, text, before)
