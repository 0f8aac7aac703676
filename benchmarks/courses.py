"""The course table: does the judge follow what a body really does, and find what it cannot do?

python -m benchmarks.courses                              20 development seeds of each course
python -m benchmarks.courses --seeds test --out FILE.md   20 seeds that nothing was chosen by
python -m benchmarks.courses --courses fluid_daily --show 3      one series, reading by reading
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks import course_bodies, course_records
from benchmarks.course_series import COURSES, Series
from benchmarks.report import aligned, table
from benchmarks.streams import Bools
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import Filtered, build_model, filter_batch, smooth_batch
from weightstream.schema import REASONS
from weightstream.types import Floats

__all__ = ["COURSES", "batch_of", "course_bodies", "course_records", "drawn", "measure"]

DEV_SEEDS = tuple(range(1, 21))
TEST_SEEDS = tuple(range(641, 661))
STAGES: Mapping[str, Callable[..., Filtered]] = {"retro": smooth_batch, "causal": filter_batch}
REACHES = {"retro": 0.8, "causal": 0.6}
"""Share of a rise that the level has to show."""
UNCERTAIN = (0.2, 0.8)
"""The p_valid of a reading that nobody could decide on."""
NEAR_KG = 1.5


def drawn(name: str, seeds: Sequence[int]) -> list[Series]:
    """One person of the course for each seed; other courses and seeds draw independently."""
    return [COURSES[name](np.random.default_rng([crc32(name.encode()), seed])) for seed in seeds]


def batch_of(series: Sequence[Series], source: str | None = None) -> UserBatch:
    """The series as a batch, one person each. source: takes the place of every source."""
    texts = np.concatenate([s.source for s in series]).astype(str)
    names, index = np.unique(
        texts if source is None else [source] * len(texts), return_inverse=True
    )
    return UserBatch(
        user_ids=tuple(f"p{k:04}" for k in range(len(series))),
        indptr=np.cumsum([0, *(len(s) for s in series)]).astype(np.int64),
        day=np.concatenate([s.day for s in series]),
        hour=np.concatenate([s.hour for s in series]),
        weight_kg=np.concatenate([s.kg for s in series]),
        source=index.astype(np.int64),
        sources=tuple(names.tolist()),
    )


@dataclass(frozen=True)
class Row:
    """Figures of one course over all seeds; NaN where there is nothing to count.

    false: share of right readings rejected. missed: share of errors accepted. reach: share of the
    rise that the level shows, the mean and the least seed. rmse: of the level, kg, on right
    readings. expected, level: 95 % coverage, `_in` within the episode. agreed: share of seeds with
    which a clinician would agree.
    """

    right: int
    errors: int
    false: float
    missed: float
    reach: float
    least_reach: float
    rmse: float
    expected: float
    level: float
    expected_in: float
    level_in: float
    agreed: float


def measure(name: str, stage: str, seeds: Sequence[int], source: str | None = None) -> Row:
    """Judge one course and count."""
    series = drawn(name, seeds)
    batch = batch_of(series, source)
    found = STAGES[stage](batch, build_model(Kalman(), {}, batch.sources))
    label = np.concatenate([s.label for s in series]).astype(str)
    right, error = label == "ok", ~np.isin(label, ("ok", "either"))
    inside = np.concatenate([s.episode for s in series])
    counted = right | ((label == "either") & found.accepted)
    kg = batch.weight_kg
    expected = (found.expected_lo <= kg) & (kg <= found.expected_hi)
    asked = counted & np.isfinite(found.expected_lo)
    off, covered = _level_error(series, found)
    known = counted & np.isfinite(off)
    reach = np.array([_reach(s, found.level[rows]) for s, rows in _rows(series)])
    agreed = [_agreed(name, stage, s, found, rows) for s, rows in _rows(series)]
    return Row(
        right=int(right.sum()),
        errors=int(error.sum()),
        false=_mean(~found.accepted[right]),
        missed=_mean(found.accepted[error]),
        reach=_mean(reach[np.isfinite(reach)]),
        least_reach=float(np.nanmin(reach)) if np.isfinite(reach).any() else float("nan"),
        rmse=float(np.sqrt(_mean(off[known] ** 2))),
        expected=_mean(expected[asked]),
        level=_mean(covered[known]),
        expected_in=_mean(expected[asked & inside]),
        level_in=_mean(covered[known & inside]),
        agreed=_mean(np.array(agreed)),
    )


def _rows(series: Sequence[Series]) -> list[tuple[Series, slice]]:
    ends = np.cumsum([0, *(len(s) for s in series)]).tolist()
    return [(s, slice(a, b)) for s, a, b in zip(series, ends[:-1], ends[1:], strict=True)]


def _mean(values: Floats | Bools) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _level_error(series: Sequence[Series], found: Filtered) -> tuple[Floats, Bools]:
    """(N,) kg from the nearer of the levels that are right, and whether the interval has one."""
    own = np.concatenate([s.level for s in series])
    other = np.concatenate([s.other if len(s.other) else s.level for s in series])
    off = np.fmin(np.abs(found.level - own), np.abs(found.level - other))
    covered = [(found.level_lo <= level) & (level <= found.level_hi) for level in (own, other)]
    return off, covered[0] | covered[1]


def _reach(series: Series, level: Floats) -> float:
    """The furthest that the level goes in the episode, as a share of the true rise."""
    if not series.episode.any():
        return float("nan")
    peak = series.level[series.episode].max() - series.base
    return float((level[series.episode].max() - series.base) / peak)


def _agreed(name: str, stage: str, series: Series, found: Filtered, rows: slice) -> bool:
    """Whether a clinician would agree with what is said of one series.

    No more than one right reading in a hundred rejected, at most one error in ten missed, a rise
    shown. Of two rivals without other evidence neither is believed; of many readings of one moment
    one is kept at least; where two persons share an account the level is that of one of them.
    """
    accepted, p = found.accepted[rows], found.p_valid[rows]
    label = series.label.astype(str)
    if name.startswith("rivals") and (label == "either").all():
        return bool(((p >= UNCERTAIN[0]) & (p <= UNCERTAIN[1])).all())
    if name == "two_people_78_72":
        off = np.fmin(abs(found.level[rows] - series.level), abs(found.level[rows] - series.other))
        return _mean(off[accepted] <= NEAR_KG) >= 0.9
    if name == "ten_a_minute":
        return bool(accepted.reshape(-1, 10).any(axis=1).all())
    right, error = label == "ok", ~np.isin(label, ("ok", "either"))
    reach = _reach(series, found.level[rows])
    return (
        (~accepted[right]).sum() <= 0.01 * right.sum()
        and accepted[error].sum() <= 0.1 * error.sum()
        and not reach < REACHES[stage]
    )


HEAD = (
    "course", "stage", "right", "errors", "rejected %", "missed %", "reach", "least", "RMSE kg",
    "cov. exp.", "cov. level", "in ep.: exp.", "level", "agreed",
)  # fmt: skip


def cells(name: str, stage: str, row: Row) -> list[str]:
    numbers = (
        (100 * row.false, 1), (100 * row.missed, 1), (row.reach, 2), (row.least_reach, 2),
        (row.rmse, 2), (row.expected, 2), (row.level, 2), (row.expected_in, 2), (row.level_in, 2),
        (row.agreed, 2),
    )  # fmt: skip
    texts = ("" if np.isnan(value) else f"{value:.{digits}f}" for value, digits in numbers)
    return [name, stage, str(row.right), str(row.errors), *texts]


LEGEND = """One person of each course and seed. Rejected: of right readings; missed: of errors.
Reach: how much of a rise the level shows, on average and at least. Coverage of 95 % intervals: of
readings by `expected`, of the truth by `level`; in the episode alone beside it. Agreed: share of
seeds in which a clinician would agree with everything said."""


def markdown(names: Sequence[str], seeds: Sequence[int], rows: list[list[str]]) -> str:
    """The page: what is measured, the table, and what each course is."""
    about = [[name, " ".join((COURSES[name].__doc__ or "").split())] for name in names]
    parts = (
        "# The course table",
        f"Written by `python -m benchmarks.courses`; seeds {seeds[0]}-{seeds[-1]}. {LEGEND}",
        table(HEAD, rows),
        "## What they are, where the name does not say it",
        table(("course", "what it is"), [row for row in about if row[1]]),
    )
    return "\n\n".join(parts) + "\n"


def show(name: str, seed: int, source: str | None) -> str:
    """One series with the truth and both judgements, a line a reading."""
    (series,) = drawn(name, [seed])
    batch = batch_of([series], source)
    model = build_model(Kalman(), {}, batch.sources)
    said = {stage: run(batch, model) for stage, run in STAGES.items()}
    rows = []
    for k in range(len(series)):
        row = [f"{series.day[k] - series.day[0]:.2f}", f"{series.kg[k]:.1f}", str(series.label[k])]
        row.append(f"{series.level[k]:.1f}" + ("*" if series.episode[k] else ""))
        for found in said.values():
            row += [
                REASONS[found.reason[k]],
                f"{found.p_valid[k]:.3f}",
                f"{found.expected[k]:.1f} [{found.expected_lo[k]:.1f} {found.expected_hi[k]:.1f}]",
                f"{found.level[k]:.1f}",
            ]
        rows.append(row)
    head = ["day", "kg", "truth", "level", *("retro", "p", "expected", "level")]
    return aligned([*head, *("causal", "p", "expected", "level")], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.courses",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seeds", nargs="+", default=["dev"], help="dev, test, or numbers")
    add("--courses", nargs="+", default=["*"], help="names or patterns")
    add("--source", help="takes the place of every source, for example unknown")
    add("--show", type=int, metavar="SEED", help="print the series of this seed instead")
    add("--out", type=Path, help="write the table as Markdown")
    options = parser.parse_args()
    named = [n for n in COURSES if any(fnmatch(n, pattern) for pattern in options.courses)]
    if not named:
        sys.exit(
            f"no course is called {' '.join(options.courses)}; there are: {', '.join(COURSES)}"
        )
    if options.show is not None:
        print("\n\n".join(f"{n}\n{show(n, options.show, options.source)}" for n in named))
        return
    seeds = {"dev": DEV_SEEDS, "test": TEST_SEEDS}.get(options.seeds[0])
    seeds = seeds or tuple(int(seed) for seed in options.seeds)
    rows = [
        cells(name, stage, measure(name, stage, seeds, options.source))
        for name in named
        for stage in STAGES
    ]
    print(aligned(HEAD, rows))
    if options.out:
        options.out.write_text(markdown(named, seeds, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
