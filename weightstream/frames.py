"""`weightstream.read` and `weightstream.clean`: files and frames, without a store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.clean_inputs import overrides_from, parameters_from
from weightstream.config import Columns, Config, required_timezone
from weightstream.config_file import config_of
from weightstream.demographics import Statements
from weightstream.engine.model import Parameters
from weightstream.errors import ConfigError
from weightstream.frame_kinds import Native
from weightstream.frame_results import (
    NOT_SELECTED,
    RETRACTED,
    excluded,
    in_frame_order,
    judged,
    of_other_measures,
    quarantined,
)
from weightstream.intake import cleaning
from weightstream.intake.cleaning import Rules
from weightstream.intake.partition import Partition, plan
from weightstream.intake.selection import Selection
from weightstream.intake.sources import check_sources, dates_at_noon, files_of
from weightstream.intake.unknown_clocks import ClockTally, as_dates
from weightstream.judging.causal import Judging, judging_of
from weightstream.parsing.layouts import DateOrder
from weightstream.pipeline import Stage, check_stage, judge, map_in_order
from weightstream.readers import Dialect, ReadOptions
from weightstream.readers.assembling import Assembled, assemble
from weightstream.readers.block import raw_table
from weightstream.readers.columns import resolve
from weightstream.readers.evidence import Evidence
from weightstream.readers.parquet import texts_of
from weightstream.readers.table import SAMPLE_ROWS, table_of
from weightstream.types import Ints
from weightstream.written_records import HOW_WRITTEN, WRITTEN, written_records

WORKERS = 2
"""The number of threads that judge a frame."""
Configured = Config | Mapping[str, Any] | str | Path | None


def read(
    path: str | Path | Sequence[str | Path],
    *,
    user: str | None = None,
    unit: str | None = None,
    timezone: str | None = None,
    format: str = "auto",
    date_order: DateOrder | None = None,
    decimal_comma: bool | None = None,
    columns: Mapping[str, str] | None = None,
    config: Configured = None,
) -> pd.DataFrame:
    """Read a file, the files of a folder, or several of both, in any format of docs/formats.md.

    user, unit, timezone, date_order, decimal_comma: as the options of the command line, for what
    files do not state. columns: the name of the column of each role, as --column.
    config: see `clean`; only [data.columns] matters here.
    Returns a row per body-weight record, as written: user_id, time, source, weight, unit,
    record_id, updated, line, retracted, fault, detail, birth_date, sex, file, and HOW_WRITTEN.
    No record is judged or left out. Raises InputError if a file cannot be used.
    """
    data = _configured(config).data
    _check_order(date_order)
    options = ReadOptions(
        format,
        user,
        unit,
        timezone,
        data.columns,
        dates=date_order,
        decimal=None if decimal_comma is None else "comma" if decimal_comma else "point",
        named=columns or {},
    )
    files = files_of([str(one) for one in ([path] if isinstance(path, str | Path) else path)])
    check_sources(files, options, data)
    return pa.concat_tables([WRITTEN.empty_table(), *written_records(files, options)]).to_pandas()


def clean(
    frame: Any,
    config: Configured = None,
    *,
    stage: Stage = "retro",
    timezone: str | None = None,
    date_order: DateOrder | None = None,
    decimal_comma: bool | None = None,
    parameters: Parameters | str | Path | None = None,
    overrides: Any = None,
    keep: str | Sequence[str] = (),
) -> Any:
    """Judge every row of a frame, without a store or a server.

    frame: of pandas (named levels of the index are columns too), polars, PyArrow, or anything with
    Arrow's C interface, which comes back as a PyArrow table. Columns are found by name as in a CSV
    (docs/formats.md): user, time, weight, unit and, optionally, source; or the result of `read`.
    Any number of persons, in any order.
    config: a config.toml, or its keys as nested dicts; the defaults if not given.
    stage: "retro" judges each reading by all others of its person, "causal" by earlier ones.
    timezone: of times without an offset (IANA name). date_order: "dmy" or "mdy", for dates such as
    03/04/2024. decimal_comma: whether "80,5" is 80.5. Those not given are found from the frame.
    parameters: a set that `weightstream learn` made, or the file with it.
    overrides: reviewers' decisions: a frame, or a CSV file, with measurement_id, action (accept,
    reject), by, and optionally note.
    keep: columns of the frame to copy into the result.
    Returns frame_results.RESULT as the same kind of frame, with one row per row and the same
    index. outcome is accepted, rejected, duplicate (with the decision on the copy that stays),
    quarantined or excluded, and reason says why. Weights are in kg; effective_at is in UTC, and for
    a date alone (date_only) midnight UTC of that day.
    Raises InputError if it is not a frame or a required column is missing, ConfigError.
    """
    check_stage(stage)
    _check_order(date_order)
    native = Native(frame)
    said = {"decimal_comma": decimal_comma, "date_order": date_order}
    settings = _configured(config, timezone)
    result = _cleaned_frame(
        native.to_pandas(),
        settings,
        stage,
        said,
        parameters_from(parameters),
        overrides_from(overrides),
    )
    return native.give_back(result, keep)


def _check_order(date_order: str | None) -> None:
    """Raise ConfigError for an order of dates that does not exist."""
    orders = get_args(DateOrder)
    if date_order is not None and date_order not in orders:
        raise ConfigError(f"date_order must be one of {', '.join(orders)}, not {date_order!r}")


def _cleaned_frame(
    frame: pd.DataFrame,
    settings: Config,
    stage: Stage,
    said: Mapping[str, Any],
    parameters: Parameters,
    overrides: pa.Table | None,
) -> pa.Table:
    """Return RESULT of the rows of a frame. said: the notation of all rows, where given."""
    assembled = _assembled(frame, _options(frame, settings.data.columns))
    raw = _raw(frame, assembled)
    dialects = [
        (rows, _more_said(dialect, said), timezone)
        for rows, dialect, timezone in _dialects(frame, raw)
    ]
    measurements, about, parts = _cleaned(raw, dialects, settings)
    parts.append(of_other_measures(assembled.keep))
    judging = judging_of(settings, parameters)
    parts += _judged(measurements, about, judging, stage, overrides)
    return in_frame_order(parts, len(frame))


def _more_said(found: Dialect, said: Mapping[str, Any]) -> Dialect:
    """Return the dialect: an option takes precedence over what the frame shows."""
    given = {name: value for name, value in said.items() if value is not None}
    return replace(found, **given)


def _configured(config: Configured, timezone: str | None = None) -> Config:
    found = config_of(config)
    if timezone is None:
        return found
    data = found.data.model_copy(update={"timezone": required_timezone(timezone)})
    return found.model_copy(update={"data": data})


def _assembled(frame: pd.DataFrame, options: ReadOptions) -> Assembled:
    """Return the columns of schema.RAW that the frame has, for its weighings."""
    names = [str(name) for name in frame.columns]
    head = frame.iloc[:SAMPLE_ROWS]
    sample = [_texts(head.iloc[:, at]).to_pylist() for at in range(len(names))]
    rows = list(zip(*sample, strict=True))
    choice = resolve(table_of(_FRAME, names, rows, options, is_frame=True))
    return assemble(choice, lambda at: _texts(frame.iloc[:, at]), len(frame), options, _FRAME)


_FRAME = "the frame"


def _raw(frame: pd.DataFrame, assembled: Assembled) -> pa.Table:
    """Return schema.RAW of the weighings of a frame; `line` is the row's position from 0."""
    names = [str(name).strip().lower() for name in frame.columns]
    columns, keep = dict(assembled.columns), assembled.keep
    for field in ("fault", "detail"):
        if field in names:
            own = _texts(frame.iloc[:, names.index(field)])
            columns[field] = own if keep is None else own.filter(keep)
    if "retracted" in names:
        marks = frame.iloc[:, names.index("retracted")].eq(True).fillna(False)
        taken_back = pa.array(marks.to_numpy(bool))
        columns["retracted"] = taken_back if keep is None else taken_back.filter(keep)
    lines = pa.array(np.arange(len(frame)))
    columns["line"] = lines if keep is None else lines.filter(keep)
    return raw_table(columns, len(columns["line"]))


def _options(frame: pd.DataFrame, wanted: Columns) -> ReadOptions:
    """Return the columns of a frame from `read`, whose names are the roles."""
    if not set(HOW_WRITTEN) <= set(frame.columns):
        return ReadOptions(columns=wanted)
    roles = ("user_id", "time", "source", "weight", "unit", "record_id", "updated")
    return ReadOptions(columns=wanted, named={role: role for role in roles})


def _texts(column: "pd.Series[Any]") -> pa.StringArray:
    """Return any column as text; objects of several types are converted one by one."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return _one_by_one(column)
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return _one_by_one(column)
    mixed = column.dtype == object and pa.types.is_timestamp(array.type)
    if mixed or isinstance(array.type, pa.BaseExtensionType):  # some with a zone; such as UUIDs
        return _one_by_one(column)
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return texts_of(whole).cast(pa.string())


def _one_by_one(column: "pd.Series[Any]") -> pa.StringArray:
    values = [None if pd.api.types.is_scalar(v) and pd.isna(v) else str(v) for v in column]
    texts = [value and value.encode(errors="replace").decode() for value in values]
    return pa.array(texts, pa.string())


def _dialects(frame: pd.DataFrame, raw: pa.Table) -> list[tuple[Ints, Dialect, str | None]]:
    """Yield groups of rows with the same notation: positions, dialect and timezone."""
    if not set(HOW_WRITTEN) <= set(frame.columns):
        times, weights = raw["time"].combine_chunks(), raw["weight"].combine_chunks()
        evidence = Evidence(_FRAME, ReadOptions(), lambda: iter([(times, weights)]), refuses=False)
        return [(np.arange(len(raw)), evidence.dialect(times, weights), None)]
    ways = frame[list(HOW_WRITTEN)].astype(object).where(frame[list(HOW_WRITTEN)].notna(), None)
    codes, found = pd.factorize(pd.MultiIndex.from_frame(ways.fillna("")))
    dialects = []
    for number, (comma, order, timezone) in enumerate(found):
        rows = np.flatnonzero(codes == number)
        zone = required_timezone(timezone) if timezone else None
        decimal_comma = {"true": True, "false": False}.get(str(comma).lower())
        dialects.append((rows, Dialect(decimal_comma, order or None), zone))
    return dialects


def _cleaned(
    raw: pa.Table, dialects: list[tuple[Ints, Dialect, str | None]], settings: Config
) -> tuple[pa.Table, dict[str, pa.Table], list[pa.Table]]:
    """Return schema.MEASUREMENT of rows that count, what else a Partition holds about their
    persons, and ROWS of the rest."""
    data = settings.data
    rules = Rules(datetime.now(UTC), data.timezone, data.min_date)
    selection = Selection(data)
    kept, others = [schema.MEASUREMENT.empty_table()], []
    retractions, stated = [schema.RETRACTION.empty_table()], Statements()
    for rows, dialect, timezone in dialects:
        zone = timezone or rules.timezone
        block = raw if len(rows) == len(raw) else raw.take(pa.array(rows))
        cleaned = cleaning.clean(block, replace(rules, timezone=zone), 0, dialect)
        measurements = cleaned.measurements
        if zone != rules.timezone:
            measurements = dates_at_noon(measurements, rules.timezone)
        chosen, _ = selection.of_rows(measurements)
        others += [quarantined(cleaned), excluded(cleaned.retractions, RETRACTED)]
        retractions.append(cleaned.retractions)
        stated.append(cleaned.demographics)
        others.append(excluded(_without(measurements, chosen), NOT_SELECTED))
        kept.append(chosen)
    selection.end_of_source(usable=True)
    inside, outside = selection.of_persons(pa.concat_tables(kept).unify_dictionaries())
    clocks = ClockTally()
    clocks.add(inside, rules.timezone)
    inside, _ = as_dates(inside, clocks, rules.timezone)
    others.append(excluded(outside, NOT_SELECTED))
    about = {"retractions": pa.concat_tables(retractions), "demographics": stated.merged()}
    return inside.combine_chunks(), about, others


def _without(table: pa.Table, chosen: pa.Table) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["line"], chosen["line"].combine_chunks())))


def _judged(
    measurements: pa.Table,
    about: Mapping[str, pa.Table],
    judging: Judging,
    stage: Stage,
    overrides: pa.Table | None,
) -> Iterator[pa.Table]:
    """Return ROWS of measurements: accepted, rejected, duplicate, or too few to judge."""
    if not len(measurements):
        return
    batches = [replace(one, **about) for one in plan(measurements, WORKERS, 0)]

    def judge_one(batch: Partition) -> pa.Table:
        return judged(judge(batch, judging, stage, overrides).rows, overrides)

    yield from map_in_order(judge_one, batches, WORKERS)
