"""A study's outcomes from judged measurements: what `weightstream.outcomes` does."""

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
    """Say what became of each person by some days, each figure with its uncertainty.

    cleaned: what `weightstream.clean` gave, or the columns of a judged file; at stage retro.
    at: days after a person's index date (84), or dates ("2024-06-01"); one or several.
    window: calendar days (UTC) about the index date and the target within which a reading that
    counts has to lie. Without it both have to lie between the person's first and last one.
    index: index dates: a mapping of user_id to date, or a frame with user_id and index_date; who is
    not in it is left out. Without it, the day of the first reading that counts.
    parameters: those by which `clean` judged, as there. multiverse: also without any rule, under
    every published rule and in draws from the posterior, told apart by `rule`.
    Returns outcome_rows.OUTCOMES as the kind of frame that came: a row per person, rule and time;
    where there is no outcome, `missing` says why. Formulas: docs/outcomes.md.
    Raises InputError, ConfigError.
    """
    table = judged_of(cleaned)
    question = Question(
        targets_of(at), window_of(window), index_of(index), parameters_from(parameters).process
    )
    return same_kind(cleaned, all_outcomes(table, question, multiverse))
