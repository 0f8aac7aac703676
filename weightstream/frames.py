"""Files and pandas frames without a store: what `weightstream.read` and `weightstream.clean` do."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.config import Columns, Config, from_values, load, required_timezone
from weightstream.engine.model import PRIOR
from weightstream.errors import ConfigError, InputError
from weightstream.intake import cleaning
from weightstream.intake.cleaning import Cleaned, Rules
from weightstream.intake.partition import plan
from weightstream.intake.selection import Selection
from weightstream.intake.sources import check_sources, dates_at_noon, files_of
from weightstream.judging.causal import judging_of
from weightstream.judging.decisions import CAUSAL, RETRO
from weightstream.judging.explanation import EXPLAINED_BY, explain_rows
from weightstream.outputs.exports.decisions import NUMBERS
from weightstream.parsing.times import order_evidence
from weightstream.pipeline import Stage, judge, map_in_order
from weightstream.readers import Dialect, ReadOptions, parses
from weightstream.readers.block import raw_table
from weightstream.readers.delimited import (
    FIELDS,
    REQUIRED,
    match_columns,
    repeated_names,
    unit_in_name,
)
from weightstream.readers.parquet import texts_of
from weightstream.types import Ints

NOT_SELECTED = "not_selected"
RETRACTED = "retracted"
BELOW_MIN_READINGS = "below_min_readings"
WORKERS = 2
"""Threads that judge a frame."""
MEASURED = ("effective_at", "raw_weight", "raw_unit", "weight_kg")
HOW_WRITTEN = ("decimal_comma", "date_order", "timezone")
"""Columns of `read` that say how the texts beside them are to be taken; `clean` minds them."""

RESULT = (
    "outcome",
    "measurement_id",
    "user_id",
    "effective_at",
    "source",
    "raw_weight",
    "raw_unit",
    "weight_kg",
    "verdict",
    "reason",
    "explanation",
    "detail",
    "p_reason",
    "p_valid",
    "expected_kg",
    "expected_lo_kg",
    "expected_hi_kg",
    "level_kg",
    "level_lo_kg",
    "level_hi_kg",
    "trend_kg_per_week",
    "change_28d_kg",
    "change_28d_lo_kg",
    "change_28d_hi_kg",
    "suggested_kg",
    "stage",
    "model",
)
"""Columns of what `clean` gives back; those of the export, but for what names run and file."""

Configured = Mapping[str, Any] | str | Path | None


def read(
    path: str | Path,
    *,
    user: str | None = None,
    unit: str | None = None,
    timezone: str | None = None,
    format: str = "auto",
    config: Configured = None,
) -> pd.DataFrame:
    """Read a file, or the files of a folder, in any format of docs/formats.md.

    user, unit, timezone: as the options of `weightstream ingest`, for formats that don't say.
    config: see `clean`; only [data.columns] matters here.
    Returns a row per body-weight record, as written: user_id, time, source, weight, unit,
    record_id, updated, line, retracted, fault, detail, file, and HOW_WRITTEN. Nothing is judged,
    nothing left out. Raises InputError if a file cannot be used.
    """
    data = _configured(config).data
    options = ReadOptions(format, user, unit, timezone, data.columns)
    files = files_of([str(path)])
    check_sources(files, options, data)
    tables = [table for file in files for table in _as_written(file, options)]
    frame = pa.concat_tables([*tables, _written_schema().empty_table()]).to_pandas()
    return frame.reset_index(drop=True)


def clean(
    frame: pd.DataFrame, config: Configured = None, *, stage: Stage = "retro"
) -> pd.DataFrame:
    """Judge every row of a frame; without a store and without a server.

    frame: columns found by name as in a CSV (docs/formats.md): user, time, weight, unit and, if
    there is one, source; or what `read` gave. Any number of persons, in any order.
    config: a config.toml, or its keys as nested dicts; the defaults if not given.
    stage: "retro" judges each reading by all others of its person, "causal" by earlier ones.
    Returns RESULT, one row per row of the frame under the same index: outcome is accepted,
    rejected, duplicate (with the decision on the copy that stays), quarantined or excluded, and
    reason says why. Weights in kg; effective_at in UTC, or the day alone.
    Raises InputError if a needed column is missing, ConfigError.
    """
    if stage not in (CAUSAL, RETRO):
        raise ConfigError(f"stage is {CAUSAL} or {RETRO}, not {stage!r}")
    settings = _configured(config)
    raw = _raw(frame, settings.data.columns)
    measurements, retractions, parts = _cleaned(raw, _dialects(frame, raw), settings)
    parts += _judged(measurements, retractions, settings, stage)
    result = pd.concat([_typed(part) for part in parts]).reindex(range(len(frame)))
    return result.set_axis(frame.index, axis="index")


def _configured(config: Configured) -> Config:
    if config is None:
        return Config()
    if isinstance(config, Mapping):
        return from_values(config)
    return load(Path(config)).config


def _as_written(file: Path, options: ReadOptions) -> Iterator[pa.Table]:
    for parse in parses(file, options):
        block = parse()
        count = len(block.rows)
        texts = [column.cast(_plain(column.type)) for column in block.rows.columns]
        statements = (block.dialect.decimal_comma, block.dialect.date_order, options.timezone)
        kinds = _written_schema().types[-len(statements) :]
        ways = [pa.repeat(pa.scalar(*one), count) for one in zip(statements, kinds, strict=True)]
        file_name = pa.repeat(pa.scalar(str(file)), count)
        yield pa.table([*texts, file_name, *ways], schema=_written_schema())


def _written_schema() -> pa.Schema:
    fields = [(field.name, _plain(field.type)) for field in schema.RAW]
    ways = zip(HOW_WRITTEN, (pa.bool_(), pa.string(), pa.string()), strict=True)
    return pa.schema([*fields, ("file", pa.string()), *ways])


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == schema.CODE else kind


def _raw(frame: pd.DataFrame, wanted: Columns) -> pa.Table:
    """schema.RAW of the frame, whose `line` is the row's position from 0."""
    names = [str(name).strip().lower() for name in frame.columns]
    own = {field: (field, *getattr(wanted, field)) for field in FIELDS}
    found = match_columns(names, wanted.model_copy(update=own))
    if repeated := repeated_names(names, found):
        raise InputError(f"the frame has several columns called {repeated[0]!r}; leave one of them")
    columns = {field: _texts(frame.iloc[:, at]) for field, at in found.items()}
    stated = unit_in_name(names[found["weight"]])[1] if "weight" in found else None
    if "unit" not in columns and stated:
        columns["unit"] = pa.repeat(pa.scalar(stated), len(frame))
    missing = [word for field, word in REQUIRED.items() if field not in columns]
    if missing:
        raise InputError(
            f"the frame has no column for {' and '.join(missing)}; name them user_id, time, weight"
            " and unit (or weight_kg, which states its unit)"
        )
    for field in ("fault", "detail"):
        if field in names:
            columns[field] = _texts(frame.iloc[:, names.index(field)])
    if "retracted" in names:
        taken_back = frame.iloc[:, names.index("retracted")]
        columns["retracted"] = pa.array(taken_back.eq(True).to_numpy(bool))
    columns["line"] = pa.array(np.arange(len(frame)))
    return raw_table(columns, len(frame))


def _texts(column: "pd.Series[Any]") -> pa.StringArray:
    """Any column as text; objects of several types one by one."""
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return _one_by_one(column)
    if column.dtype == object and pa.types.is_timestamp(array.type):
        return _one_by_one(column)  # some may have a zone and others none
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return texts_of(whole).cast(pa.string())


def _one_by_one(column: "pd.Series[Any]") -> pa.StringArray:
    values = [None if pd.api.types.is_scalar(v) and pd.isna(v) else str(v) for v in column]
    texts = [value and value.encode(errors="replace").decode() for value in values]
    return pa.array(texts, pa.string())


def _dialects(frame: pd.DataFrame, raw: pa.Table) -> list[tuple[Ints, Dialect, str | None]]:
    """Rows that are written in one way: their positions, that way, and their timezone."""
    if not set(HOW_WRITTEN) <= set(frame.columns):
        evidence = order_evidence(raw["time"].combine_chunks())
        proven = evidence & {"dmy", "mdy"}
        order: Any = proven.pop() if len(proven) == 1 else None
        return [(np.arange(len(frame)), Dialect(date_order=order), None)]
    ways = frame[list(HOW_WRITTEN)].astype(object).where(frame[list(HOW_WRITTEN)].notna(), None)
    codes, found = pd.factorize(pd.MultiIndex.from_frame(ways.fillna("")))
    dialects = []
    for number, (comma, order, timezone) in enumerate(found):
        rows = np.flatnonzero(codes == number)
        zone = required_timezone(timezone) if timezone else None
        dialects.append((rows, Dialect(str(comma).lower() == "true", order or None), zone))
    return dialects


def _cleaned(
    raw: pa.Table, dialects: list[tuple[Ints, Dialect, str | None]], settings: Config
) -> tuple[pa.Table, pa.Table, list[pd.DataFrame]]:
    """schema.MEASUREMENT of the rows that count, schema.RETRACTION, and the lines of RESULT of all
    that do not count."""
    data = settings.data
    rules = Rules(datetime.now(UTC), data.timezone, data.min_date)
    selection = Selection(data)
    kept, others = [schema.MEASUREMENT.empty_table()], []
    retractions = [schema.RETRACTION.empty_table()]
    for rows, dialect, timezone in dialects:
        zone = timezone or rules.timezone
        block = raw if len(rows) == len(raw) else raw.take(pa.array(rows))
        cleaned = cleaning.clean(block, replace(rules, timezone=zone), 0, dialect)
        measurements = cleaned.measurements
        if zone != rules.timezone:
            measurements = dates_at_noon(measurements, rules.timezone)
        chosen, _ = selection.of_rows(measurements)
        others += [_quarantined(cleaned), _excluded(cleaned.retractions, RETRACTED)]
        retractions.append(cleaned.retractions)
        others.append(_excluded(_without(measurements, chosen), NOT_SELECTED))
        kept.append(chosen)
    selection.end_of_source(usable=True)
    inside, outside = selection.of_persons(pa.concat_tables(kept).unify_dictionaries())
    others.append(_excluded(outside, NOT_SELECTED))
    return inside.combine_chunks(), pa.concat_tables(retractions), others


def _without(table: pa.Table, chosen: pa.Table) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["line"], chosen["line"].combine_chunks())))


def _quarantined(cleaned: Cleaned) -> pd.DataFrame:
    rows = cleaned.quarantine
    statements = rows.select(["user_id", "source", "reason", "detail"]).to_pandas()
    statements["raw_weight"], statements["raw_unit"] = (
        rows[name].to_pandas() for name in ("weight", "unit")
    )
    return _lines(rows, statements.assign(outcome="quarantined"))


def _excluded(rows: pa.Table, reason: str) -> pd.DataFrame:
    names = [name for name in (*MEASURED, "user_id", "source") if name in rows.column_names]
    return _lines(rows, _plain_frame(rows.select(names)).assign(outcome="excluded", reason=reason))


def _lines(rows: pa.Table, columns: pd.DataFrame) -> pd.DataFrame:
    """Lines of RESULT under the position of their row."""
    return columns.reindex(columns=list(RESULT)).set_axis(rows["line"].to_numpy(), axis="index")


def _typed(lines: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64, texts as objects, with None where there is none."""
    kinds = {name: "float64" if name in NUMBERS else "object" for name in RESULT}
    typed = lines.astype(kinds)
    texts = [name for name in RESULT if name not in NUMBERS]
    typed[texts] = typed[texts].where(typed[texts].notna(), None)
    return typed


def _plain_frame(rows: pa.Table) -> pd.DataFrame:
    """Texts as such: pandas' categories do not join."""
    return rows.cast(pa.schema([(f.name, _plain(f.type)) for f in rows.schema])).to_pandas()


def _judged(
    measurements: pa.Table, retractions: pa.Table, settings: Config, stage: Stage
) -> Iterator[pd.DataFrame]:
    """The lines of RESULT of measurements: accepted, rejected, duplicate, or too few to judge."""
    if not len(measurements):
        return
    judging = judging_of(settings, PRIOR)
    batches = [replace(one, retractions=retractions) for one in plan(measurements, WORKERS, 0)]
    judge_one = partial(judge, judging=judging, stage=stage)
    for batch in map_in_order(judge_one, batches, WORKERS):
        rows = _plain_frame(batch.rows)
        of_rejected = np.flatnonzero(rows["verdict"] == "rejected")
        why = explain_rows({name: rows[name].to_list() for name in EXPLAINED_BY}, of_rejected)
        rows["explanation"] = pd.Series(why, index=of_rejected, dtype=object)
        rows.loc[rows["outcome"] == "excluded", "reason"] = BELOW_MIN_READINGS
        yield _lines(batch.rows, rows)
