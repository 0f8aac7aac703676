import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy
from benchmarks.agreement import SYNGROWTH, agreement, kappa, syngrowth
from benchmarks.exported import exported
from benchmarks.report import behind, write_report
from benchmarks.rivals import (
    RIVALS,
    Judgement,
    chan_raffa,
    ewma_growthcleanr,
    ewma_trend,
    judged,
    kalman_gate,
    median_deviation,
    range_check,
)
from benchmarks.scoring import figures, tally
from benchmarks.streams import Stream, labelled_stream
from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch, smooth_batch
from weightstream.schema import REASONS
from weightstream.simulator.streams import simulate, write_csv


def series(*persons: list[float], days: list[float] | None = None, source: str = "s") -> UserBatch:
    kg = np.concatenate([np.array(p, np.float64) for p in persons])
    day = np.concatenate([np.arange(len(p)) if days is None else days for p in persons])
    return UserBatch(
        user_ids=tuple(f"P{k}" for k in range(len(persons))),
        indptr=np.concatenate([[0], np.cumsum([len(p) for p in persons])]).astype(np.int64),
        day=day.astype(np.float64) + 19_000.5,
        hour=np.full(len(kg), np.nan),
        weight_kg=kg,
        source=np.zeros(len(kg), np.int64),
        sources=(source,),
    )


def stream_of(batch: UserBatch, error: list[str], step: list[str] | None = None) -> Stream:
    size = len(error)
    return Stream(
        batch=batch,
        error=np.array(error, object),
        true_kg=np.full(size, 80.0),
        level_kg=np.full(size, 80.0),
        step=np.array(step or [""] * size, object),
        after_step=np.arange(size),
    )


@pytest.fixture(scope="module")
def mixed() -> Stream:
    return labelled_stream("mixed", 3, 40)


# --- streams


def test_streams_are_sorted_by_person_and_time_and_hold_measured_rows_only(mixed: Stream) -> None:
    batch = mixed.batch
    starts = np.zeros(len(batch.day), bool)
    starts[batch.indptr[:-1]] = True
    assert ((np.diff(batch.day) >= 0) | starts[1:]).all()
    assert batch.indptr[-1] == len(batch.day) == len(mixed.error)
    assert np.isfinite(batch.weight_kg).all()
    assert "duplicate" not in mixed.error
    assert "" not in batch.sources


def test_a_step_counts_its_right_readings_person_by_person() -> None:
    stream = labelled_stream("fluid", 3, 20)
    for first, last in zip(stream.batch.indptr[:-1], stream.batch.indptr[1:], strict=True):
        during = stream.step[first:last] != ""
        right = during & stream.right[first:last]
        assert (stream.after_step[first:last][right] == np.arange(right.sum())).all()
        assert (stream.after_step[first:last][~during] == 0).all()


# --- scoring


def test_a_perfect_judge_gets_perfect_figures(mixed: Stream) -> None:
    accepted = np.isin(mixed.error.astype(str), ["ok", "scale_offset"])
    code = [REASONS.index(e) if e in REASONS else -1 for e in mixed.error]
    verdict = replace(
        judged(accepted, mixed.level_kg), reason=np.array(code), suggested=mixed.true_kg
    )
    found = figures(tally(mixed, verdict, 0.0))
    assert found["recall"] == found["specificity"] == found["precision"] == found["f1"] == 1.0
    assert found["naming"] == 1.0
    assert found["rmse_kg"] == 0.0
    assert found["restored_median_kg"] == 0.0
    assert found["steps"]["all"] == {"all": 0.0, "settled": 0.0}


def test_figures_of_a_small_case_by_hand() -> None:
    """Four right readings, two errors with a code, one that no one can find."""
    batch = series([80, 81, 176.4, 80, 8.0, 83, 80])
    error = ["ok", "ok", "unit_lb_as_kg", "ok", "decimal_shift", "offset_small", "ok"]
    step = ["", "fluid", "", "fluid", "", "", "fluid"]
    accepted = np.array([True, False, False, True, True, False, True])
    verdict = replace(
        judged(accepted, np.array([80.0, 82, 80, 80, 80, 80, 80])),
        reason=np.array([0, -1, REASONS.index("unit_lb_as_kg"), 0, 0, -1, 0]),
        suggested=np.array([np.nan, np.nan, 80.3, np.nan, np.nan, np.nan, np.nan]),
    )
    found = figures(tally(stream_of(batch, error, step), verdict, 7e-6))
    assert found["recall"] == 0.5
    assert found["specificity"] == 0.75
    assert found["precision"] == 0.5
    assert found["f1"] == 0.5
    assert found["naming"] == 1.0
    assert found["restored_median_kg"] == pytest.approx(0.3)
    assert found["rmse_kg"] == pytest.approx(1.0)  # one of four is off by 2
    assert found["microseconds"] == pytest.approx(1.0)
    assert found["types"]["offset_small"]["recall"] == 1.0
    assert found["steps"]["fluid"] == {"all": pytest.approx(1 / 3), "settled": 0.0}


def test_naming_counts_unnamed_and_other_persons_once_apart_and_once_together() -> None:
    batch = series([60, 61, 62, 176])
    error = ["outlier", "other_person", "outlier", "unit_lb_as_kg"]
    said = ["other_person", "other_person", "digit_swap", "outlier"]
    verdict = replace(
        judged(np.zeros(4, bool), np.full(4, 80.0)),
        reason=np.array([REASONS.index(name) for name in said]),
    )
    found = figures(tally(stream_of(batch, error), verdict, 0.0))
    assert found["naming"] == 0.25
    assert found["naming_alike"] == 0.5
    assert found["naming_caused"] == 0.5  # of another person and pounds, one


def test_coverage_nis_and_density_of_true_predictions_are_nominal() -> None:
    rng = np.random.default_rng(0)
    size = 40_000
    batch = series(rng.normal(80, 2.0, size).tolist())
    verdict = judged(
        np.ones(size, bool), np.full(size, 80.0), np.full(size, 80.0), np.full(size, 2.0)
    )
    found = figures(tally(stream_of(batch, ["ok"] * size), verdict, 0.0))
    for nominal, share in found["coverage"].items():
        assert share == pytest.approx(nominal, abs=0.01)
    assert found["nis"] == pytest.approx(1.0, abs=0.03)
    entropy = -0.5 * np.log(2 * np.pi * np.e * 4.0)
    assert found["log_density"] == pytest.approx(entropy, abs=0.02)
    assert found["groups"]["source"]["s"]["n"] == size
    assert found["groups"]["gap"]["< 2 d"]["n"] == size - 1  # the first has none before it


def test_reliability_and_log_score_of_true_probabilities() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.0, 1.0, 60_000)
    error = np.where(rng.uniform(size=len(p)) < p, "ok", "outlier").tolist()
    verdict = replace(judged(p > 0.5, np.full(len(p), 80.0)), p_valid=p)
    found = figures(tally(stream_of(series([80.0] * len(p)), error), verdict, 0.0))
    for row in found["reliability"]:
        assert row["valid"] == pytest.approx(row["said"], abs=0.04)
    assert sum(row["n"] for row in found["reliability"]) == len(p)
    assert found["log_score"] == pytest.approx(-0.5, abs=0.01)  # of a uniform p


def test_tallies_add_up_over_persons(mixed: Stream) -> None:
    other = labelled_stream("error_menu", 5, 30)
    verdicts = [RIVALS["15 % gate Kalman"](s.batch) for s in (mixed, other)]
    one, two = (tally(s, v, 1.0) for s, v in zip((mixed, other), verdicts, strict=True))
    parts = figures(one), figures(two)
    one.add(two)
    both = figures(one)
    assert both["readings"] == parts[0]["readings"] + parts[1]["readings"]
    found = sum(part["recall"] * part["errors"] for part in parts)
    assert both["recall"] == pytest.approx(found / both["errors"])


# --- rivals


def test_range_check_keeps_75_to_600_pounds() -> None:
    verdict = range_check(series([34.0, 34.1, 80, 272.1, 272.2]))
    assert verdict.accepted.tolist() == [False, True, True, True, False]
    assert np.isnan(verdict.level[0])
    assert verdict.level[4] == 272.1


def test_chan_raffa_uses_each_persons_own_mean() -> None:
    steady = [80.0, 80.5] * 10
    verdict = chan_raffa(series([*steady, 95.0], [95.0, 95.5, 800.0]))
    assert verdict.accepted.tolist() == [True] * 20 + [False] + [True, True, False]


def test_median_deviation_is_blind_to_how_many_errors_there_are() -> None:
    verdict = median_deviation(series([80, 80.5, 81, 79.5, 80.2, 176, 175, 177]))
    assert verdict.accepted.tolist() == [True] * 5 + [False] * 3


def test_kalman_gate_takes_first_values_unchecked_and_gates_at_15_percent() -> None:
    batch = series([80, 80, 91.9, 94.5, 95], days=[0, 1, 2, 3, 50])
    assert kalman_gate(batch).accepted.tolist() == [True, True, True, False, True]
    asked = series([80, 100], days=[0, 11], source="internal-questionnaire")
    assert kalman_gate(asked).accepted.all()
    scale = series([80, 100, 25], days=[0, 11, 12])
    assert kalman_gate(scale).accepted.tolist() == [True, False, False]


def test_kalman_gate_keeps_its_noises_per_step() -> None:
    """P0 0.361, Q 0.016 and a trend variance of 0.001: the first gain follows by hand."""
    verdict = kalman_gate(series([80.0, 81.0]))
    ahead = 0.361 + 0.001 + 0.016
    assert verdict.sd[1] == pytest.approx(np.sqrt(ahead + 3.4))
    assert verdict.level[1] == pytest.approx(80 + ahead / (ahead + 3.4))


def test_trend_moves_a_tenth_a_day_along_the_line_between_readings() -> None:
    verdict = ewma_trend(series([80.0, 82.0], days=[0, 2]))
    assert verdict.level[1] == pytest.approx(80 + 0.1 * 1 + 0.1 * (82 - 80.1))
    changed = ewma_trend(series([80, 95, 95.5, 96, 96]))
    assert changed.accepted.tolist() == [True, False, False, True, True]
    wrong_first = ewma_trend(series([800, 80, 80]))
    assert wrong_first.accepted.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("kg", "days", "rejected", "reason"),
    [
        ([76, 78, 177, 76], [0, 30, 60, 90], [2], "hundreds_off"),
        ([95, 94, 59, 96, 95.5], [0, 30, 60, 90, 120], [2], "digit_swap"),
        ([75, 74, 57, 76, 75.5], [0, 1, 2, 3, 4], [2], None),  # digits less than 3 apart
        ([80, 81, 176.5, 80.5], [0, 7, 14, 21], [2], "unit_lb_as_kg"),
        ([61, 65, 72, 68, 58], [0, 14, 28, 56, 112], [], None),
    ],
)
def test_ewma_rival_on_growthcleanrs_worked_examples(
    kg: list[float], days: list[float], rejected: list[int], reason: str | None
) -> None:
    verdict = ewma_growthcleanr(series(kg, days=days))
    assert np.flatnonzero(~verdict.accepted).tolist() == rejected
    for row in rejected:
        assert verdict.reason[row] == (REASONS.index(reason) if reason else -1)


@pytest.mark.parametrize("name", accuracy.METHODS)
def test_every_method_answers_for_every_reading_and_copes_with_one(
    name: str, mixed: Stream
) -> None:
    for batch in (mixed.batch, series([80.0])):
        kg = batch.weight_kg.copy()
        verdict = accuracy.prepared(batch, [name])[name](batch)
        assert len(verdict.accepted) == len(verdict.level) == len(verdict.reason) == len(kg)
        assert (batch.weight_kg == kg).all()
        assert (verdict.reason[verdict.accepted] == 0).all()
        assert (verdict.reason[~verdict.accepted] != 0).all()


# --- report and agreement


def test_report_holds_every_scenario_and_method(tmp_path: Path) -> None:
    methods = ["range check", "15 % gate Kalman", accuracy.OURS[0]]
    scores = accuracy.score(["clean", "household"], [1, 2], 6, methods)
    write_report(scores, {"seeds": [1, 2]}, {}, tmp_path)
    document = json.loads((tmp_path / "accuracy.json").read_text())
    assert set(document["figures"]) == {"clean", "household", "all"}
    assert set(document["seeds"]) == {"1", "2"}
    parts = [document["seeds"][seed]["range check"]["readings"] for seed in ("1", "2")]
    assert sum(parts) == document["figures"]["all"]["range check"]["readings"]
    words = (tmp_path / "accuracy.md").read_text()
    page = (tmp_path / "accuracy.html").read_text()
    for method in methods:
        assert document["figures"]["household"][method]["readings"] > 0
        assert method in words
        assert method in page
    assert "src=" not in page.split("<h1>")[0]


def test_a_rival_that_is_ahead_is_named_with_both_figures() -> None:
    def method(f1: float | None, rmse: float) -> dict:
        return {"f1": f1, "rmse_kg": rmse}

    found = {
        "one": {
            "rival": method(0.9, 0.5),
            "mine": method(0.99, 0.1),
            "weightstream": method(0.8, 0.6),
        },
        "two": {
            "rival": method(None, 0.7),
            "mine": method(0.2, 0.9),
            "weightstream": method(0.9, 0.6),
        },
    }
    lines = behind(found, ["mine", "weightstream"])
    assert lines == [
        "one: F1 of rival 0.900, ours 0.800",
        "one: RMSE of rival 0.500, ours 0.600",
    ]


def test_an_export_is_scored_by_the_lines_of_its_labels(tmp_path: Path) -> None:
    labels, export = tmp_path / "labels.csv", tmp_path / "export.csv"
    frame = simulate(30, 2_000, seed=4)
    write_csv(frame, tmp_path / "weights.csv", labels)
    frame["line"] = frame.index + 2
    kept = frame[frame["verdict"].isin(["accepted", "rejected"])].sample(frac=1, random_state=1)
    said = pd.DataFrame(
        {
            "user_id": kept["user_id"],
            "source": kept["source_type"].replace("", "unknown"),
            "weight_kg": kept["weight_kg"],
            "verdict": kept["verdict"],
            "reason": kept["error"].where(kept["error"].isin(REASONS), "outlier"),
            "p_valid": 0.9,
            "expected_kg": kept["level_kg"],
            "expected_lo_kg": kept["level_kg"] - 1.96,
            "expected_hi_kg": kept["level_kg"] + 1.96,
            "level_kg": kept["level_kg"] + 1.0,
            "suggested_kg": kept["true_kg"],
            "line": kept["line"],
        }
    )
    said.to_csv(export, index=False)
    found = figures(tally(*exported(export, labels), 0.0))
    assert found["readings"] == len(kept)
    assert found["recall"] == found["specificity"] == found["naming"] == 1.0
    assert found["rmse_kg"] == pytest.approx(1.0, abs=1e-3)
    assert found["restored_median_kg"] == pytest.approx(0.0, abs=1e-3)
    said["line"] += 1
    said.to_csv(export, index=False)
    with pytest.raises(ValueError, match="does not hold"):
        exported(export, labels)


def test_kappa_of_hand_made_tables() -> None:
    one = np.array([True, True, False, False])
    assert kappa(one, one) == pytest.approx(1.0)
    assert kappa(one, np.array([True, False, True, False])) == pytest.approx(0.0)
    assert kappa(~(one | ~one), ~(one | ~one)) is None


def test_agreement_counts_each_others_rejections() -> None:
    if not SYNGROWTH.exists():
        pytest.skip("growthcleanr's synthetic data is not beside the repository")
    batch = syngrowth()
    assert len(batch.user_ids) == 1938

    def nothing(batch: UserBatch) -> Judgement:
        return judged(np.ones(len(batch.day), bool), batch.weight_kg)

    found = agreement(batch, {"range check": range_check, "nothing": nothing}, ours="nothing")
    assert found["methods"]["nothing"]["rejected"] == 0.0
    ranged = found["methods"]["range check"]
    assert ranged["only_it"] == round(ranged["rejected"] * found["readings"]) > 0
    assert ranged["only_ours"] == 0


@pytest.mark.parametrize(("seed", "persons"), [(805, 20), (803, 100)])
def test_a_healthy_series_is_not_mislabelled(seed, persons):
    """Persons whose clinic or whose evening adds less or more than others' looked like such."""
    batch = labelled_stream("clean", seed, persons).batch
    model = build_model(Kalman(), {}, batch.sources)
    for judge in (filter_batch, smooth_batch):
        assert (~judge(batch, model).accepted).sum() <= 2
