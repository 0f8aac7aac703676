"""A table whose columns are to be chosen: their names, a sample of their cells, and the options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from weightstream.config import Columns
from weightstream.errors import ConfigError, InputError, plain
from weightstream.parsing.quantities import quantity_of
from weightstream.readers.block import ReadOptions
from weightstream.readers.column_names import Name, parse_name, with_unit_below

BLANKS = ("", "null", "--", "na", "nan", "n/a", "none", "-")
"""What a cell that says nothing says, in lower case."""

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
    "timezone",
)
"""The roles of columns, by the names that --column and [data.columns] use."""
SAMPLE_ROWS = 400
"""The number of rows from which the roles of columns are recognised."""

NAME = "NAME"
"""The placeholder for a name in a sentence."""

_DEFAULT = Columns()


@dataclass(frozen=True)
class Column:
    """One column. cells: those of the sample that hold something, with the number of their row.

    of_folder: the name of a folder gives it, as user_id=7/part-0.parquet.
    """

    index: int
    name: Name
    cells: Mapping[int, str]
    of_folder: bool = False

    @property
    def texts(self) -> list[str]:
        return list(self.cells.values())

    @cached_property
    def numbers(self) -> dict[int, tuple[float, str | None]]:
        """Amount and, where the cell names it, unit, by row."""
        found = {row: quantity_of(text, True) for row, text in self.cells.items()}
        return {row: (float(one.amount), one.unit) for row, one in found.items() if one}

    def share_of_numbers(self) -> float:
        # Zero stands for "not measured" in many exports.
        zeros = sum(text.strip("0.,") == "" for text in self.texts)
        return (len(self.numbers) + zeros) / len(self.cells) if self.cells else 0.0


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
                self.refuse_twins(found)
                return found[0]
        return None

    def _called(self, wanted: str, role: str) -> Column:
        found = self._all_called(wanted)
        if not found:
            raise InputError(
                f"{self.where} has no column {wanted!r} for --column {role};"
                f" its columns are {self.listing()}"
            )
        self.refuse_twins(found)
        return found[0]

    def _all_called(self, wanted: str) -> list[Column]:
        key = wanted.strip().casefold()
        return [column for column in self.columns if column.name.text.casefold() == key]

    def refuse_twins(self, found: Sequence[Column]) -> None:
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
            self.refuse_twins(found)
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
    units: Sequence[str] = (),
    folders: Mapping[str, str | None] | None = None,
) -> Table:
    """A table by the names of its columns and a sample of its rows.

    where: for refusals. units: of a row below the header, that of each column, or "". folders: the
    columns that folders give (partitions.folder_columns), which come last.
    """
    sample = rows[:SAMPLE_ROWS]
    columns = []
    for index, text in enumerate(header):
        cells = {
            number: cell.strip()
            for number, row in enumerate(sample)
            if index < len(row) and (cell := row[index]) and not _is_blank(cell)
        }
        name = parse_name(text)
        if index < len(units):
            name = with_unit_below(name, units[index])
        columns.append(Column(index, name, cells))
    for text, value in (folders or {}).items():
        cells = {} if value is None else dict.fromkeys(range(len(sample)), value)
        columns.append(Column(len(columns), parse_name(text), cells, of_folder=True))
    notes = ["the row below the header is read as units"] if units else []
    return Table(where, columns, options, is_frame, notes=notes)


def own_first(found: Sequence[Column]) -> list[Column]:
    """Without columns of folders, if the file has such a column itself."""
    return [column for column in found if not column.of_folder] or list(found)


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
                f"{plain(role[:40])!r} is not a role of a column; choose one of {', '.join(ROLES)}"
            )


def _is_blank(cell: str) -> bool:
    return cell.strip().casefold() in BLANKS
