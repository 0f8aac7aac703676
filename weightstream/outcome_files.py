"""Outcomes of a study from files: what `weightstream outcomes` does."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.clean_files import CleanJob, clean_files
from weightstream.cleaned import NEEDED, judged_of
from weightstream.errors import ConfigError, InputError
from weightstream.multiverse import DRAW, OWN, all_outcomes, cohort
from weightstream.outcome_rows import OUTCOMES
from weightstream.outputs.exports.judged import JUDGED
from weightstream.outputs.exports.table_files import write_tables
from weightstream.outputs.summary import Summary
from weightstream.scratch import scratch_folder
from weightstream.study_question import INDEX_COLUMNS, Question, index_day

JUDGED_FOR = (*NEEDED, "level_lo_kg", "level_hi_kg", "reason")
NAMES = ("at", "rule", "user_id", "change_pct", "p_loss_5_pct", "p_loss_10_pct", "missing")
"""What is told of all rows."""


def outcomes_of_files(
    job: CleanJob, question: Question, multiverse: bool
) -> tuple[Summary, dict[str, Any], str]:
    """Judge a job's files and write the outcomes of their persons to job.out, by its ending.

    Returns what was judged, the import report, and the cohort's figures as text. Raises
    InputError if no source can be used, ConfigError.
    """
    with scratch_folder() as folder:
        judged = folder / "judged"
        summary, report = clean_files(replace(job, out=judged))
        if summary.exit_status == 2:
            raise InputError("; ".join(summary.problems))
        seen: list[pa.Table] = []
        write_tables(job.out, OUTCOMES, _outcomes(judged, question, multiverse, seen))
    return summary, report, cohort_text(pa.concat_tables(seen))


def _outcomes(
    judged: Path, question: Question, multiverse: bool, seen: list[pa.Table]
) -> Iterator[pa.Table]:
    """OUTCOMES of each part of a data set, of whole persons; `seen` gets NAMES of them."""
    left = None if question.index is None else dict(question.index)
    parts = sorted(judged.glob("part-*.parquet"))
    tables = (pq.read_table(part, columns=list(JUDGED_FOR)) for part in parts)
    for table in map(judged_of, chain(tables, [JUDGED.empty_table()])):
        asked = question
        if left is not None:
            users = pc.unique(table["user_id"]).to_pylist() if len(table) else list(left)
            asked = replace(question, index={u: left.pop(u) for u in users if u in left})
        found = all_outcomes(table, asked, multiverse)
        seen.append(found.select(NAMES))
        yield found


def read_index(path: Path) -> Mapping[str, date | None]:
    """Index dates of a CSV file with user_id and index_date. Raises ConfigError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            table = csv.DictReader(handle)
            if missing := [n for n in INDEX_COLUMNS if n not in (table.fieldnames or ())]:
                raise ConfigError(f"{path}, line 1: there is no column {' and no '.join(missing)}")
            found: dict[str, date | None] = {}
            for row in table:
                try:
                    day = index_day(row["index_date"])
                except InputError as error:
                    raise ConfigError(f"{path}, line {table.line_num}: {error}") from None
                if found.setdefault(row["user_id"], day) != day:
                    raise ConfigError(
                        f"{path}, line {table.line_num}: the person has another index date above; "
                        "leave one"
                    )
            return found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read ({error})") from None


def cohort_text(outcomes: pa.Table) -> str:
    """Return a text on the cohort at each time, one line per rule, and the differences of the
    rules.

    outcomes: NAMES of outcome_rows.OUTCOMES.
    """
    own = outcomes.filter(pc.equal(outcomes["rule"], OWN))
    figures = cohort(outcomes).to_pylist()
    lines = []
    for at in dict.fromkeys(row["at"] for row in figures):
        here = [row for row in figures if row["at"] == at]
        drawn = [row for row in here if row["rule"].startswith(DRAW)]
        ruled = [row for row in here if row not in drawn]
        missing = own.filter(pc.equal(own["at"], at))["missing"].drop_null().value_counts()
        lines += [f"at {at}:", *map(_line, ruled)]
        lines += [f"  {one['values']}: {one['counts']:,}" for one in missing.to_pylist()]
        lines += [*_spread("rules", ruled[1:]), *_spread("draws", drawn)]
    return "\n".join(lines)


def _spread(of: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shares = [row["loss_5_pct"] for row in rows if row["persons"]]
    if shares:
        yield f"  {of}: at least 5 % lost by {min(shares):.1f} to {max(shares):.1f} %"


def _line(row: Mapping[str, Any]) -> str:
    if not row["persons"]:
        return f"  {row['rule']}: no person has an outcome"
    return (
        f"  {row['rule']}: {row['persons']:,} persons, change {row['mean_change_pct']:+.2f} %, "
        f"at least 5 % lost by {row['loss_5_pct']:.1f} %, 10 % by {row['loss_10_pct']:.1f} %"
    )
