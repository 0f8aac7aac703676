"""weightstream.outcomes: what became of each person, and how far the rule decides it."""

import csv
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner

import weightstream
from weightstream import cli_outcomes  # noqa: F401, it attaches the command
from weightstream.cli import cli
from weightstream.engine.model import PRIOR
from weightstream.errors import InputError
from weightstream.published_rules import PUBLISHED

START = pd.Timestamp("2024-01-01T07:00:00Z")


def judged(days, kg, user="a", margin=0.6):
    """A person whose levels are known within a margin, all accepted."""
    kg = np.asarray(kg, float)
    return pd.DataFrame({
        "user_id": user, "effective_at": START + pd.to_timedelta(days, unit="D"), "weight_kg": kg,
        "verdict": "accepted", "level_kg": kg, "level_lo_kg": kg - margin,
        "level_hi_kg": kg + margin, "reason": None,
    })  # fmt: skip


def one(frame, at, **options):
    (row,) = weightstream.outcomes(frame, at, **options).to_dict("records")
    return row


def test_a_loss_its_interval_and_its_probability():
    row = one(judged([0, 84], [100.0, 94.0]), 84, window=7)
    assert row["change_kg"] == pytest.approx(-6.0)
    assert row["change_pct"] == pytest.approx(-6.0)
    assert row["change_lo_pct"] < -6.0 < row["change_hi_pct"]
    sd = np.sqrt((0.6 / 1.96) ** 2 - 0.04)
    assert row["change_hi_kg"] == pytest.approx(-6 + 1.96 * sd * np.sqrt(2), abs=1e-3)
    assert 0.98 < row["p_loss_5_pct"] < 1.0
    assert row["p_loss_10_pct"] < 1e-6
    assert (row["index_date"], row["target_date"]) == (date(2024, 1, 1), date(2024, 3, 25))
    assert one(judged([0, 84], [100.0, 95.0]), 84)["p_loss_5_pct"] == pytest.approx(0.5)


def test_at_the_index_date_itself_nothing_has_changed():
    row = one(judged([0, 84], [100.0, 94.0]), 0)
    assert (row["change_kg"], row["change_lo_kg"], row["p_loss_5_pct"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("at", "window", "missing"),
    [
        (84, 7, None), (91, 7, None), (92, 7, "no_reading_at_target"), (80, None, None),
        (85, None, "no_reading_at_target"), ("2023-12-31", 7, "before_index"),
        ("2024-03-25", 0, None),
    ],
)  # fmt: skip
def test_a_reading_has_to_lie_in_the_window(at, window, missing):
    row = one(judged([0, 84], [100.0, 94.0]), at, window=window)
    assert (row["missing"] if isinstance(row["missing"], str) else None) == missing
    assert np.isnan(row["level_kg"]) == (missing is not None)


def test_index_dates_say_who_is_asked_for_and_since_when():
    frame = pd.concat([judged([0, 50, 84], [100, 98, 94]), judged([0, 84], [80, 80], "b")])
    found = weightstream.outcomes(
        frame, 34, window=3, index={"a": date(2024, 2, 20), "nobody": "2024-01-01"}
    )
    assert found["user_id"].to_list() == ["a", "nobody"]
    assert found["change_kg"].iloc[0] == pytest.approx(-4.0, abs=0.05)  # from noon on
    assert found["missing"].iloc[1] == "no_reading"
    wrong = pl.DataFrame({"user_id": ["a", "a"], "index_date": ["2024-01-01", "2024-01-02"]})
    with pytest.raises(InputError, match="two index dates"):
        weightstream.outcomes(frame, 34, index=wrong)
    with pytest.raises(InputError, match="28x"):
        weightstream.outcomes(frame, "28x")


def test_a_plateau_is_where_all_later_levels_stay():
    days = [0, 30, 60, 90, 120, 150, 180]
    found = one(judged(days, [100, 95, 91, 90, 90, 90.5, 90]), 30)
    assert found["plateau_date"] == date(2024, 3, 1)  # 91 is within 3 % of all that follow
    assert found["plateau_kg"] == pytest.approx(90.3)
    assert (
        found["plateau_kg"] == one(judged(days, [100, 95, 91, 90, 90, 90.5, 90]), 0)["plateau_kg"]
    )
    assert pd.isna(one(judged(days, [100, 95, 91, 90, 90, 90, 85]), 30)["plateau_date"])


def test_the_kind_of_frame_stays():
    found = weightstream.outcomes(pl.from_pandas(judged([0, 84], [100.0, 94.0])), [0, 84])
    assert isinstance(found, pl.DataFrame)
    assert found["at"].to_list() == ["0", "84"]


def test_rules_decide_what_one_typing_error_becomes():
    days, kg = [0, 7, 14, 21, 28, 77, 84], [100, 100.4, 99.8, 100.1, 100, 99.8, 50]
    frame = judged(days, kg)
    frame.loc[6, ["verdict", "reason"]] = "rejected", "implausible"
    found = weightstream.outcomes(frame, 84, window=10, multiverse=True).set_index("rule")
    assert {"weightstream", "none", *PUBLISHED} <= set(found.index)
    losses = found["p_loss_5_pct"]
    assert losses["none"] == 1.0  # believes it
    assert losses["MAD"] == losses["EWMA (growthcleanr)"] == 0.0
    assert losses["weightstream"] < 0.05
    assert found.loc["none", "level_kg"] == 50
    frame.loc[6, "reason"] = "retracted"
    found = weightstream.outcomes(frame, 84, window=10, multiverse=True).set_index("rule")
    assert found.loc["none", "level_kg"] == 99.8  # of what was taken back no rule knows


def test_draws_are_the_same_whoever_else_is_there_and_spread_as_the_interval():
    frame = judged([0, 84], [100.0, 95.0])
    both = pd.concat([judged([0, 84], [70, 70], "0"), frame])
    alone, among = (weightstream.outcomes(f, 84, multiverse=True) for f in (frame, both))
    among = among[among["user_id"] == "a"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among)
    draws = alone[alone["rule"].str.startswith("draw")]
    assert 0.2 < draws["p_loss_5_pct"].mean() < 0.8
    row = alone.iloc[0]
    inside = draws["change_kg"].between(row["change_lo_kg"], row["change_hi_kg"])
    assert inside.mean() >= 0.8
    assert draws["change_kg"].nunique() == len(draws)


def test_intervals_hold_the_truth():
    """200 persons who move as the process says, weighed every 5 days on average."""
    rng, process = np.random.default_rng(4), PRIOR.process
    rows, truth = [], {}
    for person in range(200):
        daily = 85 + np.cumsum(rng.normal(0, np.sqrt(process.level_kg2_per_day), 121))
        rate = process.trend_kg_per_week / 7
        daily += np.cumsum(rng.normal(0, rate)) * np.minimum(np.arange(121), 60)
        days = np.unique([0, *np.flatnonzero(rng.random(121) < 0.2), 120])
        truth[f"p{person:03}"] = daily[90] - daily[0]
        noise = rng.normal(0, 0.4, len(days))
        rows += [
            (f"p{person:03}", START + pd.Timedelta(days=int(day)), daily[day] + e, "kg", "scale")
            for day, e in zip(days, noise, strict=True)
        ]
    frame = pd.DataFrame(rows, columns=["user_id", "time", "weight", "unit", "source"])
    found = weightstream.outcomes(weightstream.clean(frame), 90)
    change = found["user_id"].map(truth)
    covered = (change >= found["change_lo_kg"]) & (change <= found["change_hi_kg"])
    assert 0.9 < covered.mean() < 0.995
    width = (found["change_hi_kg"] - found["change_lo_kg"]).median()
    assert width < 2.5  # an interval that holds everything says nothing


def outcomes(source, out, *options, status=0):
    arguments = ["outcomes", source, "-o", out, *options]
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.stderr
    return done


def test_the_command_says_what_the_function_says(simulated, tmp_path):
    source, out = simulated(12, 900), tmp_path / "out.csv"
    done = outcomes(source, out, "--at", 84, "--window", 30, "--multiverse")
    assert "rules: at least 5 % lost by" in done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    cleaned = weightstream.clean(weightstream.read(source))
    found = weightstream.outcomes(cleaned, 84, window=30, multiverse=True)
    assert [row["user_id"] for row in rows] == found["user_id"].to_list()
    assert [row["rule"] for row in rows] == found["rule"].to_list()
    written = np.array([float(row["change_pct"] or "nan") for row in rows])
    np.testing.assert_allclose(written, found["change_pct"])


def test_the_command_tells_what_it_could_not_use_and_counts_a_time_once(csv_of, tmp_path):
    rows = [("a", f"2024-0{month}-08", "80") for month in range(1, 7)]
    source, out = csv_of(*rows, ("b", "2024-01-08", "8O")), tmp_path / "out.csv"
    done = outcomes(source, out, "--at", 84, "--at", "84")
    assert "quarantined as bad_number: 1 (line 8)" in done.stderr
    with out.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1


def test_what_cannot_be_asked_is_said_in_one_sentence(csv_of, tmp_path):
    source, out = csv_of(("a", "2024-01-01", "80")), tmp_path / "out.csv"
    index = tmp_path / "index.csv"
    index.write_text("user_id,index_date\na,2024-01-01\nb,soon\n")
    done = outcomes(source, out, "--at", 7, "--index", index, status=2)
    assert f"{index}, line 3" in done.stderr
    index.write_text("user_id,day\n")
    assert (
        "no column index_date"
        in outcomes(source, out, "--at", 7, "--index", index, status=2).stderr
    )
    out.touch()
    assert "--overwrite" in outcomes(source, out, "--at", 7, status=2).stderr
    assert "must end in" in outcomes(source, tmp_path / "x.txt", "--at", 7, status=2).stderr


@pytest.mark.parametrize(
    "at",
    [
        84.0,
        np.int64(84),
        np.array([84]),
        pd.Timedelta(days=84),
        [np.timedelta64(84, "D")],
        np.datetime64("2024-03-25"),
        pd.Series(pd.to_datetime(["2024-03-25"])),
        "2024-03-25 00:00:00",
    ],
)
def test_a_time_may_be_of_any_type_that_says_days_or_a_date(at):
    row = one(judged([0, 84], [100.0, 94.0]), at)
    assert row["target_date"] == date(2024, 3, 25)
    assert pd.isna(row["missing"])


@pytest.mark.parametrize("at", [84.5, True, None, np.datetime64("NaT"), "84 days"])
def test_a_time_that_says_neither_is_refused(at):
    with pytest.raises(InputError, match="neither a number of days"):
        weightstream.outcomes(judged([0, 84], [100.0, 94.0]), [at])


@pytest.mark.parametrize("window", ["7", 7.5, -1, float("nan")])
def test_a_window_is_whole_days(window):
    with pytest.raises(InputError, match="whole number"):
        weightstream.outcomes(judged([0], [80.0]), 84, window=window)


@pytest.mark.parametrize("empty", [None, pd.NaT, pd.NA, float("nan"), ""])
def test_a_person_whose_index_date_is_missing_stays_in_the_result(empty):
    frame = pd.concat([judged([0, 84], [100.0, 94.0]), judged([0, 84], [90.0, 88.0], "b")])
    index = {"a": empty, "b": "2024-01-01", "c": None}
    for at in (84, "2024-03-25"):
        found = weightstream.outcomes(frame, at, index=index, window=3).set_index("user_id")
        assert found["missing"].fillna("").to_dict() == {
            "a": "no_index_date",
            "b": "",
            "c": "no_index_date",
        }
        assert found.loc["a", ["index_date", "level_kg", "p_loss_5_pct"]].isna().all()
        assert found.loc["b", "change_kg"] == pytest.approx(-2.0, abs=0.1)
    alone = weightstream.outcomes(frame, 84, index={"a": empty})
    assert alone["missing"].tolist() == ["no_index_date"]


def test_index_dates_may_be_a_series_by_person_or_a_file_with_empty_cells(csv_of, tmp_path):
    frame = judged([0, 84], [100.0, 94.0])
    series = frame.groupby("user_id")["effective_at"].min()
    expected = weightstream.outcomes(frame, 84, index={"a": "2024-01-01"})
    pd.testing.assert_frame_equal(weightstream.outcomes(frame, 84, index=series), expected)
    source = csv_of(("a", "2024-01-01", "80"), ("a", "2024-01-09", "80"), ("b", "2024-01-01", "70"))
    index = tmp_path / "index.csv"
    index.write_text("user_id,index_date\na,2024-01-01 00:00:00\nb,\n")
    outcomes(source, tmp_path / "out.csv", "--at", "8", "--index", index)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["user_id"], row["missing"]) for row in rows] == [("a", ""), ("b", "no_index_date")]
