"""Files and pandas frames without a store: what `weightstream.read` and `weightstream.clean` do."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.batch import Ints
from weightstream.config import Columns, Config, from_values, load, required_timezone
from weightstream.engine import filter_batch, smooth_batch
from weightstream.engine.model import PRIOR
from weightstream.errors import ConfigError
from weightstream.intake import cleaning
from weightstream.intake.cleaning import Cleaned, Rules
from weightstream.intake.identity import deduplicate, measurement_ids
from weightstream.intake.layouts import DateOrder
from weightstream.intake.selection import Selection
from weightstream.intake.sources import check_sources, dates_at_noon, files_of
from weightstream.intake.unknown_clocks import ClockTally, as_dates
from weightstream.judging.causal import Judging
from weightstream.judging.decisions import CAUSAL, RETRO, decision_columns
from weightstream.judging.explanation import EXPLAINED_BY, explain_rows
from weightstream.judging.record_links import statements_of
from weightstream.judging.record_statements import RECORD_STATEMENTS, links, superseded_rows
from weightstream.judging.series import NO_ANNOTATIONS, Annotations, by_person, join
from weightstream.outputs.exports.decisions import NUMBERS
from weightstream.readers import Dialect, ReadOptions, parses
from weightstream.readers.assembling import Assembled, assemble
from weightstream.readers.block import raw_table
from weightstream.readers.columns import resolve
from weightstream.readers.evidence import Evidence
from weightstream.readers.parquet import texts_of
from weightstream.readers.table import SAMPLE_ROWS, table_of
from weightstream.store import queries

NOT_SELECTED = "not_selected"
RETRACTED = "retracted"
BELOW_MIN_READINGS = "below_min_readings"
OTHER_MEASURE = "other_measure"
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
    "p_valid",
    "expected_kg",
    "expected_lo_kg",
    "expected_hi_kg",
    "level_kg",
    "level_lo_kg",
    "level_hi_kg",
    "trend_kg_per_week",
    "suggested_kg",
    "stage",
    "model",
)
"""Columns of what `clean` gives back; those of the export, but for what names run and file."""

Configured = Mapping[str, Any] | str | Path | None
Bools = npt.NDArray[np.bool_]


def read(
    path: str | Path,
    *,
    user: str | None = None,
    unit: str | None = None,
    timezone: str | None = None,
    format: str = "auto",
    dates: DateOrder | None = None,
    decimal: Literal["comma", "point"] | None = None,
    columns: Mapping[str, str] | None = None,
    config: Configured = None,
) -> pd.DataFrame:
    """Read a file, or the files of a folder, in any format of docs/formats.md.

    user, unit, timezone, dates, decimal: as the options of `weightstream ingest`, for what files do
    not say. columns: the name of the column of each role, as --column.
    config: see `clean`; only [data.columns] matters here.
    Returns a row per body-weight record, as written: user_id, time, source, weight, unit,
    record_id, updated, line, retracted, fault, detail, birth_date, sex, file, and HOW_WRITTEN.
    Nothing is judged, nothing left out. Raises InputError if a file cannot be used.
    """
    data = _configured(config).data
    options = ReadOptions(
        format,
        user,
        unit,
        timezone,
        data.columns,
        dates=dates,
        decimal=decimal,
        named=columns or {},
    )
    files = files_of([str(path)])
    check_sources(files, options, data)
    tables = [table for file in files for table in _as_written(file, options)]
    frame = pa.concat_tables([*tables, _written_schema().empty_table()]).to_pandas()
    return frame.reset_index(drop=True)


def clean(
    frame: pd.DataFrame, config: Configured = None, *, stage: Literal["retro", "causal"] = "retro"
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
    assembled = _assembled(frame, _options(frame, settings.data.columns))
    raw = _raw(frame, assembled)
    measurements, retractions, parts = _cleaned(raw, _dialects(frame, raw), settings)
    parts.append(_of_other_measures(assembled))
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


def _assembled(frame: pd.DataFrame, options: ReadOptions) -> Assembled:
    """The columns of schema.RAW that the frame has, those of weighings."""
    names = [str(name) for name in frame.columns]
    head = frame.iloc[:SAMPLE_ROWS]
    sample = [_texts(head.iloc[:, at]).to_pylist() for at in range(len(names))]
    rows = list(zip(*sample, strict=True))
    choice = resolve(table_of(_FRAME, names, rows, options, is_frame=True))
    return assemble(choice, lambda at: _texts(frame.iloc[:, at]), len(frame), options, _FRAME)


_FRAME = "the frame"


def _raw(frame: pd.DataFrame, assembled: Assembled) -> pa.Table:
    """schema.RAW of the weighings of a frame; `line` is the row's position from 0."""
    names = [str(name).strip().lower() for name in frame.columns]
    columns, keep = dict(assembled.columns), assembled.keep
    for field in ("fault", "detail"):
        if field in names:
            own = _texts(frame.iloc[:, names.index(field)])
            columns[field] = own if keep is None else own.filter(keep)
    if "retracted" in names:
        taken_back = pa.array(frame.iloc[:, names.index("retracted")].eq(True).to_numpy(bool))
        columns["retracted"] = taken_back if keep is None else taken_back.filter(keep)
    lines = pa.array(np.arange(len(frame)))
    columns["line"] = lines if keep is None else lines.filter(keep)
    return raw_table(columns, len(columns["line"]))


def _of_other_measures(assembled: Assembled) -> pd.DataFrame:
    """The lines of RESULT of rows that are no weighings, as a long table has them."""
    kept = assembled.keep
    none = np.zeros(0, dtype=np.int64)
    others = none if kept is None else np.flatnonzero(~kept.to_numpy(zero_copy_only=False))
    columns = {"outcome": "excluded", "reason": OTHER_MEASURE}
    return pd.DataFrame(columns, index=pd.Index(others)).reindex(columns=list(RESULT))


def _options(frame: pd.DataFrame, wanted: Columns) -> ReadOptions:
    """Of a frame that `read` gave, each column holds what it is called after."""
    if not set(HOW_WRITTEN) <= set(frame.columns):
        return ReadOptions(columns=wanted)
    roles = ("user_id", "time", "source", "weight", "unit", "record_id", "updated")
    return ReadOptions(columns=wanted, named={role: role for role in roles})


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
    clocks = ClockTally()
    clocks.add(inside, rules.timezone)
    inside, _ = as_dates(inside, clocks, rules.timezone)
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
    measurements: pa.Table, retractions: pa.Table, settings: Config, stage: str
) -> list[pd.DataFrame]:
    """The lines of RESULT of measurements: accepted, rejected, duplicate, or too few to judge."""
    ids = measurement_ids(measurements)
    one_each = deduplicate(measurements, ids)
    new = one_each.measurements.append_column("measurement_id", one_each.ids)
    persons = new["user_id"].cast(pa.string()).combine_chunks().dictionary_encode().indices
    readings = np.bincount(persons.to_numpy())[persons.to_numpy()]
    statements = pa.concat_tables(
        [links(new), statements_of(one_each.copies, retractions).select(RECORD_STATEMENTS)]
    )
    annotations = replace(NO_ANNOTATIONS, superseded=superseded_rows(statements))
    decisions = _decisions(
        new, readings >= settings.data.min_readings, annotations, settings, stage
    )

    rows = _plain_frame(measurements.select([*MEASURED, "user_id", "source"]))
    stays = np.isin(measurements["line"].to_numpy(), new["line"].to_numpy())
    decided = decisions.reindex(pd.Index(ids.to_pylist(), dtype=object)).reset_index(drop=True)
    rows = pd.concat([rows, decided], axis="columns").assign(measurement_id=ids.to_pylist())
    undecided = rows["verdict"].isna().to_numpy()
    rows["outcome"] = np.select([undecided, ~stays], ["excluded", "duplicate"], rows["verdict"])
    rows.loc[undecided, "reason"] = BELOW_MIN_READINGS
    return [_lines(measurements, rows)]


def _decisions(
    new: pa.Table, enough: Bools, annotations: Annotations, settings: Config, stage: str
) -> pd.DataFrame:
    """The decisions on measurements, under their ids."""
    data = settings.data
    judging = Judging(settings.kalman, settings.sources, PRIOR, data.timezone, data.min_readings)
    series = join(new, enough, queries.HISTORY.empty_table(), data.timezone)
    all_of = annotations.arranged(series, by_person(series["user_id"])[0])
    batch = all_of.batch()
    model = judging.model(batch.sources)
    judged = (
        smooth_batch(batch, model)
        if stage == RETRO
        else filter_batch(batch, model, engine=settings.kalman.engine)
    )
    statements = decision_columns(all_of, all_of.judged(judged), stage, PRIOR.name)
    decisions = pd.DataFrame({name: _values(column) for name, column in statements.items()})
    for name in ("expected", "level"):
        middle, margin = decisions[f"{name}_kg"], decisions.pop(f"{name}_margin_kg")
        decisions[f"{name}_lo_kg"], decisions[f"{name}_hi_kg"] = middle - margin, middle + margin
    of_rejected = np.flatnonzero(decisions["verdict"] == "rejected")
    columns = decisions.assign(weight_kg=series["weight_kg"].to_numpy())
    why = explain_rows({name: columns[name].to_list() for name in EXPLAINED_BY}, of_rejected)
    decisions["explanation"] = pd.Series(why, index=of_rejected, dtype=object)
    return decisions.drop(columns=["user_id", "effective_at"]).set_index("measurement_id")


def _values(column: Any) -> Any:
    return column.to_pandas() if isinstance(column, pa.Array) else column
