"""Cleaning: every raw row becomes a measurement, or goes to quarantine with a reason."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.errors import ConfigError
from weightstream.intake.birth_dates import stated
from weightstream.intake.import_report import times_of, units_of
from weightstream.parsing.coded import Bools, Coded, blank, dictionary, encode, plain
from weightstream.parsing.details import detail_of
from weightstream.parsing.quantities import Quantities, parse_quantities
from weightstream.parsing.times import Times, parse_times, utc_text
from weightstream.parsing.units import (
    CODES,
    Units,
    kilograms,
    parse_units,
    required_unit,
)
from weightstream.readers import NO_DIALECT, Dialect, Parse, ReadOptions, Unread, parses

MAX_NAME = 1000
"""The longest user id or source, in characters. Quarantined cells are cut to this length."""
FUTURE = timedelta(hours=24)

logger = logging.getLogger("weightstream")
_THAT_CAN_BE_KEPT = f"that can be kept, of 1 to {MAX_NAME:,} characters without control characters"
_WORDS_FOR_NONE = pa.array(["NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NaT", "None"])
"""What R, pandas and Excel write for an id that is missing; case tells nan from a Nan."""
_A_WORD_FOR_NONE = "a word that R, pandas and Excel write for none"
_NO_NAME = r"[\x00-\x1f]"
_EPOCH_DAY = date(1970, 1, 1)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """The rules of cleaning. started: an aware datetime, the run's start, never "now"."""

    started: datetime
    timezone: str = "UTC"
    min_date: date = date(1900, 1, 1)


@dataclass(frozen=True)
class Cleaned:
    """measurements: schema.MEASUREMENT; quarantine: schema.QUARANTINE; both in input order.

    retractions: schema.RETRACTION, records that their source retracted; they count as rows.
    skipped: records of other kinds, which do not count as rows. others: those of them whose kind
    has a name, by name. demographics: schema.DEMOGRAPHICS, what the rows state of their persons;
    unused_births: the rows whose birth date is not used. units: measurements by unit and by what
    stated it. times: measurements by how their time is written, as import_report.TIMES. unread:
    members of a zip file that are not read. columns, notes: see readers.block.Block.
    """

    measurements: pa.Table
    quarantine: pa.Table
    retractions: pa.Table = field(default_factory=schema.RETRACTION.empty_table)
    demographics: pa.Table = field(default_factory=schema.DEMOGRAPHICS.empty_table)
    unused_births: int = 0
    skipped: int = 0
    units: Mapping[tuple[str, str], int] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.measurements) + len(self.quarantine) + len(self.retractions)


@dataclass(frozen=True)
class _Parsed:
    """The parsed cells of N rows.

    code: (N,) unit of the weight, index into CODES; -1 if there is none. clash: (N,) whether the
    cell of the weight names another unit than the cell of the unit. kg: (N,) nan if the weight or
    the unit is missing.
    """

    user: Coded
    source: Coded
    weight: Coded
    unit: Coded
    amounts: Quantities
    units: Units
    times: Times
    code: npt.NDArray[np.int32]
    clash: Bools
    kg: npt.NDArray[np.float64]


def read_clean(
    path: Path, options: ReadOptions, rules: Rules, file: int, threads: int = 2
) -> Iterator[Cleaned]:
    """Read and clean a file block by block, in order; at most threads + 1 blocks are in memory.

    threads: the number of blocks that are parsed and cleaned at a time; 1 uses no other thread.
    Raises InputError, at any block, if the file cannot be used; then none of its rows count.
    """
    if options.unit is not None:
        required_unit(options.unit)
    if options.timezone is not None:
        rules = replace(rules, timezone=options.timezone)
    work = (partial(_clean_parsed, parse, rules, file) for parse in parses(path, options))
    yield from _in_threads(work, threads) if threads > 1 else (one() for one in work)


def _in_threads(work: Iterator[Callable[[], Cleaned]], threads: int) -> Iterator[Cleaned]:
    """Yield results in order. If no thread can be started, this thread does the rest."""
    pending: deque[Future[Cleaned]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="clean") as pool:
        try:
            for one in work:
                try:
                    pending.append(pool.submit(one))
                except RuntimeError:
                    logger.warning("read: a thread cannot be started; continuing without it")
                    yield from (future.result() for future in pending)
                    pending.clear()
                    yield one()
                    break
                if len(pending) > threads:
                    yield pending.popleft().result()
            yield from (future.result() for future in pending)
            pending.clear()
            yield from (one() for one in work)
        finally:
            for future in pending:
                future.cancel()


def _clean_parsed(parse: Parse, rules: Rules, file: int) -> Cleaned:
    block = parse()
    cleaned = clean(block.rows, rules, file, block.dialect)
    units = units_of(cleaned.measurements, block.unit_from)
    times = times_of(cleaned.measurements)
    user = encode(block.people["user_id"])
    people, unused = stated(block.people, user, _named(user), rules.started, None)
    return replace(
        cleaned,
        demographics=pa.concat_tables([cleaned.demographics, people]),
        unused_births=cleaned.unused_births + unused,
        skipped=block.skipped,
        units=units,
        times=times,
        others=block.others,
        unread=block.unread,
        columns=block.columns,
        notes=block.notes,
    )


def clean(block: pa.Table, rules: Rules, file: int, dialect: Dialect = NO_DIALECT) -> Cleaned:
    """Parse the units, numbers and times of N raw rows.

    block: schema.RAW (plain strings will do); each row ends in exactly one of the tables.
    The reason is the first of schema.QUARANTINE_REASONS that applies, including the reader's own
    fault.
    """
    block, retractions = _without_retracted(block.combine_chunks(), rules, file)
    parsed = _parsed(block, rules, dialect)
    missing = _missing(block, parsed)
    reason = _reasons(block, parsed, missing, rules)
    kept, bad = np.flatnonzero(reason < 0), np.flatnonzero(reason >= 0)
    order = dialect.date_order
    demographics, unused = stated(block, parsed.user, _named(parsed.user), rules.started, order)
    return Cleaned(
        _measurements(block, parsed, kept, file, rules),
        _quarantine(block, file, bad, reason[bad], missing, rules, dialect),
        retractions,
        demographics,
        unused,
    )


def _parsed(block: pa.Table, rules: Rules, dialect: Dialect) -> _Parsed:
    user, source, weight, unit = (
        encode(block[name]) for name in ("user_id", "source", "weight", "unit")
    )
    amounts = parse_quantities(weight.texts, dialect.decimal_comma)
    units = parse_units([text or "" for text in unit.texts.to_pylist()])
    times = parse_times(plain(block["time"]), rules.timezone, dialect.date_order)
    code, clash = _units_of_rows(weight, unit, amounts, units)
    kg = kilograms(weight.spread(amounts.value, np.nan), code)
    return _Parsed(user, source, weight, unit, amounts, units, times, code, clash, kg)


def _units_of_rows(
    weight: Coded, unit: Coded, amounts: Quantities, units: Units
) -> tuple[npt.NDArray[np.int32], Bools]:
    """Return (N,) the unit of each row, and whether the cells of weight and unit contradict."""
    stated = unit.spread(units.code, -1)
    if not np.any(amounts.unit >= 0):
        return stated, np.zeros(len(stated), dtype=bool)
    own = weight.spread(amounts.unit, -1)
    clash = (
        (own >= 0) & ~unit.is_blank() & (own != stated) & ~weight.spread(amounts.complete, False)
    )
    return np.where(own >= 0, own, stated).astype(np.int32), clash


def _missing(block: pa.Table, parsed: _Parsed) -> dict[str, Bools]:
    """Return for each required field (N,) whether it is missing."""
    return {
        "user": parsed.user.is_blank(),
        f"user id, but {_A_WORD_FOR_NONE}": _say_none(parsed.user),
        f"user id {_THAT_CAN_BE_KEPT}": _no_names(parsed.user),
        # A reader may know more about a record without time; then it sets a fault.
        "time": blank(plain(block["time"])) & block["fault"].is_null().to_numpy(),
        "weight": parsed.weight.is_blank(),
        "unit": parsed.unit.is_blank() & (parsed.code < 0),
        f"source {_THAT_CAN_BE_KEPT}": _no_names(parsed.source),
    }


def _reasons(
    block: pa.Table, parsed: _Parsed, missing: dict[str, Bools], rules: Rules
) -> npt.NDArray[np.int8]:
    """Return (N,) the index into QUARANTINE_REASONS of the first that applies, -1 for none."""
    times, kg = parsed.times, parsed.kg
    latest = int((rules.started + FUTURE).timestamp() * 1e6)
    found = {
        "missing_field": np.logical_or.reduce(list(missing.values())),
        "not_body_weight": parsed.unit.spread(parsed.units.not_body_weight, False),
        "unknown_unit": (parsed.code < 0) | parsed.clash,
        "bad_number": ~(np.isfinite(kg) & (kg > 0)),
        "bad_timestamp": times.bad,
        "too_old": times.day < (rules.min_date - _EPOCH_DAY).days,
        "future_timestamp": times.us > latest,
    }
    reason = np.full(len(kg), -1, dtype=np.int8)
    for index, name in reversed(list(enumerate(schema.QUARANTINE_REASONS))):
        reason[found[name]] = index
    fault = block["fault"]
    if fault.null_count == len(fault):
        return reason
    own = pc.index_in(fault, pa.array(schema.QUARANTINE_REASONS)).fill_null(-1).to_numpy()
    first = np.where(reason >= 0, np.minimum(own, reason), own)
    return np.where(own >= 0, first, reason).astype(np.int8)


def _without_retracted(block: pa.Table, rules: Rules, file: int) -> tuple[pa.Table, pa.Table]:
    """Return the rows that are not retracted, and schema.RETRACTION of the others."""
    if "retracted" not in block.column_names or not pc.any(block["retracted"]).as_py():
        return block, schema.RETRACTION.empty_table()
    taken_back = block["retracted"].fill_null(False)
    rows = block.filter(taken_back)
    user, source = (encode(rows[name]) for name in ("user_id", "source"))
    columns = {
        "user_id": user.texts.take(pa.array(user.codes, mask=user.codes < 0)),
        "source": _sources(source, np.arange(len(rows))).cast(pa.string()),
        "record_id": plain(rows["record_id"]),
    }
    columns["updated"] = _updated(rows["updated"], rows["record_id"], rules)
    columns |= {"file": pa.repeat(pa.scalar(file, pa.int32()), len(rows)), "line": rows["line"]}
    retractions = pa.table(columns, schema=schema.RETRACTION)
    return block.filter(pc.invert(taken_back)).combine_chunks(), retractions


def _measurements(
    block: pa.Table, parsed: _Parsed, kept: Ints, file: int, rules: Rules
) -> pa.Table:
    """Return schema.MEASUREMENT of the rows `kept`."""
    rows = pa.array(kept)

    def chosen(column: Any) -> Any:
        return column if len(kept) == len(column) else column.take(rows)

    times, weight = parsed.times, parsed.weight
    weight_rows = pa.array(weight.codes[kept])
    columns = {
        "user_id": dictionary(parsed.user.codes[kept], parsed.user.texts),
        "source": _sources(parsed.source, kept),
        "time_us": pa.array(times.us[kept]),
        "effective_at": chosen(times.effective_at),
        "wall": chosen(times.wall),
        "hour": pa.array(times.hour[kept]),
        "weight_kg": pa.array(parsed.kg[kept]),
        "amount": parsed.amounts.amount.take(weight_rows),
        "unit": dictionary(parsed.code[kept], pa.array(CODES)),
        "raw_weight": weight.texts.take(weight_rows),
        "raw_unit": _raw_units(parsed, kept),
        "raw_time": chosen(block["time"]),
        "record_id": chosen(block["record_id"]),
        "updated": _updated(chosen(block["updated"]), chosen(block["record_id"]), rules),
        "file": pa.array(np.full(len(kept), file, dtype=np.int32)),
        "line": chosen(block["line"]),
    }
    return pa.table(columns, schema=schema.MEASUREMENT)


def _raw_units(parsed: _Parsed, kept: Ints) -> pa.DictionaryArray:
    """Return the units as written, or as the cell of the weight names them."""
    unit = parsed.unit
    absent = unit.is_blank()[kept]
    if not absent.any():
        return dictionary(unit.codes[kept], unit.texts)
    texts = pa.concat_arrays([unit.texts, pa.array(CODES)]).dictionary_encode()
    codes = np.where(absent, parsed.code[kept] + len(unit.texts), unit.codes[kept])
    return dictionary(texts.indices.to_numpy()[codes], texts.dictionary)


def _updated(texts: pa.ChunkedArray, record_id: pa.ChunkedArray, rules: Rules) -> pa.ChunkedArray:
    """Return UTC with microseconds, so that texts sort like times; null if it is not needed."""
    if texts.null_count == len(texts) or record_id.null_count == len(record_id):
        return pa.nulls(len(texts), pa.string())
    times = parse_times(plain(texts), rules.timezone, None)
    fraction = pc.utf8_lpad(pa.array(times.us % 1_000_000).cast(pa.string()), 6, "0")
    seconds = pc.utf8_slice_codeunits(utc_text(times.us), 0, 19)
    text = pc.binary_join_element_wise(seconds, ".", fraction, "Z", "")
    return pc.if_else(pa.array(times.bad), None, text)


def _sources(source: Coded, kept: Ints) -> pa.DictionaryArray:
    """Return the sources of the kept rows; an empty one becomes "unknown"."""
    named = pc.if_else(pa.array(blank(source.texts)), "unknown", source.texts)
    names = pa.concat_arrays([named, pa.array(["unknown"])]).dictionary_encode()
    codes = source.codes[kept]  # -1 finds the last, which is "unknown"
    return dictionary(names.indices.to_numpy()[codes], names.dictionary)


def _quarantine(
    block: pa.Table,
    file: int,
    bad: Ints,
    reason: npt.NDArray[np.int8],
    missing: dict[str, Bools],
    rules: Rules,
    dialect: Dialect,
) -> pa.Table:
    rows = pa.array(bad)
    cells = {
        name: pc.utf8_slice_codeunits(plain(block[name].take(rows)), 0, MAX_NAME)
        for name in ("user_id", "time", "source", "weight", "unit")
    }
    faults, own = (block[name].take(rows).to_pylist() for name in ("fault", "detail"))
    texts = {name: cells[name].to_pylist() for name in ("unit", "weight", "time")}
    details = []
    for index, code in enumerate(reason):
        name = schema.QUARANTINE_REASONS[code]
        lacking = [what for what, rows_of in missing.items() if rows_of[bad[index]]]
        told = own[index] if faults[index] == name else None
        row = {what: column[index] for what, column in texts.items()}
        details.append(told or detail_of(name, lacking, row, dialect.date_order, rules.min_date))
    columns = {
        "reason": pa.array([schema.QUARANTINE_REASONS[code] for code in reason], pa.string()),
        "detail": pa.array(details, pa.string()),
        "file": pa.array(np.full(len(bad), file, dtype=np.int32)),
        "line": block["line"].take(rows),
    }
    return pa.table(columns | cells, schema=schema.QUARANTINE)


def required_person(name: str) -> str:
    """Return a name as a user id. Raises ConfigError if no row could have it."""
    said = encode(pa.chunked_array([[name]]))
    if not _named(said)[0]:
        raise ConfigError(
            f"{name[:60]!r} is not a user id; give one of 1 to {MAX_NAME:,} characters, without "
            "control characters, that is not a word for none, such as NULL or NA"
        )
    return name


def _named(user: Coded) -> Bools:
    """Return (N,) whether a text is a user id."""
    return ~(user.is_blank() | _say_none(user) | _no_names(user))


def _say_none(column: Coded) -> Bools:
    """Return (N,) whether a text says that there is no name."""
    said = pc.is_in(column.texts, _WORDS_FOR_NONE)
    return column.spread(said.to_numpy(zero_copy_only=False), False)


def _no_names(column: Coded) -> Bools:
    """Return (N,) whether a text cannot be a name: too long, or with control characters."""
    long = pc.greater(pc.utf8_length(column.texts), MAX_NAME)
    odd = pc.or_(long, pc.match_substring_regex(column.texts, _NO_NAME)).fill_null(False)
    return column.spread(odd.to_numpy(zero_copy_only=False), False)
