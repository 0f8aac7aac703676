"""From raw rows to measurements: every row becomes one, or goes to quarantine with a reason."""

from collections import deque
from collections.abc import Iterator
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
from weightstream.decimals import parse_amounts
from weightstream.readers import NO_DIALECT, Dialect, Parse, ReadOptions, parses
from weightstream.times import Times, parse_times, utc_text
from weightstream.units import CODES, measures_something_else, parse_units, required_unit

MAX_NAME = 1000
"""Characters of a user id or source; what is longer is no name. Quarantined cells are cut there."""
FUTURE = timedelta(hours=24)

_NO_NAME = r"[\x00-\x1f]"
_EPOCH_DAY = date(1970, 1, 1)
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Rules:
    """What cleaning has to know. started: aware; the run's start, never "now"."""

    started: datetime
    timezone: str = "UTC"
    min_date: date = date(1900, 1, 1)


@dataclass(frozen=True)
class Cleaned:
    """measurements: schema.MEASUREMENT; quarantine: schema.QUARANTINE; both in input order.

    retractions: schema.RETRACTION, records that their source took back; they count as rows.
    skipped: records of other kinds, which count as no row.
    """

    measurements: pa.Table
    quarantine: pa.Table
    retractions: pa.Table = field(default_factory=schema.RETRACTION.empty_table)
    skipped: int = 0

    @property
    def rows(self) -> int:
        return len(self.measurements) + len(self.quarantine) + len(self.retractions)


@dataclass(frozen=True)
class _Column:
    """N cells as codes into V distinct texts. missing: (V+1,) bool; the last is for code -1."""

    codes: Codes
    texts: pa.StringArray
    missing: Bools

    def is_missing(self) -> Bools:
        return self.missing[self.codes]

    def at(self, rows: Any) -> pa.StringArray:
        return self.texts.take(pa.array(self.codes[rows], mask=self.codes[rows] < 0))


def read_clean(
    path: Path, options: ReadOptions, rules: Rules, file: int, threads: int = 2
) -> Iterator[Cleaned]:
    """Read and clean a file block by block, in its order; at most threads + 1 blocks are held.

    threads: how many blocks are parsed and cleaned at a time; 1 uses no other thread.
    Raises InputError, at any block, when the file cannot be used; then nothing of it counts.
    """
    if options.unit is not None:
        required_unit(options.unit)
    if options.timezone is not None:
        rules = replace(rules, timezone=options.timezone)
    work = (partial(_clean_parsed, parse, rules, file) for parse in parses(path, options))
    if threads == 1:
        yield from (one() for one in work)
        return
    pending: deque[Future[Cleaned]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="clean") as pool:
        try:
            for one in work:
                pending.append(pool.submit(one))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _clean_parsed(parse: Parse, rules: Rules, file: int) -> Cleaned:
    block = parse()
    return replace(clean(block.rows, rules, file, block.dialect), skipped=block.skipped)


def clean(block: pa.Table, rules: Rules, file: int, dialect: Dialect = NO_DIALECT) -> Cleaned:
    """Judge the form of N raw rows: units, numbers, times.

    block: schema.RAW (plain strings will do); each row ends in exactly one of the tables.
    The reason is the first of schema.QUARANTINE_REASONS that fits, the reader's own fault among
    them.
    """
    block, retractions = _without_retracted(block.combine_chunks(), rules, file)
    user, source, weight, unit = (
        _column(block[name]) for name in ("user_id", "source", "weight", "unit")
    )
    time = _plain(block["time"])
    units = parse_units([text or "" for text in unit.texts.to_pylist()])
    amounts = parse_amounts(weight.texts, dialect.decimal_comma)
    times = parse_times(time, rules.timezone, dialect.date_order)
    with np.errstate(over="ignore"):
        kg = _take(amounts.value, weight.codes, np.nan) * _take(units.multiplier, unit.codes, 1.0)
    kg /= _take(units.divisor, unit.codes, 1.0)
    missing = {
        "user": user.is_missing() | _no_names(user),
        # Of a record without time a reader may know more, and says so as its fault.
        "time": _blank(time) & block["fault"].is_null().to_numpy(),
        "weight": weight.is_missing(),
        "unit": unit.is_missing(),
        "source that can be kept": _no_names(source),
    }
    latest = int((rules.started + FUTURE).timestamp() * 1e6)
    reason = _first_reason(
        block["fault"],
        [
            np.logical_or.reduce(list(missing.values())),
            _take(units.not_body_weight, unit.codes, False),
            _take(units.code, unit.codes, -1) < 0,
            ~(np.isfinite(kg) & (kg > 0)),
            times.bad,
            times.day < (rules.min_date - _EPOCH_DAY).days,
            times.us > latest,
        ],
    )
    kept = np.flatnonzero(reason < 0)
    measured = _measurements(
        block,
        file,
        kept,
        kg,
        times,
        (user, source, weight, unit),
        amounts.amount,
        units.code,
        rules,
    )
    bad = np.flatnonzero(reason >= 0)
    quarantined = _quarantine(block, file, bad, reason[bad], missing, rules)
    return Cleaned(measured, quarantined, retractions)


def _without_retracted(block: pa.Table, rules: Rules, file: int) -> tuple[pa.Table, pa.Table]:
    """The rows that stand, and schema.RETRACTION of the others."""
    if "retracted" not in block.column_names or not pc.any(block["retracted"]).as_py():
        return block, schema.RETRACTION.empty_table()
    taken_back = block["retracted"].fill_null(False)
    rows = block.filter(taken_back)
    columns = {name: _plain(rows[name]) for name in ("user_id", "source", "record_id")}
    columns["updated"] = _updated(rows["updated"], rows["record_id"], rules)
    columns |= {"file": pa.repeat(pa.scalar(file, pa.int32()), len(rows)), "line": rows["line"]}
    retractions = pa.table(columns, schema=schema.RETRACTION)
    return block.filter(pc.invert(taken_back)).combine_chunks(), retractions


def _first_reason(fault: pa.ChunkedArray, found: list[Bools]) -> npt.NDArray[np.int8]:
    """(N,) index into QUARANTINE_REASONS, -1 for none."""
    reason = np.full(len(fault), -1, dtype=np.int8)
    for index in reversed(range(len(found))):
        reason[found[index]] = index
    if fault.null_count < len(fault):
        own = pc.index_in(fault, pa.array(schema.QUARANTINE_REASONS)).fill_null(-1).to_numpy()
        first = np.where(reason >= 0, np.minimum(own, reason), own)
        reason = np.where(own >= 0, first, reason).astype(np.int8)
    return reason


def _measurements(
    block: pa.Table,
    file: int,
    kept: npt.NDArray[np.int64],
    kg: npt.NDArray[np.float64],
    times: Times,
    cells: tuple[_Column, _Column, _Column, _Column],
    amount: pa.StringArray,
    unit_code: Codes,
    rules: Rules,
) -> pa.Table:
    user, source, weight, unit = cells
    everything = len(kept) == len(kg)
    rows = pa.array(kept)

    def chosen(column: Any) -> Any:
        return column if everything else column.take(rows)

    weight_rows = pa.array(weight.codes[kept])
    columns = {
        "user_id": _coded(user.codes[kept], user.texts),
        "source": _source_codes(source, kept),
        "time_us": pa.array(times.us[kept]),
        "effective_at": chosen(times.effective_at),
        "wall": chosen(times.wall),
        "hour": pa.array(times.hour[kept]),
        "weight_kg": pa.array(kg[kept]),
        "amount": amount.take(weight_rows),
        "unit": _coded(unit_code[unit.codes[kept]], pa.array(CODES)),
        "raw_weight": weight.texts.take(weight_rows),
        "raw_unit": _coded(unit.codes[kept], unit.texts),
        "raw_time": chosen(block["time"]),
        "record_id": chosen(block["record_id"]),
        "updated": _updated(chosen(block["updated"]), chosen(block["record_id"]), rules),
        "file": pa.array(np.full(len(kept), file, dtype=np.int32)),
        "line": chosen(block["line"]),
    }
    return pa.table(columns, schema=schema.MEASUREMENT)


def _updated(texts: pa.ChunkedArray, record_id: pa.ChunkedArray, rules: Rules) -> pa.ChunkedArray:
    """UTC with microseconds, so that texts compare as times do; null where it serves no purpose."""
    if texts.null_count == len(texts) or record_id.null_count == len(record_id):
        return pa.nulls(len(texts), pa.string())
    times = parse_times(_plain(texts), rules.timezone, None)
    fraction = pc.utf8_lpad(pa.array(times.us % 1_000_000).cast(pa.string()), 6, "0")
    seconds = pc.utf8_slice_codeunits(utc_text(times.us), 0, 19)
    text = pc.binary_join_element_wise(seconds, ".", fraction, "Z", "")
    return pc.if_else(pa.array(times.bad), None, text)


def _source_codes(source: _Column, kept: npt.NDArray[np.int64]) -> pa.DictionaryArray:
    """Sources of the kept rows; an empty one is "unknown"."""
    absent = pa.array(source.missing[:-1])
    texts = pa.concat_arrays([pc.if_else(absent, "unknown", source.texts), pa.array(["unknown"])])
    codes = np.where(source.codes < 0, len(texts) - 1, source.codes)
    names = texts.dictionary_encode()  # a source that is called "unknown" is the same
    return _coded(names.indices.to_numpy()[codes[kept]], names.dictionary)


def _quarantine(
    block: pa.Table,
    file: int,
    bad: npt.NDArray[np.int64],
    reason: npt.NDArray[np.int8],
    missing: dict[str, Bools],
    rules: Rules,
) -> pa.Table:
    rows = pa.array(bad)
    cells = {
        name: pc.utf8_slice_codeunits(_plain(block[name].take(rows)), 0, MAX_NAME)
        for name in ("user_id", "time", "source", "weight", "unit")
    }
    faults, own = (block[name].take(rows).to_pylist() for name in ("fault", "detail"))
    units, weights, times = (cells[name].to_pylist() for name in ("unit", "weight", "time"))
    details = []
    for index, code in enumerate(reason):
        name = schema.QUARANTINE_REASONS[code]
        lacking = [what for what, rows_of in missing.items() if rows_of[bad[index]]]
        told = own[index] if faults[index] == name else None
        details.append(
            told or _detail(name, lacking, units[index], weights[index], times[index], rules)
        )
    columns = {
        "reason": pa.array([schema.QUARANTINE_REASONS[code] for code in reason], pa.string()),
        "detail": pa.array(details, pa.string()),
        "file": pa.array(np.full(len(bad), file, dtype=np.int32)),
        "line": block["line"].take(rows),
    }
    return pa.table(columns | cells, schema=schema.QUARANTINE)


def _detail(
    reason: str,
    lacking: list[str],
    unit: str | None,
    weight: str | None,
    time: str | None,
    rules: Rules,
) -> str:
    """One sentence on a row; it depends on the row and the configuration only."""
    match reason:
        case "missing_field":
            return f"the row has no {' and no '.join(lacking)}"
        case "not_body_weight" if unit and measures_something_else(unit):
            return f"{_quoted(unit)} is the unit of a body mass index or a body surface"
        case "unknown_unit":
            return f"{_quoted(unit)} is no unit of weight that is known"
        case "bad_number":
            return f"{_quoted(weight)} is no positive number"
        case "bad_timestamp":
            return f"{_quoted(time)} is no time that can be read without doubt"
        case "too_old":
            return f"{_quoted(time)} is before {rules.min_date}"
        case "future_timestamp":
            return f"{_quoted(time)} is more than 24 hours after the start of the run"
    return "the record is not a weighing"


def _quoted(cell: str | None) -> str:
    return repr(cell if cell is None or len(cell) <= 60 else cell[:60] + "…")


def _column(cells: pa.ChunkedArray) -> _Column:
    """Encode a column by its distinct texts, without spaces around them."""
    array = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy().astype(np.int32, copy=False)
    texts = pc.utf8_trim_whitespace(coded.dictionary.cast(pa.string()))
    if not texts.equals(coded.dictionary):
        merged = texts.dictionary_encode()
        codes = _take(merged.indices.fill_null(-1).to_numpy(), codes, -1)
        texts = merged.dictionary
    missing = _blank(texts)
    return _Column(codes, texts, np.append(missing, True))


def _blank(texts: pa.StringArray) -> Bools:
    """(N,) whether there is no text, or the word NULL."""
    short = pc.less_equal(pc.binary_length(texts), 4)
    padded = pc.or_(pc.starts_with(texts, " "), pc.starts_with(texts, "\t"))
    if not pc.any(pc.or_(short, padded).fill_null(True)).as_py():
        return np.zeros(len(texts), dtype=bool)
    word = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    return pc.is_in(word, pa.array(["", "null", None])).to_numpy(zero_copy_only=False)


def _no_names(column: _Column) -> Bools:
    """(N,) whether the text is no name: too long, or with control characters."""
    long = pc.greater(pc.utf8_length(column.texts), MAX_NAME)
    odd = pc.or_(long, pc.match_substring_regex(column.texts, _NO_NAME)).fill_null(False)
    return _take(odd.to_numpy(zero_copy_only=False), column.codes, False)


def _plain(texts: pa.ChunkedArray) -> pa.StringArray:
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return array.cast(pa.string())


def _coded(codes: Codes, texts: pa.StringArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), texts)


def _take(values: npt.NDArray[Any], codes: Codes, default: Any) -> npt.NDArray[Any]:
    """(N,) values[codes], with `default` at -1."""
    return np.append(values, np.array([default], dtype=values.dtype))[codes]
