"""Which columns of a table hold what: for delimited text, Parquet, sheets and frames alike.

A role is filled by what --column or the configuration names, else by the one column whose name and
cells fit it. Where several fit and do not say the same, nothing is guessed: the table is refused in
a sentence that names them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from weightstream.config import Columns
from weightstream.errors import ConfigError, InputError, plain
from weightstream.intake.quantities import quantity_of
from weightstream.intake.units import KILOGRAMS, canonical_unit
from weightstream.readers import column_names as names
from weightstream.readers.block import ReadOptions
from weightstream.readers.column_names import PHRASES, PLAIN, Name, parse_name
from weightstream.readers.measures import is_known
from weightstream.readers.time_columns import choose_times

ROLES = (
    "user_id",
    "time",
    "date",
    "clock",
    "source",
    "weight",
    "unit",
    "record_id",
    "updated",
    "measure",
    "birth_date",
    "sex",
    "age_days",
    "age_years",
)
"""What a column can hold, by the names that --column and [data.columns] use."""
SAMPLE_ROWS = 400
"""Rows from which is told what the columns hold."""

NAME = "NAME"
"""Stands for the name that a person has to write."""

_DEFAULT = Columns()
_SAME = 0.006
"""Weights in two units are one if they differ by no more than rounding."""
_REDCAP = "redcap "


@dataclass(frozen=True)
class Column:
    """One column. cells: those of the sample that hold something, with the number of their row."""

    index: int
    name: Name
    cells: Mapping[int, str]

    @property
    def texts(self) -> list[str]:
        return list(self.cells.values())

    def numbers(self) -> dict[int, tuple[float, str | None]]:
        """Amount and, where the cell names it, unit, by row."""
        found = {row: quantity_of(text, True) for row, text in self.cells.items()}
        return {row: (float(one.amount), one.unit) for row, one in found.items() if one}

    def share_of_numbers(self) -> float:
        # Zero stands for "not measured" in many exports.
        zeros = sum(text.strip("0.,") == "" for text in self.texts)
        return (len(self.numbers()) + zeros) / len(self.cells) if self.cells else 0.0


@dataclass(frozen=True)
class Choice:
    """The columns of each role, by their index; of a role that none holds, nothing.

    time: one, or that of the date and that of the time of day. weight: one; or two that hold the
    weight in two units, or (added) stones and pounds. stated: the unit that the name of each
    states. notes: sentences on what was chosen.
    """

    all_names: tuple[str, ...]
    roles: Mapping[str, int]
    time: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()
    stated: tuple[str | None, ...] = (None,)
    added: bool = False
    unit: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def indices(self) -> list[int]:
        """Of every column that is read."""
        return sorted({*self.roles.values(), *self.time, *self.weight, *self.unit})

    def with_note(self, note: str) -> "Choice":
        return replace(self, notes=(note, *self.notes))

    def named(self) -> dict[str, tuple[str, ...]]:
        """The chosen columns by their names, role by role, for the report."""
        several = {"time": self.time, "weight": self.weight, "unit": self.unit}
        chosen = {role: (at,) for role, at in self.roles.items()} | several
        return {
            role: tuple(self.all_names[at] for at in chosen[role])
            for role in ROLES
            if chosen.get(role)
        }


@dataclass
class Table:
    """A table whose columns are to be chosen: its names, a sample of its rows, what is wanted."""

    where: str
    columns: list[Column]
    options: ReadOptions
    is_frame: bool = False
    taken: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def left(self) -> list[Column]:
        return [column for column in self.columns if column.index not in self.taken]

    def told(self, role: str) -> Column | None:
        """The column that --column or a changed list of the configuration names for a role."""
        wanted = self.options.named.get(role)
        if wanted is not None:
            return self._called(wanted, role)
        listed = getattr(self.options.columns, role, ())
        if listed == getattr(_DEFAULT, role, ()):
            return None
        for name in listed:
            if found := self._all_called(name):
                self._refuse_twins(found)
                return found[0]
        return None

    def _called(self, wanted: str, role: str) -> Column:
        found = self._all_called(wanted)
        if not found:
            raise InputError(
                f"{self.where} has no column {wanted!r} for --column {role};"
                f" its columns are {self.listing()}"
            )
        self._refuse_twins(found)
        return found[0]

    def _all_called(self, wanted: str) -> list[Column]:
        key = wanted.strip().casefold()
        return [column for column in self.columns if column.name.text.casefold() == key]

    def _refuse_twins(self, found: Sequence[Column]) -> None:
        if len(found) > 1:
            raise InputError(
                f"{self.where} has several columns called {found[0].name.text!r}; leave one of them"
            )

    def is_switched_off(self, role: str) -> bool:
        """Whether the configuration wants no column for a role, as by record_id = []."""
        return role not in self.options.named and getattr(self.options.columns, role, None) == ()

    def listing(self, some: Iterable[Column] | None = None) -> str:
        """The names, as a sentence can hold them."""
        listed = [_shown(column.name.text) for column in (some or self.columns)]
        more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
        return ", ".join(listed[:12]) + more

    def refuse_several(self, found: Sequence[Column], role: str, what: str) -> InputError:
        if len({column.name.text for column in found}) == 1:
            self._refuse_twins(found)
        return InputError(
            f"{self.where} has several columns that may be {what}: {self.listing(found)};"
            f" name the one that is by {self.how_to_name(role, found[0].name.text)}"
        )

    def how_to_name(self, role: str, name: str) -> str:
        """What a person writes to name the column of a role."""
        name = name if name == NAME else f'"{plain(name)}"'
        return f"data.columns.{role} = [{name}]" if self.is_frame else f"--column {role}={name}"


def _shown(name: str) -> str:
    name = plain(name)
    return repr(name if len(name) <= 40 else name[:40] + "…")


def table_of(
    where: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    options: ReadOptions,
    is_frame: bool = False,
) -> Table:
    """A table by the names of its columns and a sample of its rows. where: for refusals."""
    sample = rows[:SAMPLE_ROWS]
    columns = []
    for index, text in enumerate(header):
        cells = {
            number: cell.strip()
            for number, row in enumerate(sample)
            if index < len(row) and (cell := row[index]) and not _is_blank(cell)
        }
        columns.append(Column(index, parse_name(text), cells))
    return Table(where, columns, options, is_frame)


def named_columns(options: Sequence[str]) -> dict[str, str]:
    """From what stands behind each --column, as weight=Scale weight (kg). Raises ConfigError."""
    named = {}
    for option in options:
        role, equals, name = option.partition("=")
        if not equals or not name.strip():
            raise ConfigError(
                f"--column {plain(option[:60])!r} names no column; write a role and the name of its"
                " column, as --column weight='Scale weight (kg)'"
            )
        named[role.strip()] = name.strip()
    check_roles(named)
    return named


def check_roles(named: Mapping[str, str]) -> None:
    """Raise ConfigError for a role that no column has."""
    for role in named:
        if role not in ROLES:
            raise ConfigError(
                f"{plain(role[:40])!r} is no role of a column; choose one of {', '.join(ROLES)}"
            )


def _is_blank(cell: str) -> bool:
    return cell.strip().casefold() in ("", "null", "--", "na", "nan", "n/a", "none", "-")


def resolve(table: Table) -> Choice:
    """Choose the columns. Raises InputError where a role is open or could be filled in two ways."""
    roles = _roles_by_name(table)
    measure = None
    weights, stated, added = _weights(table)
    if not weights:
        weights, measure = _long_table(table)
        stated = tuple(parse_name(table.columns[at].name.text).unit for at in weights)
    if measure is not None:
        roles["measure"] = measure
    units = _units(table)
    times = choose_times(table)
    if times.updated is not None:
        roles.setdefault("updated", times.updated)
    if not times.chosen:
        roles |= _age(table)
    passed = [c for c in table.left if names.names_no_weighing(c.name) and c.share_of_numbers() > 0]
    if passed:
        table.notes.append(f"passed over as no weighing: {table.listing(passed)}")
    choice = Choice(
        tuple(column.name.text for column in table.columns),
        roles,
        times.chosen,
        weights,
        stated,
        added,
        units,
        tuple(table.notes),
    )
    _check_complete(table, choice)
    return choice


def _roles_by_name(table: Table) -> dict[str, int]:
    """Roles that a column plays by its whole name: the person, the source, ids."""
    roles: dict[str, int] = {}
    redcap = any(column.name.phrase.startswith(_REDCAP) for column in table.columns)
    for role in ("user_id", "source", "record_id", "updated", "birth_date", "sex"):
        told = table.told(role)
        if told is None and table.is_switched_off(role):
            continue
        found = told or (
            _first_called(table, ("record id",))
            if redcap and role == "user_id"
            else _person(table)
            if role == "user_id"
            else _first_called(table, PHRASES[role])
            if role in PHRASES
            else _by_configuration(table, role)
        )
        # A timestamp is the time unless another column is; then it tells when a row was changed.
        if found is not None and (told or role != "updated"):
            roles[role] = found.index
            table.taken.add(found.index)
    return roles


def _first_called(table: Table, phrases: tuple[str, ...]) -> Column | None:
    ranked = [
        (rank, column)
        for column in table.left
        if (rank := names.rank_among(column.name, phrases)) is not None
    ]
    if not ranked:
        return None
    best = min(rank for rank, _ in ranked)
    found = [column for rank, column in ranked if rank == best]
    table._refuse_twins(found)
    return found[0]


def _by_configuration(table: Table, role: str) -> Column | None:
    """The column of a name in the configuration's list, such as id for the record's id."""
    for name in getattr(table.options.columns, role, ()):
        for column in table.left:
            if column.name.text.casefold() == name.casefold():
                return column
    return None


def _person(table: Table) -> Column | None:
    """The column of the person. Several must tell the same persons apart."""
    found = [column for column in table.left if names.is_user(column.name)]
    if not found:
        return None
    found.sort(key=lambda column: names.rank_among(column.name, PHRASES["user_id"]) or 0)
    filled = [column for column in found if column.cells] or found
    first = filled[0]
    for other in filled[1:]:
        if first.name.phrase == other.name.phrase:
            table._refuse_twins([first, other])
        if not _tells_apart(first, other):
            raise table.refuse_several(filled, "user_id", "the person")
    return first


def _tells_apart(one: Column, other: Column) -> bool:
    """Whether two columns of ids name the same persons, each in its way, or one nobody at all."""
    pairs = {(one.cells[row], other.cells[row]) for row in one.cells.keys() & other.cells.keys()}
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


def _weights(table: Table) -> tuple[tuple[int, ...], tuple[str | None, ...], bool]:
    """The columns of the weight, the units that their names state, and whether they are added."""
    told = table.told("weight")
    if told is not None:
        table.taken.add(told.index)
        return (told.index,), (told.name.unit,), False
    fits = [(names.weight_fit(column.name), column) for column in table.left]
    found = [column for fit, column in fits if fit and _may_hold_numbers(column)]
    # Without numbers the name tells; each row then says what is wrong with it.
    found = found or [column for fit, column in fits if fit == PLAIN][:1]
    if not found:
        return (), (), False
    found = _different(found)
    if len(found) > 1:
        by_unit = {column.name.unit: column for column in found}
        if set(by_unit) == {"st", "lb"} and len(found) == 2:
            stones, pounds = by_unit["st"], by_unit["lb"]
            if all(amount < 14 for amount, _ in pounds.numbers().values()):
                table.taken |= {stones.index, pounds.index}
                return (stones.index, pounds.index), ("st", "lb"), True
        if len(by_unit) != len(found) or None in by_unit or not _agree(found):
            raise table.refuse_several(found, "weight", "the weight")
        found.sort(key=lambda column: list(KILOGRAMS).index(column.name.unit or "kg"))
    table.taken |= {column.index for column in found}
    return tuple(c.index for c in found), tuple(c.name.unit for c in found), False


def _may_hold_numbers(column: Column) -> bool:
    return not column.cells or column.share_of_numbers() >= 0.5


def _different(found: list[Column]) -> list[Column]:
    """Without columns that repeat another cell by cell, and empty ones beside filled ones."""
    filled = [column for column in found if column.cells] or found[:1]
    kept: list[Column] = []
    for column in filled:
        if not any(
            column.name.unit == one.name.unit and column.numbers() == one.numbers() for one in kept
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
        for row, (amount, unit) in column.numbers().items()
    }


def _long_table(table: Table) -> tuple[tuple[int, ...], int | None]:
    """The column of the values, and the one that says what each of them measures."""
    values = [column for column in table.left if names.value_fit(column.name)]
    values = list(filter(_may_hold_numbers, values)) or values[:1]
    if len(values) > 1:  # that of numbers, where there is one of texts beside it
        numeric = [c for c in values if c.name.words & {"number", "valuenum", "numeric", "num"}]
        values = _different(numeric or values)
    measure = _measure(table, {column.index for column in values})
    values = [column for column in values if column.index != measure]
    if len(values) > 1:
        plain_ones = [column for column in values if "value" in column.name.words]
        if len(plain_ones) != 1:
            raise table.refuse_several(values, "weight", "the weight")
        values = plain_ones
    if not values:
        return (), None
    table.taken |= {values[0].index, *([measure] if measure is not None else [])}
    return (values[0].index,), measure


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
        if known == 0 and (fit != PLAIN or column.share_of_numbers() == 1.0):
            continue
        if best is None or (known, fit) > best[:2]:
            best = (known, fit, column.index)
    return best[2] if best else None


def _units(table: Table) -> tuple[int, ...]:
    """The columns of the unit, the first that is filled before the others."""
    told = table.told("unit")
    if told is not None:
        table.taken.add(told.index)
        return (told.index,)
    found = [column for column in table.left if names.unit_fit(column.name)]
    # Of a code and a text beside it, the one that is understood more often comes first.
    found.sort(key=lambda column: -sum(canonical_unit(t) is not None for t in column.texts))
    table.taken |= {column.index for column in found}
    return tuple(column.index for column in found)


def _age(table: Table) -> dict[str, int]:
    for role in ("age_days", "age_years"):
        found = table.told(role) or _first_called(table, PHRASES[role])
        if found is not None:
            table.taken.add(found.index)
            return {role: found.index}
    return {}


def _check_complete(table: Table, choice: Choice) -> None:
    missing = _missing(table, choice)
    user, unit = table.options.user, table.options.unit
    if missing:
        raise _incomplete(table, missing)
    at = choice.roles.get("user_id")
    if user is not None and at is not None and table.columns[at].cells:
        raise InputError(f"{table.where} has a column for the user; leave --user out")
    columns = [table.columns[at] for at in choice.unit]
    rows = {row for column in choice.weight for row in table.columns[column].cells}
    if unit is not None and rows and rows <= {row for column in columns for row in column.cells}:
        raise InputError(f"{table.where} has a column for the unit; leave --unit out")
    for stated in choice.stated:
        if unit is not None and stated and canonical_unit(unit) != stated:
            raise InputError(f"{table.where} states {stated} in its header; leave --unit out")


def _missing(table: Table, choice: Choice) -> list[str]:
    columns = [table.columns[at] for at in (*choice.weight, *choice.unit)]
    in_cells = any(
        unit for column in columns[: len(choice.weight)] for _, unit in column.numbers().values()
    )
    has = {
        "user": "user_id" in choice.roles or table.options.user is not None,
        "time": bool(choice.time) or "age_days" in choice.roles or "age_years" in choice.roles,
        "weight": bool(choice.weight),
        "unit": bool(choice.unit or any(choice.stated) or table.options.unit or in_cells)
        or "measure" in choice.roles,
    }
    return [word for word, there in has.items() if not there]


def _incomplete(table: Table, missing: list[str]) -> InputError:
    if not _looks_like_names(table):
        return InputError(
            f"{table.where} has no header that names its columns; add one, such as"
            " user_id,effectiveDateTime,source_type,weight,unit"
        )
    options = [] if table.is_frame else [f"--{word}" for word in missing if word in _OPTIONS]
    give = f"; give {' and '.join(options)}, or" if options else ";"
    role = {"user": "user_id"}.get(missing[0], missing[0])
    return InputError(
        f"{table.where} has no column for {' and '.join(missing)}{give} name it by"
        f" {table.how_to_name(role, NAME)}; its columns are {table.listing()}"
    )


_OPTIONS = ("user", "unit")


def _looks_like_names(table: Table) -> bool:
    """Whether the header holds names and not the first record."""
    texts = [column.name.text for column in table.columns if column.name.text]
    return bool(texts) and not any(_is_data(text) for text in texts)


def _is_data(text: str) -> bool:
    """Whether a cell of the header is a number or a time."""
    digits = sum(character.isdigit() for character in text)
    return quantity_of(text, True) is not None or digits >= 6
