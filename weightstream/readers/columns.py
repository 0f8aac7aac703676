"""Choosing the columns of a table, for delimited text, Parquet, sheets and frames alike.

--column or the configuration names the column of a role; otherwise it is the one column whose name
and cells fit. If several fit with different content, the table is refused in a sentence that names
them; nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from weightstream.errors import InputError, plain
from weightstream.parsing.units import canonical_unit
from weightstream.readers import column_names as names
from weightstream.readers.column_names import NAMES, PHRASES
from weightstream.readers.headers import is_datum
from weightstream.readers.measures import is_known, weight_unit
from weightstream.readers.standards import standard_of
from weightstream.readers.table import NAME, ROLES, Column, Table, own_first
from weightstream.readers.time_columns import choose_times, holds_times
from weightstream.readers.weight_columns import choose_weights
from weightstream.readers.zone_column import is_zone

_REDCAP = "redcap "
_OFFSET_OF_SAMSUNG, _IN_UTC = "time offset", ("start time", "end time")
"""Names by which a table of Samsung Health is known without its first line."""
_OPTIONS = ("user", "unit")
_DISTINCT = 0.5
"""Share of distinct ids up to which they are none of records."""
_IDS = ("id", "record id")
"""Columns that may name a person, if no other does."""


@dataclass(frozen=True)
class Choice:
    """The columns of each role, by their index; of a role that none holds, nothing.

    time: one, or that of the date and that of the time of day. weight: one; or two that hold the
    weight in two units, or (added) stones and pounds. stated: the unit that the name of each
    states. kinds: the column of the measure tells goals and the like from weighings. in_utc: the
    name of the time says that it is in UTC. notes: sentences on what was chosen. folders: the cells
    of columns that are not in the file, but given by the names of its folders.
    """

    all_names: tuple[str, ...]
    roles: Mapping[str, int]
    time: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()
    stated: tuple[str | None, ...] = (None,)
    added: bool = False
    kinds: bool = False
    unit: tuple[int, ...] = ()
    in_utc: bool = False
    notes: tuple[str, ...] = ()
    folders: Mapping[int, str | None] = field(default_factory=dict)

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


def resolve(table: Table) -> Choice:
    """Choose the columns. Raises InputError if a role has no column, or several possible ones."""
    _follow_standard(table)
    roles = _roles_by_name(table)
    weights = choose_weights(table)
    if weights.measure is not None:
        roles["measure"] = weights.measure
    units = _units(table)
    times = choose_times(table)
    if times.updated is not None:
        roles.setdefault("updated", times.updated)
    if not times.chosen:
        roles |= _age(table)
    passed = [c for c in table.left if names.names_no_weighing(c.name) and c.share_of_numbers() > 0]
    roles |= _deletions(table)
    zone = _zone(table)
    if zone is not None:
        roles["timezone"] = zone
    in_utc = _in_utc(table, times.chosen, zone)
    if passed:
        table.notes.append(f"ignored, not a weighing: {table.listing(passed)}")
    choice = Choice(
        tuple(column.name.text for column in table.columns),
        roles,
        times.chosen,
        weights.chosen,
        weights.stated,
        weights.added,
        weights.kinds,
        units,
        in_utc,
        tuple(table.notes),
    )
    _check_complete(table, choice)
    given = [c for c in table.columns if c.of_folder and c.index in choice.indices]
    if given:
        return choice.with_note(f"read from the names of folders: {table.listing(given)}")
    return choice


def _follow_standard(table: Table) -> None:
    """Take the columns that a standard names as if --column did; what --column says comes first."""
    standard = standard_of(column.name.text for column in table.columns)
    if standard:
        named = {**standard.columns, **table.options.named}
        if table.options.named.keys() & {"date", "clock"}:
            named = {role: name for role, name in named.items() if role != "time"}
        table.options = replace(table.options, named=named)
        table.notes.append(f"the columns are those of {standard.title}")


def _roles_by_name(table: Table) -> dict[str, int]:
    """Choose the columns of roles that go by the whole name: the person, the source, ids."""
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
        # With persons beside them, ids come again for each person and source, and for corrections.
        unsure = role == "record_id" and "user_id" not in roles and not told
        if unsure and found is not None and _repeats(found):
            table.notes.append(f"{table.listing([found])} repeats, so it does not hold record ids")
            continue
        # A timestamp is the time unless another column is; then it tells when a row was changed.
        if found is not None and (told or role != "updated"):
            roles[role] = found.index
            table.taken.add(found.index)
    if "user_id" not in roles:
        _refuse_persons(table)
    elif "birth_date" in roles:
        _refuse_namesakes(table, roles["user_id"], roles["birth_date"])
    return roles


def _repeats(column: Column) -> bool:
    """Whether ids stand for more than one row each; a record that is corrected comes again too."""
    return 1 < len(set(column.texts)) <= _DISTINCT * len(column.texts)


def _refuse_persons(table: Table) -> None:
    """Raise InputError for ids that may be of persons, where --user says that there is one."""
    settled = table.told("record_id") or table.is_switched_off("record_id")
    if table.options.user is None or settled:
        return
    for column in table.columns:
        if column.name.phrase in _IDS and len(set(column.texts)) < len(column.cells):
            name = column.name.text
            raise InputError(
                f"{table.where} has a column {plain(name)!r} whose ids repeat, so they may identify"
                f" persons or records; give {table.how_to_name('user_id', name)} without"
                f" --user, or {table.how_to_name('record_id', name)}"
            )


def _refuse_namesakes(table: Table, user: int, birth_date: int) -> None:
    """Raise InputError for names that persons with different birth dates share."""
    names_of_persons, born = table.columns[user], table.columns[birth_date].cells
    if names_of_persons.name.phrase not in NAMES or table.told("user_id"):
        return
    pairs = {(name, born[row]) for row, name in names_of_persons.cells.items() if row in born}
    if len(pairs) > len({name for name, _ in pairs}):
        raise InputError(
            f"{table.where} has several birth dates for one {table.listing([names_of_persons])}, so"
            " it does not tell persons apart; name a column that does by"
            f" {table.how_to_name('user_id', NAME)}"
        )


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
    table.refuse_twins(found)
    return found[0]


def _by_configuration(table: Table, role: str) -> Column | None:
    """The column of a name in the configuration's list, such as id for the record's id."""
    for name in getattr(table.options.columns, role, ()):
        for column in table.left:
            if column.name.text.casefold() == name.casefold():
                return column
    return None


def _person(table: Table) -> Column | None:
    """Return the column of the person. If there are several, they must distinguish the same
    persons."""
    found = own_first([column for column in table.left if names.is_user(column.name)])
    # A name may also be that of what is measured.
    found = [c for c in found if c.name.phrase not in NAMES or not any(map(is_known, c.texts))]
    if table.options.user is not None:
        # An option may say what a folder says, as for the inbox's user=ID.
        found = [c for c in found if not c.of_folder or set(c.texts) - {table.options.user}]
        # One name throughout may be that of a scale.
        found = [c for c in found if c.name.phrase not in NAMES or len(set(c.texts)) > 1]
    if not found:
        return None
    known = PHRASES["user_id"]
    ranks = {c.index: names.rank_among(c.name, known) for c in found}
    found.sort(key=lambda c: len(known) if (rank := ranks[c.index]) is None else rank)
    filled = [column for column in found if column.cells] or found
    first = filled[0]
    for other in filled[1:]:
        if first.name.phrase == other.name.phrase:
            table.refuse_twins([first, other])
        if not _tells_apart(first, other):
            raise table.refuse_several(filled, "user_id", "the person")
    return first


def _tells_apart(one: Column, other: Column) -> bool:
    """Return whether two columns of ids distinguish the same persons, or one is empty."""
    pairs = {(one.cells[row], other.cells[row]) for row in one.cells.keys() & other.cells.keys()}
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


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


def _deletions(table: Table) -> dict[str, int]:
    """The column that tells which rows their source took back.

    Of several, one that calls a row so, else one that is filled.
    """
    found = [c for c in table.left if names.tells_deletion(c.name, c.texts)]
    found.sort(key=lambda c: (names.DELETED.isdisjoint(map(str.casefold, c.texts)), not c.cells))
    if not found:
        return {}
    table.notes.append(f"rows that {table.listing(found[:1])} calls deleted do not count")
    if found[1:]:
        table.notes.append(f"{table.listing(found[1:])} is not read: one column tells deleted rows")
    return {"deleted": found[0].index}


def _in_utc(table: Table, chosen: tuple[int, ...], zone: int | None) -> bool:
    """Whether times without an offset are in UTC, as their column's name or Samsung's says."""
    columns = [table.columns[at] for at in chosen]
    in_utc = [column for column in columns if names.is_in_utc(column.name)]
    if in_utc:
        table.notes.append(
            f"times without an offset in {table.listing(in_utc)} are read as UTC, as its name says"
        )
        return True
    beside = table.columns[zone].name.phrase if zone is not None else ""
    samsung = [column for column in columns if column.name.phrase in _IN_UTC]
    if beside == _OFFSET_OF_SAMSUNG and samsung:
        table.notes.append("start_time is read as UTC, with time_offset beside it")
        return True
    return False


def _zone(table: Table) -> int | None:
    """The column of the timezone, where its cells are names or offsets that leave no doubt."""
    told = table.told("timezone")
    found = [told] if told else [c for c in table.left if names.is_timezone(c.name)]
    found.sort(key=lambda column: not column.cells)
    for column in found:
        if told or 2 * sum(map(is_zone, column.texts)) >= len(column.texts):
            if column.cells:
                table.notes.append(f"times are in the zone that {table.listing([column])} names")
            return column.index
    if found:
        table.notes.append(
            f"{table.listing(found)} is not read: times without an offset are those of --timezone"
        )
    return None


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
        unit for column in columns[: len(choice.weight)] for _, unit in column.numbers.values()
    )
    has = {
        "user": "user_id" in choice.roles or table.options.user is not None,
        "time": bool(choice.time) or "age_days" in choice.roles or "age_years" in choice.roles,
        "weight": bool(choice.weight),
        # Without a weight it is open whether its name would state one.
        "unit": bool(choice.unit or any(choice.stated) or table.options.unit or in_cells)
        or (not choice.weight and any(column.name.unit for column in table.columns))
        or _measures_state_units(table, choice),
    }
    return [word for word, there in has.items() if not there]


def _measures_state_units(table: Table, choice: Choice) -> bool:
    """Whether the column that says what is measured names units, or no weight among its first."""
    if "measure" not in choice.roles or choice.kinds:
        return False
    weighings = [weight_unit(text) for text in table.columns[choice.roles["measure"]].texts]
    units = [unit for is_one, unit in weighings if is_one]
    return not units or any(units)


def _incomplete(table: Table, missing: list[str]) -> InputError:
    if not _looks_like_names(table):
        return InputError(
            f"{table.where} has no header that names its columns; add one, such as"
            " user_id,effectiveDateTime,source_type,weight,unit"
        )
    options = [] if table.is_frame else [f"--{word}" for word in missing if word in _OPTIONS]
    give = f"; give {' and '.join(options)}, or" if options else ";"
    role = {"user": "user_id"}.get(missing[0], missing[0])
    columns = f"its columns are {table.listing()}"
    if len(table.columns) == 1:
        columns = f"its only column is {table.listing()}, without a comma, semicolon, tab or |"
    return InputError(
        f"{table.where} has no column for {' and '.join(missing)}{give} name it by"
        f" {table.how_to_name(role, _nearest(table, role))}; {columns}"
    )


def _nearest(table: Table, role: str) -> str:
    """The name of a column that nearly fits a role, for a sentence that asks for one."""
    fits = {
        "user_id": lambda column: column.name.phrase in _IDS,
        "time": holds_times,
        "weight": lambda column: (
            names.names_no_weighing(column.name)
            and not column.name.other
            and column.share_of_numbers() > 0
        ),
    }.get(role)
    found = [column.name.text for column in table.columns if fits and fits(column)]
    return found[0] if found else NAME


def _looks_like_names(table: Table) -> bool:
    """Return whether the header has names and is not the first record."""
    texts = [column.name.text for column in table.columns if column.name.text]
    return bool(texts) and not any(map(is_datum, texts))
