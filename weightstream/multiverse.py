"""How far the way of cleaning decides a study's result: the same outcomes under every rule.

Twelve published rules moved the share of persons who lost at least 5 % from 9.4 to 14 % (Evans
2022, on records of the VA).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import UserBatch
from weightstream.levels_at import LevelSeries
from weightstream.outcome_rows import (
    LOSSES,
    Change,
    Persons,
    change_by,
    levels_of,
    persons_of,
    rows_of,
    table_of,
)
from weightstream.published_rules import PUBLISHED
from weightstream.study_question import Question
from weightstream.types import Bools, Floats

OWN, NO_RULE, DRAW = "weightstream", "none", "draw "
DRAWS = 20
NOT_OF_A_BODY = ("superseded", "retracted")
"""Reasons of what its source took back: no rule sees it."""


def all_outcomes(table: pa.Table, question: Question, multiverse: bool) -> pa.Table:
    """OUTCOMES of cleaned.judged_of: by our levels, and if asked by every rule and draw.

    Sorted by person, rule and time as they are asked for.
    """
    persons = persons_of(table, question.index)
    levels = levels_of(table, persons)
    tables = [rows_of(OWN, persons, levels, at, question) for at in question.at]
    if multiverse:
        kg = table["weight_kg"].to_numpy()
        for rule, kept in _kept_by_rules(table, persons):
            series = persons.level_series(kept, kg)
            tables += [rows_of(rule, persons, series, at, question) for at in question.at]
        tables += [one for at in question.at for one in _draws(persons, levels, at, question)]
    rows = pa.concat_tables(tables).combine_chunks()
    by_person = np.arange(len(rows)).reshape(-1, max(len(persons.user_ids), 1)).T.ravel()
    return rows.take(by_person)


def _kept_by_rules(table: pa.Table, persons: Persons) -> Iterator[tuple[str, Bools]]:
    """What each rule keeps of the rows of the persons who are asked for."""
    reason = table["reason"].combine_chunks()
    taken_back = pc.is_in(reason, pa.array(NOT_OF_A_BODY)).to_numpy(zero_copy_only=False)
    seen = np.flatnonzero((persons.row_user >= 0) & ~taken_back)
    batch = _batch(table, persons, seen)
    for rule, judge in {NO_RULE: None, **PUBLISHED}.items():
        kept = np.zeros(len(table), bool)
        kept[seen] = True if judge is None else judge(batch).accepted
        yield rule, kept


def _batch(table: pa.Table, persons: Persons, rows: np.ndarray) -> UserBatch:
    return UserBatch(
        user_ids=tuple(persons.user_ids),
        indptr=np.searchsorted(persons.row_user[rows], np.arange(len(persons.user_ids) + 1)),
        day=persons.day[rows],
        hour=np.full(len(rows), np.nan),
        weight_kg=table["weight_kg"].to_numpy()[rows],
        source=np.zeros(len(rows), np.int64),
        sources=("",),
    )


def _draws(
    persons: Persons, levels: LevelSeries, at: int | date, question: Question
) -> Iterator[pa.Table]:
    """OUTCOMES drawn from the posterior of both levels; a person's are always the same."""
    found = change_by(persons, levels, at, question)
    normal = np.array([_normals(user, str(at)) for user in persons.user_ids]).reshape(-1, 2, DRAWS)
    zero = np.zeros(len(persons.user_ids))
    for number in range(DRAWS):
        index_kg = found.index_kg + found.index_sd * normal[:, 0, number]
        moved = found.level_kg - found.index_kg + found.change_sd * normal[:, 1, number]
        drawn: Change = replace(
            found, index_kg=index_kg, level_kg=index_kg + moved,
            index_sd=zero, level_sd=zero, change_sd=zero,
        )  # fmt: skip
        yield table_of(f"{DRAW}{number + 1:02}", persons, at, drawn, {}, certain=True)


def _normals(user: str, at: str) -> Floats:
    seed = [crc32(user.encode()), crc32(at.encode())]
    return np.random.default_rng(seed).standard_normal((2, DRAWS))


def cohort(outcomes: pa.Table) -> pa.Table:
    """OUTCOMES of a cohort in a line per time and rule.

    Returns at, rule, persons (with an outcome), mean_change_pct, loss_5_pct and loss_10_pct
    (percent of the persons with at least that loss), in the order of the rows.
    """
    means = [f"p_loss_{loss}_pct" for loss in LOSSES]
    found = outcomes.group_by(["at", "rule"], use_threads=False).aggregate(
        [("change_pct", "count"), ("change_pct", "mean"), *((name, "mean") for name in means)]
    )
    columns = {
        "at": found["at"],
        "rule": found["rule"],
        "persons": found["change_pct_count"],
        "mean_change_pct": found["change_pct_mean"],
    }
    columns |= {
        name.removeprefix("p_"): pc.multiply(found[f"{name}_mean"], 100.0) for name in means
    }
    return pa.table(columns)
