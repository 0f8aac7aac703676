"""A study's outcomes from judged measurements: `weightstream.outcomes`."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from weightstream.clean_inputs import parameters_from
from weightstream.cleaned import judged_of
from weightstream.engine.model import Parameters
from weightstream.frame_kinds import same_kind
from weightstream.multiverse import all_outcomes
from weightstream.study_question import Question, index_of, targets_of, window_of


def outcomes(
    cleaned: Any,
    at: Sequence[Any] | int | str | date,
    *,
    window: int | None = None,
    index: Any = None,
    parameters: Parameters | str | Path | None = None,
    multiverse: bool = False,
) -> Any:
    """Estimate each person's outcomes at given days, with their uncertainty.

    cleaned: the result of `weightstream.clean` at stage retro, or the columns of a judged file.
    at: days after a person's index date (84), or dates ("2024-06-01"); one or several.
    window: an accepted reading must lie within this many calendar days (UTC) of the index date, and
    another of the target. Without it, both must lie between the person's first and last one.
    index: index dates: a mapping of user_id to date, or a frame with user_id and index_date;
    persons who are not in it are left out. By default, the day of the first accepted reading.
    parameters: those with which `clean` judged. multiverse: also without any rule, under every
    published rule and in draws from the posterior, distinguished by `rule`.
    Returns outcome_rows.OUTCOMES as the same kind of frame: a row per person, rule and time;
    `missing` says why there is no outcome. Formulas: docs/outcomes.md.
    Raises InputError, ConfigError.
    """
    table = judged_of(cleaned)
    question = Question(
        targets_of(at), window_of(window), index_of(index), parameters_from(parameters).process
    )
    return same_kind(cleaned, all_outcomes(table, question, multiverse))
