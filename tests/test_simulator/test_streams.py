from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from weightstream.errors import ConfigError
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.intake.identity import deduplicate, measurement_ids
from weightstream.parsing.units import KILOGRAMS, canonical_unit
from weightstream.readers import ReadOptions
from weightstream.schema import QUARANTINE_REASONS, REASONS
from weightstream.simulator.file import COLUMNS
from weightstream.simulator.people import WATER_SD_KG, WEEK_AMPLITUDE, evening_share
from weightstream.simulator.scenarios import SCENARIOS, SOURCES
from weightstream.simulator.streams import simulate, simulate_csv, write_csv

KG_PER_LB = 0.45359237
MORNING = (6.5, 7.5)


@pytest.fixture(scope="module")
def stream() -> pd.DataFrame:
    return simulate(1200, 120_000, seed=11)


@pytest.fixture(scope="module")
def measured(stream: pd.DataFrame) -> pd.DataFrame:
    return stream[stream["verdict"].isin(["accepted", "rejected"])]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_seed_gives_the_same_rows_and_the_asked_number(scenario: str) -> None:
    first = simulate(40, 1500, seed=5, scenario=scenario)
    assert len(first) == 1500
    assert first["user_id"].nunique() == 40
    pd.testing.assert_frame_equal(first, simulate(40, 1500, seed=5, scenario=scenario))
    assert not first["weight"].equals(simulate(40, 1500, seed=6, scenario=scenario)["weight"])


def test_a_file_written_in_blocks_holds_what_the_frame_holds(tmp_path: Path) -> None:
    arguments = {"persons": 1100, "rows": 9_000, "seed": 2}  # more than one block of persons
    rows = simulate_csv(tmp_path / "a.csv", labels=tmp_path / "a_labels.csv", **arguments)
    write_csv(simulate(**arguments), tmp_path / "b.csv", tmp_path / "b_labels.csv")
    assert rows == 9_000
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a_labels.csv").read_bytes() == (tmp_path / "b_labels.csv").read_bytes()
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    labels = pd.read_csv(tmp_path / "a_labels.csv", keep_default_na=False)
    for row in labels.iloc[::997].itertuples():
        cells = lines[row.line - 1].split(",")
        assert (cells[0], cells[-1]) == (row.user_id, row.id)


@pytest.mark.parametrize(
    "arguments",
    [
        {"persons": 0},
        {"persons": 3, "rows": 2},
        {"persons": 1, "seed": -1},
        {"persons": 1, "scenario": "mxied"},
    ],
)
def test_impossible_requests_are_refused(arguments: dict) -> None:
    with pytest.raises(ConfigError):
        simulate(**arguments)


def test_one_person_with_one_row() -> None:
    assert len(simulate(1, 1, seed=0)) == 1


@pytest.mark.parametrize(
    "source", ["patient-device", "patient-upload", "care-team-upload", "https://api.iglucose.com"]
)
def test_right_readings_vary_about_the_level_as_their_source_says(
    source: str, measured: pd.DataFrame
) -> None:
    """In the morning nothing but bias, clothes, water, weekday and white noise is left."""
    right = measured[(measured["error"] == "ok") & (measured["source_type"] == source)]
    spec = SOURCES[source]
    hours = (10.0, 15.0) if spec.office_hours else MORNING
    right = right[right["hour"].between(*hours)]
    evening = 1.3 * evening_share(right["hour"].to_numpy())
    rest = right["weight_kg"] - right["level_kg"] - evening
    clothes = (0.55 * 0.8 + 0.45 * 1.2) * spec.clothed
    spread = np.hypot(spec.bias_sd_kg, 0.2 * spec.clothed)
    persons = right["user_id"].nunique()
    assert abs(rest.mean() - spec.bias_kg - clothes) < 0.06 + 4 * spread / np.sqrt(persons)

    within = rest - rest.groupby(right["user_id"]).transform("mean")
    many = rest.groupby(right["user_id"]).transform("size") >= 20
    if spec.office_hours:
        many = rest.groupby(right["user_id"]).transform("size") >= 8
    noise = spec.noise_kg**2 + (0.3 * spec.clothed) ** 2 + WATER_SD_KG**2
    expected = noise * np.exp(2 * 0.15**2) + (WEEK_AMPLITUDE * 82) ** 2 / 2
    counts = rest.groupby(right["user_id"]).transform("size")[many]
    unbiased = (within[many] ** 2 * counts / (counts - 1)).mean()
    assert unbiased == pytest.approx(expected, rel=0.15)


def test_questionnaires_are_rounded_to_a_kilogram_or_five_pounds(measured: pd.DataFrame) -> None:
    asked = measured[
        (measured["error"] == "ok") & (measured["source_type"] == "internal-questionnaire")
    ]
    pounds = asked["true_kg"] / KG_PER_LB
    in_kg = np.isclose(asked["true_kg"] % 1, 0) | np.isclose(asked["true_kg"] % 1, 1)
    in_lb = np.isclose(pounds % 5, 0, atol=1e-6) | np.isclose(pounds % 5, 5, atol=1e-6)
    assert len(asked) > 500
    assert (in_kg | in_lb).all()
    assert 0.3 < in_lb.mean() < 0.55


def test_gross_errors_come_at_the_rate_of_their_source() -> None:
    for scenario, source in [
        ("home_daily", "patient-device"),
        ("dirty_feed", "https://api.iglucose.com"),
        ("clinic_sparse", "https://connectivehealth.io"),
    ]:
        frame = simulate(1500, 60_000, seed=3, scenario=scenario, faults=False)
        own = frame[frame["source_type"] == source]
        wrong = ~own["error"].isin(["ok", "duplicate"])
        # A copy through another app leaves its source, so a tenth may be missing.
        assert 0.75 < wrong.mean() / SOURCES[source].error_rate < 1.15, source


def test_every_label_is_known_and_has_its_verdict(stream: pd.DataFrame) -> None:
    extra = {"offset_small", "wrong_date_small", "carried_forward", "scale_offset", "duplicate"}
    assert set(stream["error"]) <= set(REASONS) | extra | set(QUARANTINE_REASONS)
    verdict = stream.groupby("error")["verdict"].agg(set)
    for error, verdicts in verdict.items():
        if error in QUARANTINE_REASONS:
            assert verdicts == {"quarantined"}
        elif error in ("ok", "scale_offset"):
            assert verdicts == {"accepted"}
        else:
            assert verdicts == {"duplicate" if error == "duplicate" else "rejected"}


def test_text_says_what_the_truth_columns_say(measured: pd.DataFrame) -> None:
    unit = measured["unit"].map(lambda text: float(KILOGRAMS[canonical_unit(text)]))
    said = measured["weight"].astype(float) * unit
    np.testing.assert_allclose(said, measured["weight_kg"], rtol=1e-14)
    right = measured[measured["error"] == "ok"]
    assert (right["weight_kg"] - right["true_kg"]).abs().max() < 0.0051

    dated = measured["effectiveDateTime"].str.len() == 10
    assert measured.loc[dated, "hour"].isna().all()
    time = pd.to_datetime(measured["effectiveDateTime"], format="ISO8601", utc=True)
    day = (time - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    np.testing.assert_allclose(day + 0.5 * dated, measured["day"], atol=1e-8)
    clock = pd.to_timedelta(measured.loc[~dated, "effectiveDateTime"].str[11:19])
    hour = clock / pd.Timedelta(hours=1)
    np.testing.assert_allclose(hour, measured.loc[~dated, "hour"], atol=1 / 3599)


def test_each_named_error_is_its_transform(measured: pd.DataFrame) -> None:
    kinds = dict(tuple(measured.groupby("error")))
    at = {name: (kind["weight_kg"], kind["true_kg"]) for name, kind in kinds.items()}
    wrong, right = at["unit_lb_as_kg"]
    assert (wrong * KG_PER_LB - right).abs().max() < 0.06
    wrong, right = at["unit_kg_as_lb"]
    assert (wrong / KG_PER_LB - right).abs().max() < 0.07
    wrong, right = at["decimal_shift"]
    assert np.minimum((wrong / 10 - right).abs(), (wrong * 10 - right).abs()).max() < 0.06
    wrong, right = at["hundreds_off"]
    off = (wrong - right).abs()
    steps = [100, 200, *(KG_PER_LB * k for k in (100, 200, 300))]
    assert np.min([(off - step).abs() for step in steps], axis=0).max() < 0.02
    wrong, _ = at["implausible"]
    assert ((wrong < 20) | (wrong > 500)).all()
    wrong, right = at["bmi_as_weight"]
    assert np.sqrt(right / wrong).between(1.4, 2.1).all()
    shown = kinds["digit_swap"]
    kilos = shown[shown["weight"].str.count(r"\.") == 1]
    same_kg = kilos[np.isclose(kilos["true_kg"] * 10 % 1, 0) & (kilos["unit"] == "kg")]
    for row in same_kg.itertuples():
        assert sorted(row.weight.replace(".", "").zfill(4)) == sorted(
            f"{row.true_kg:.1f}".replace(".", "").zfill(4)
        )
    for name in set(at) & set(REASONS) - {"ok", "wrong_date", "repeat"}:
        wrong, right = at[name]
        assert ((wrong - right).abs() >= np.maximum(6.0, 0.08 * right) - 1e-9).all(), name


def test_what_no_one_can_find_is_labelled_small(measured: pd.DataFrame) -> None:
    small = measured[measured["error"] == "offset_small"]
    off = (small["weight_kg"] - small["true_kg"]).abs()
    assert ((off < 6) | (off < 0.08 * small["true_kg"])).all()


def test_a_copy_through_another_app_stands_within_two_minutes(measured: pd.DataFrame) -> None:
    copies = measured[measured["error"] == "repeat"]
    assert len(copies) > 200
    for row in copies.itertuples():
        own = measured[(measured["user_id"] == row.user_id) & (measured.index != row.Index)]
        since = (row.day - own["day"]) * 1440
        twins = own[since.between(-0.01, 2) & (own["source_type"] != row.source_type)]
        assert np.isclose(twins["weight_kg"], row.weight_kg, rtol=1e-12).any()


def test_of_two_on_a_date_alone_the_copy_is_the_later_in_the_order_of_a_series() -> None:
    """Nothing else could tell which it is."""
    frame = simulate(500, 25_000, seed=4, scenario="error_menu")
    frame["source"] = frame["source_type"].replace("", "unknown")
    dated = frame[frame["hour"].isna()]
    copies = dated[dated["error"] == "repeat"]
    pairs = copies.merge(dated, on=["user_id", "day"], suffixes=("", "_first"))
    pairs = pairs[
        (pairs["error_first"] == "ok") & np.isclose(pairs["weight_kg"], pairs["weight_kg_first"])
    ]
    assert len(pairs) > 5
    assert (pairs["source"] > pairs["source_first"]).all()
    assert (pairs["verdict_first"] == "accepted").all()
    assert (pairs["verdict"] == "rejected").all()


def test_a_carried_value_stood_in_the_series_before(measured: pd.DataFrame) -> None:
    for row in measured[measured["error"] == "carried_forward"].head(40).itertuples():
        own = measured[(measured["user_id"] == row.user_id) & (measured.index != row.Index)]
        before = own[own["day"] < row.day + 1]
        # Each source writes the same number in its own unit, so within its rounding.
        assert np.isclose(before["weight_kg"], row.weight_kg, atol=0.011).any()


def test_a_visible_wrong_date_contradicts_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = replace(SCENARIOS["surgery"], error_factor=10.0)
    monkeypatch.setitem(SCENARIOS, "busy", busy)
    frame = simulate(1000, 60_000, seed=8, scenario="busy", faults=False)
    dated = frame[frame["error"] == "wrong_date"]
    assert len(dated) > 10
    assert ((dated["weight_kg"] - dated["true_kg"]).abs() >= 6).all()
    for row in dated.itertuples():
        own = frame[(frame["user_id"] == row.user_id) & (frame["error"] == "ok")]
        apart = own["day"] - row.day
        assert apart.between(-61, 0).any()
        assert apart.between(0, 61).any()


def test_levels_move_as_much_as_the_field_measured(measured: pd.DataFrame) -> None:
    """At home 0.01-0.02 kg² a day; over months 0.06-0.09 kg² a day in clinics."""
    order = measured[(measured["error"] == "ok") & (measured["step"] == "")]
    order = order.sort_values(["user_id", "day"])
    gap = order.groupby("user_id")["day"].diff()
    moved = order.groupby("user_id")["level_kg"].diff()
    daily, monthly = gap.between(0.8, 1.2), gap.between(25, 100)
    assert 0.009 < (moved[daily] ** 2 / gap[daily]).mean() < 0.021
    assert 0.03 < (moved[monthly] ** 2 / gap[monthly]).mean() < 0.11


@pytest.mark.parametrize(
    ("scenario", "step", "low", "high"),
    [("surgery", "surgery", -36, -8), ("fluid", "fluid", 3, 9), ("gap_change", "gap", 3, 13)],
)
def test_real_steps_happen(scenario: str, step: str, low: float, high: float) -> None:
    frame = simulate(60, 12_000, seed=4, scenario=scenario, faults=False)
    changes = []
    for _, own in frame.sort_values("day").groupby("user_id"):
        during = own[own["step"] == step]
        before = own[own["day"] < during["day"].min()] if len(during) else own.iloc[:0]
        if len(before) and during["day"].max() - before["day"].max() > 30:
            changes.append(during["level_kg"].iloc[-1] - before["level_kg"].iloc[-1])
    sizes = np.array(changes) if step == "surgery" else np.abs(changes)
    assert len(sizes) > 20
    assert low < np.median(sizes) < high


def test_scenarios_do_what_their_name_says() -> None:
    first = simulate(200, 8_000, seed=1, scenario="first_wrong", faults=False)
    earliest = first.sort_values("day", kind="stable").groupby("user_id").head(1)
    assert earliest["error"].isin(["ok", "scale_offset"]).mean() < 0.15

    bursts = simulate(200, 20_000, seed=1, scenario="bursts", faults=False)
    wrong = ~bursts.sort_values(["user_id", "day"])["error"].isin(["ok", "duplicate"])
    runs = wrong.groupby((~wrong).cumsum()).sum()
    assert (runs >= 3).sum() > 100

    shared = simulate(200, 20_000, seed=1, scenario="household", faults=False)
    housemate = shared["error"].isin(["other_person", "offset_small"])
    assert 0.05 < housemate.mean() < 0.12

    bought = simulate(200, 20_000, seed=1, scenario="new_scale", faults=False)
    offset = bought[bought["error"] == "scale_offset"]
    assert 0.15 < len(offset) / len(bought) < 0.7
    assert (offset["weight_kg"] - offset["true_kg"]).abs().between(1.4, 4.1).all()


def test_rows_for_quarantine_and_copies_can_be_switched_off(stream: pd.DataFrame) -> None:
    kinds = stream["error"].value_counts()
    for reason in QUARANTINE_REASONS:
        assert kinds.get(reason, 0) > 0, reason
    exact = stream.duplicated(list(COLUMNS))
    assert 0.0015 < exact.mean() < 0.004
    assert (stream.loc[exact, "error"] == "duplicate").mean() > 0.4
    plain = simulate(100, 5_000, seed=2, faults=False)
    assert not plain["error"].isin(QUARANTINE_REASONS).any()
    assert not plain.duplicated(list(COLUMNS)).any()


def test_ids_belong_to_one_record(stream: pd.DataFrame) -> None:
    records = stream[stream["error"] != "duplicate"]
    assert not records.duplicated(["user_id", "id"]).any()


def test_files_are_mostly_newest_first_with_persons_interleaved() -> None:
    frame = simulate(60, 6_000, seed=7)
    falling = frame["day"].diff().dropna() <= 0
    assert 0.8 < falling.mean() < 0.99
    assert (frame["user_id"] != frame["user_id"].shift()).mean() > 0.5


def test_the_sample_is_what_its_command_makes(tmp_path: Path) -> None:
    """sample/README.md names the command."""
    simulate_csv(tmp_path / "weights.csv", persons=60, rows=6500, seed=4)
    sample = Path(__file__).parents[2] / "sample" / "weights.csv"
    assert (tmp_path / "weights.csv").read_bytes() == sample.read_bytes()


def test_cleaning_finds_what_the_labels_say(tmp_path: Path) -> None:
    """The reader and the simulator were written apart: each line's fate and value must agree."""
    frame = simulate(150, 15_000, seed=9)
    write_csv(frame, tmp_path / "weights.csv")
    rules = Rules(started=datetime(2025, 1, 1, tzinfo=UTC))
    blocks = list(read_clean(tmp_path / "weights.csv", ReadOptions(), rules, file=0))

    quarantine = pa.concat_tables([block.quarantine for block in blocks])
    faulty = frame[frame["verdict"] == "quarantined"]
    said = dict(zip(quarantine["line"].to_pylist(), quarantine["reason"].to_pylist(), strict=True))
    assert said == dict(zip(faulty.index + 2, faulty["error"], strict=True))

    measurements = pa.concat_tables(
        [block.measurements for block in blocks], promote_options="default"
    )
    measured = frame.loc[np.array(measurements["line"]) - 2]
    np.testing.assert_array_equal(measurements["weight_kg"], measured["weight_kg"])
    hour = measurements["hour"].to_numpy()
    np.testing.assert_allclose(hour, measured["hour"], atol=1e-5)
    day = measurements["time_us"].to_numpy() / 86_400e6
    np.testing.assert_allclose(day, measured["day"], rtol=0, atol=1e-9)

    kept = deduplicate(measurements, measurement_ids(measurements))
    assert len(kept.dropped) == (frame["verdict"] == "duplicate").sum() > 50
