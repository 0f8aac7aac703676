"""The input of alerts: stored readings, filtered again causally, and the rules for each person.

The store keeps the levels of retro, which use past and future. An alert must not use the future, so
the causal filter runs again over the readings of a page.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weightstream.batch import UserBatch
from weightstream.config import Alerts, Source
from weightstream.engine import filter_batch
from weightstream.engine.model import Parameters, source_model
from weightstream.errors import ConfigError
from weightstream.judging.causal import Judging
from weightstream.judging.described import with_people
from weightstream.outputs.pages.alerts import RULE_SETS, Watch, alerts
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.rules import Scales
from weightstream.store.histories import Histories

NOT_OF_A_BODY = frozenset({"superseded", "retracted"})
"""Reasons of readings that their source corrected or retracted, which are in no series."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Filtered:
    """Courses (pages/courses.py) whose levels the causal filter made."""

    indptr: Ints
    time_us: Ints
    columns: dict[str, Any]


@dataclass(frozen=True)
class Watchers:
    """The rules that are watched: those in `persons`, and those of `config` for all others."""

    config: Alerts
    persons: Mapping[str, Sequence[str]]

    def watch(self, user_ids: Sequence[str]) -> Watch:
        named = [self.persons.get(user, self.config.rules) for user in user_ids]
        return Watch(named, self.config.false_alerts_per_year, self.config.least_probability)


def watchers(config: Alerts) -> Watchers:
    """Read [alerts], and the table that it names. Raises ConfigError."""
    return Watchers(config, read_persons(config.persons_file) if config.persons_file else {})


def read_persons(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a table of user_id and rules, with spaces between these. Raises ConfigError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            table = csv.DictReader(handle)
            if not {"user_id", "rules"} <= set(table.fieldnames or ()):
                raise ConfigError(
                    f"{path}, line 1: alerts.persons_file needs the columns user_id and rules"
                )
            return {row["user_id"]: _named(path, table.line_num, row["rules"]) for row in table}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: alerts.persons_file cannot be read ({error})") from None


def _named(path: Path, line: int, text: str | None) -> tuple[str, ...]:
    names = tuple((text or "").split())
    for name in names:
        if name not in RULE_SETS:
            raise ConfigError(
                f"{path}, line {line}: no rules of alerts are called {name!r}; there are "
                f"{', '.join(RULE_SETS)}"
            )
    return names


def watch(found: Histories, judging: Judging, watchers: Watchers) -> list[list[Alert]]:
    """Return the alerts of each person of `found`, oldest first."""
    people, sources = filtered(found, judging)
    scales = scales_of(sources, judging.parameters, judging.sources)
    process = judging.parameters.process
    return alerts(people, scales, process, watchers.watch(found.user_ids))


def filtered(found: Histories, judging: Judging) -> tuple[Filtered, tuple[str, ...]]:
    """Run the causal filter over stored readings; returns its courses, and the names of sources."""
    columns = found.columns
    reason, verdict = np.array(columns["reason"], object), np.array(columns["verdict"], object)
    sources, scale = np.unique(np.array(columns["source"], object), return_inverse=True)
    names = tuple(sources.tolist())
    forced = np.where(verdict == "accepted", 1, -1) * (reason == "override")
    row = np.flatnonzero(~np.isin(reason, list(NOT_OF_A_BODY)))
    batch = UserBatch(
        found.user_ids,
        np.searchsorted(row, found.indptr).astype(np.int64),
        found.time_us[row] / 86_400e6,
        columns["local_hour"][row].copy(),
        columns["weight_kg"][row].copy(),
        scale[row].astype(np.int64),
        names,
        forced[row].astype(np.int8),
    )
    batch = with_people(batch, found.people)
    out = filter_batch(batch, judging.model(names), engine=judging.kalman.engine)
    courses: dict[str, Any] = dict(columns)
    for name in ("level", "level_lo", "level_hi"):
        courses[f"{name}_kg"] = np.full(len(reason), np.nan)
        courses[f"{name}_kg"][row] = getattr(out, name)
    courses |= {"hour": columns["local_hour"], "scale": scale.astype(np.int64)}
    return Filtered(found.indptr, found.time_us, courses), names


def expectations(found: Histories, judging: Judging) -> dict[str, float]:
    """Return how much each source of some persons shows above the level in the morning, kg."""
    names = sorted(set(found.columns["source"]))
    bias = scales_of(names, judging.parameters, judging.sources).bias
    return dict(zip(names, bias.tolist(), strict=True))


def scales_of(
    names: Sequence[str], parameters: Parameters, configured: Mapping[str, Source]
) -> Scales:
    """Return the parameters of the named sources."""
    models = [source_model(name, configured, parameters) for name in names]
    return Scales(
        np.array([model.bias_kg for model in models]),
        np.array([model.noise_kg for model in models]),
        np.array([model.error_rate for model in models]),
    )
