"""weightstream.read and weightstream.clean: frames in, frames out."""

import re
import uuid
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import weightstream
from tests.running import loaded_by, run_python
from weightstream.engine.model import PRIOR
from weightstream.errors import ConfigError, InputError
from weightstream.judging.parameters import write

ROOT = Path(__file__).parents[1]
ASIDE = {"version", "run_id", "file", "line", "override", "override_by"}


def exported_frame(data_dir, tmp_path):
    from weightstream.config_file import load
    from weightstream.outputs.exports.decisions import export_store

    out = tmp_path / "out.parquet"
    export_store(load(None, {("data", "data_dir"): data_dir}).config, out)
    return pd.read_parquet(out).set_index("measurement_id").sort_index()


def times_of(cleaned):
    """As the export writes them; None where there is none."""
    return [
        None if pd.isna(at) else f"{at:%Y-%m-%d}" if date_only else f"{at:%Y-%m-%dT%H:%M:%SZ}"
        for at, date_only in zip(cleaned["effective_at"], cleaned["date_only"], strict=True)
    ]


def decided(cleaned):
    rows = cleaned[cleaned["outcome"].isin(["accepted", "rejected"])]
    rows = rows.assign(effective_at=times_of(rows))
    return rows.set_index("measurement_id").sort_index()


def assert_same_decisions(cleaned, exported):
    names = [name for name in exported.columns if name not in ASIDE]
    assert set(names) <= set(cleaned.columns)
    pd.testing.assert_frame_equal(
        decided(cleaned)[names], exported[names], check_dtype=False, check_index_type=False,
        check_exact=True,
    )  # fmt: skip


def test_retro_is_what_an_ingest_ends_with(ingested, simulated, tmp_path):
    source = simulated(12, 900)
    ran = ingested(source, tmp_path / "data", retro="inline")
    cleaned = weightstream.clean(weightstream.read(source))
    assert_same_decisions(cleaned, exported_frame(tmp_path / "data", tmp_path))
    counts = cleaned["outcome"].value_counts()
    assert counts.get("duplicate", 0) == ran.result.counts["duplicates"]
    for outcome in ("accepted", "rejected", "quarantined"):
        assert counts.get(outcome, 0) == ran.result.counts[outcome]
    assert len(cleaned) == ran.result.rows_in


def test_causal_is_what_is_decided_first(store_files, simulated, tmp_path):
    source = simulated(12, 900)
    store_files(tmp_path / "data", source)
    cleaned = weightstream.clean(weightstream.read(source), stage="causal")
    assert_same_decisions(cleaned, exported_frame(tmp_path / "data", tmp_path))


def frame_of(*rows, names=("user_id", "time", "weight", "unit")):
    return pd.DataFrame(list(rows), columns=list(names))


def test_every_row_comes_back_under_its_index():
    days = [f"2024-01-{day:02}T07:00:00Z" for day in range(1, 11)]
    frame = pd.concat(
        [
            frame_of(*[("a", day, "80.1", "kg") for day in days]),
            frame_of(
                ("a", days[0], "80.10", "kg"),
                ("a", days[0], "80", "stones?"),
                ("a", None, "80", "kg"),
                ("b", "2999-01-01", "80", "kg"),
                (None, None, None, None),
            ),
        ]
    ).iloc[::-1]
    frame.index = [f"row {n}" for n in range(len(frame))]
    cleaned = weightstream.clean(frame)
    assert cleaned.index.equals(frame.index)
    assert cleaned["outcome"].to_list() == [
        *["quarantined"] * 4, "duplicate", *["accepted"] * 10
    ]  # fmt: skip
    assert cleaned["reason"].to_list()[:4] == [
        "missing_field", "future_timestamp", "missing_field", "unknown_unit"
    ]  # fmt: skip
    assert "stones?" in cleaned["detail"].iloc[3]
    copy, kept = cleaned.iloc[4], cleaned.iloc[-1]
    assert copy["measurement_id"] == kept["measurement_id"]
    assert copy["level_kg"] == kept["level_kg"]
    assert (copy["raw_weight"], kept["raw_weight"]) == ("80.10", "80.1")


@pytest.mark.parametrize(
    ("time", "effective_at"),
    [
        ("2024-01-31 07:12", "2024-01-31T07:12:00Z"),
        (datetime(2024, 1, 31, 7, 12), "2024-01-31T07:12:00Z"),
        (pd.Timestamp("2024-01-31 07:12", tz="Europe/Oslo"), "2024-01-31T06:12:00Z"),
        (date(2024, 1, 31), "2024-01-31"),
        (pd.NaT, None),
        (7, None),
    ],
)
@pytest.mark.parametrize("weight", ["80.10", 80.1, np.float32(80.1)])
def test_types_of_cells(time, effective_at, weight):
    cleaned = weightstream.clean(frame_of((1, time, weight, "KG")))
    assert times_of(cleaned) == [effective_at]
    row = cleaned.iloc[0]
    assert row["outcome"] == ("accepted" if effective_at else "quarantined")
    assert row["user_id"] == "1"


def test_cells_of_many_types_in_one_column():
    times = ["2024-01-30", date(2024, 1, 31), pd.Timestamp("2024-02-01 07:00"), 3, None]
    weights = [80, "80.5", 80.25, True, None]
    frame = pd.DataFrame({"user": "a", "date": times, "Weight (kg)": weights})
    cleaned = weightstream.clean(frame)
    assert times_of(cleaned)[:3] == [
        "2024-01-30", "2024-01-31", "2024-02-01T07:00:00Z"
    ]  # fmt: skip
    assert cleaned["weight_kg"].to_list()[:3] == [80, 80.5, 80.25]
    assert cleaned["reason"].to_list()[3:] == ["bad_number", "missing_field"]


def test_times_with_and_without_a_zone_in_one_column():
    """Whichever comes first; pandas and Arrow would give all of them one zone, or none."""
    wall, instant = datetime(2024, 1, 1, 8), pd.Timestamp("2024-01-01 08:00+05:00")
    for times in ([wall, instant, None], [instant, wall, None]):
        column = pd.Series(times, dtype=object)
        frame = pd.DataFrame({"user": "a", "date": column, "Weight (kg)": [80, 81, 82]})
        cleaned = weightstream.clean(frame, {"data": {"timezone": "Europe/Oslo"}})
        found = dict(zip(times, times_of(cleaned), strict=True))
        assert found[wall] == "2024-01-01T07:00:00Z"
        assert found[instant] == "2024-01-01T03:00:00Z"


def test_cells_that_no_text_or_number_of_arrow_can_hold():
    users = pd.Series(["a\udcff", 10**30, "b"], dtype=object)
    weights = pd.Series([80, 10**30, 81], dtype=object)
    frame = pd.DataFrame({"user": users, "date": "2024-01-01", "Weight (kg)": weights})
    cleaned = weightstream.clean(frame)
    assert cleaned["user_id"].to_list() == ["a?", "1" + "0" * 30, "b"]
    assert cleaned["outcome"].to_list() == ["accepted", "rejected", "accepted"]


def test_dates_in_either_order_are_told_by_the_whole_frame():
    ambiguous = frame_of(("a", "03/04/2024", 80, "kg"), ("a", "03/05/2024", 80, "kg"))
    assert set(weightstream.clean(ambiguous)["reason"]) == {"bad_timestamp"}
    proven = pd.concat([ambiguous, frame_of(("a", "28/04/2024", 80, "kg"))])
    assert times_of(weightstream.clean(proven))[0] == "2024-04-03"


def test_how_a_file_is_written_travels_with_its_records(tmp_path):
    commas = tmp_path / "commas.csv"
    commas.write_text("user;date;weight;unit\na;03/04/2024;80,5;kg\na;28/04/2024;81,25;kg\n")
    local = tmp_path / "local.csv"
    local.write_text("My export,\nDate,Weight (kg)\n2024-01-31 07:12:33,80.5\n")
    options = {"user": "a", "timezone": "Europe/Oslo"}
    frames = [weightstream.read(commas), weightstream.read(local, **options)]
    both = pd.concat(frames, ignore_index=True)
    assert both["weight"].to_list() == ["80,5", "81,25", "80.5"]
    assert both["line"].to_list() == [2, 3, 3]
    cleaned = weightstream.clean(both)
    assert times_of(cleaned) == ["2024-04-03", "2024-04-28", "2024-01-31T06:12:33Z"]
    assert cleaned["weight_kg"].to_list() == [80.5, 81.25, 80.5]
    both.to_csv(tmp_path / "kept.csv")
    again = pd.read_csv(tmp_path / "kept.csv", dtype=str)
    pd.testing.assert_frame_equal(weightstream.clean(again), cleaned)


def test_the_configuration_holds(tmp_path):
    frame = frame_of(
        *[("a", f"2024-01-{day:02} 08:00", 80, "kg") for day in range(1, 6)],
        ("b", "2024-01-01 08:00", 80, "kg"),
        ("c", "1999-01-01 08:00", 80, "kg"),
    )
    listed = tmp_path / "users.txt"
    listed.write_text("a\nb\n")
    data = {"timezone": "Europe/Oslo", "min_readings": 2, "users_file": str(listed)}
    cleaned = weightstream.clean(frame, {"data": data})
    assert times_of(cleaned)[0] == "2024-01-01T07:00:00Z"
    assert cleaned["reason"].to_list() == ["ok"] * 5 + ["below_min_readings", "not_selected"]
    assert cleaned["outcome"].to_list() == ["accepted"] * 5 + ["excluded"] * 2
    window = weightstream.clean(frame, {"data": {"max_users": 1, "min_date": "2000-01-01"}})
    assert window["reason"].to_list() == ["ok"] * 5 + ["not_selected", "too_old"]
    path = tmp_path / "some.toml"
    path.write_text('[data]\ntimezone = "Europe/Oslo"\n')
    assert times_of(weightstream.clean(frame, path))[0] == "2024-01-01T07:00:00Z"


def test_a_profile_is_more_than_its_name():
    weights = [80.0, 80.2, 79.9, 80.1, 80.0, 80.3, 79.8, 80.1]
    rows = [("a", f"2024-01-{2 * n + 1:02} 07:00", kg, "kg") for n, kg in enumerate(weights)]
    usual, clinical = (
        weightstream.clean(frame_of(*rows), {"profile": profile}, stage="causal").iloc[-1]
        for profile in ("balanced", "clinical")
    )
    widths = [row["expected_hi_kg"] - row["expected_lo_kg"] for row in (usual, clinical)]
    assert widths[0] < widths[1]


def test_what_is_wrong_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no column for user and unit"):
        weightstream.clean(pd.DataFrame({"date": ["2024-01-01"], "weight": [80]}))
    with pytest.raises(ConfigError, match=r"did you mean 'data.min_readings'"):
        weightstream.clean(frame_of(), {"data": {"min_reading": 1}})
    with pytest.raises(ConfigError, match="retro"):
        weightstream.clean(frame_of(), stage="smooth")
    with pytest.raises(InputError, match="does not exist"):
        weightstream.read(tmp_path / "none.csv")
    (tmp_path / "weights.csv").write_text("date,weight\n2024-01-01,80\n")
    with pytest.raises(InputError, match="give --user and --unit"):
        weightstream.read(tmp_path / "weights.csv")
    with pytest.raises(AttributeError):
        weightstream.smooth  # noqa: B018


def test_an_empty_frame_has_the_columns():
    cleaned = weightstream.clean(frame_of())
    assert len(cleaned) == 0
    full = weightstream.clean(frame_of(("a", "2024-01-01", 80, "kg")))
    assert list(cleaned.columns) == list(full.columns)


@pytest.mark.flow
def test_the_example_of_the_page_runs_without_prefect_and_store(tmp_path):
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)
    (tmp_path / "sample").symlink_to(ROOT / "sample")
    program = f"{snippet}\nimport sys\nassert not {{'prefect', 'tasks'}} & set(sys.modules)"
    program += "\nassert len(doubtful) == len(records) == 6500 and len(trend) > 6000"
    done = run_python(program, cwd=tmp_path, PATH="")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\{'accepted': \d+, .*'quarantined': 44\}\n", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


@pytest.mark.flow
def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import weightstream")
    assert "weightstream" in loaded
    assert not {"pandas", "numba", "pyarrow"} & loaded


def test_corrections_and_what_is_taken_back_are_as_in_a_store(ingested, tmp_path):
    source = tmp_path / "bulk.ndjson"
    observation = (
        '{"resourceType":"Observation","id":"%s","status":"%s","meta":{"lastUpdated":"%s"},'
        '"code":{"coding":[{"code":"29463-7"}]},"subject":{"reference":"Patient/p"},'
        '"effectiveDateTime":"2024-01-%02dT07:00:00Z","valueQuantity":{"value":%s,"unit":"kg"}}\n'
    )
    rows = [(n, "final", "2024-02-01T00:00:00Z", n, 80 + n / 10) for n in range(1, 9)]
    rows += [(3, "amended", "2024-02-02T00:00:00Z", 3, 80.9)]
    rows += [(5, "entered-in-error", "2024-02-02T00:00:00Z", 5, 80.5)]
    source.write_text("".join(observation % row for row in rows))
    ingested(source, tmp_path / "data", retro="inline")
    cleaned = weightstream.clean(weightstream.read(source))
    assert_same_decisions(cleaned, exported_frame(tmp_path / "data", tmp_path))
    reasons = cleaned["reason"].to_list()
    assert [reasons[row] for row in (2, 4, 8, 9)] == ["superseded", "retracted", "ok", "retracted"]
    assert cleaned["outcome"].to_list()[-1] == "excluded"


ROWS = [("a", f"2024-01-{day:02}T07:00:00Z", 80.0 + day / 50, "kg") for day in range(1, 21)]


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_the_kind_of_frame_that_came_goes_back(library):
    rows = [*ROWS, ("a", "2024-01-21T07:00:00Z", 176.4, "kg"), ("a", "soon", 80.0, None)]
    frame = frame_of(*rows).assign(height=181)
    expected = weightstream.clean(frame, keep=["height"])
    if library == "polars":
        polars = pytest.importorskip("polars")
        cleaned = weightstream.clean(polars.from_pandas(frame), keep=["height"])
        assert isinstance(cleaned, polars.DataFrame)
        assert cleaned.schema["effective_at"] == polars.Datetime("us", "UTC")
        found = cleaned.to_arrow()
    else:
        found = weightstream.clean(pa.Table.from_pandas(frame), keep=["height"])
        assert isinstance(found, pa.Table)
    assert found.column_names == list(expected.columns)
    assert found["height"].to_pylist() == [181] * len(rows)
    back = pa.Table.from_pandas(expected, preserve_index=False)
    for name in found.column_names:
        assert found[name].to_pylist() == back[name].to_pylist()


def test_kept_columns_stand_beside_their_row_whatever_the_index():
    frame = frame_of(*ROWS).assign(note=[f"n{day}" for day in range(1, 21)])
    frame.index = [7] * len(frame)
    cleaned = weightstream.clean(frame.iloc[::-1], keep=["note", "time"])
    assert cleaned["note"].to_list() == frame["note"].to_list()[::-1]
    assert list(cleaned.index) == [7] * len(frame)
    with pytest.raises(InputError, match="no column 'height' to keep"):
        weightstream.clean(frame, keep=["height"])
    with pytest.raises(InputError, match="'user_id' is a column of the result"):
        weightstream.clean(frame, keep=["user_id"])


@pytest.mark.parametrize("wrong", [{"user": ["a"]}, [{"user": "a"}], 7, None, "weights.csv"])
def test_what_is_no_frame_is_one_sentence(wrong):
    with pytest.raises(InputError, match=f"a {type(wrong).__name__} is not a frame") as caught:
        weightstream.clean(wrong)
    assert "\n" not in str(caught.value)


def test_each_way_of_writing_is_an_argument_of_its_own():
    commas = frame_of(("a", "2024-01-31 08:00", "80,5", "kg"))
    assert weightstream.clean(commas, decimal_comma=True)["weight_kg"].to_list() == [80.5]
    assert times_of(weightstream.clean(commas, timezone="Europe/Oslo")) == (
        times_of(weightstream.clean(commas, {"data": {"timezone": "Europe/Oslo"}}))
    )
    slashes = frame_of(("a", "03/04/2024", 80, "kg"))
    assert times_of(weightstream.clean(slashes, date_order="dmy")) == ["2024-04-03"]
    assert times_of(weightstream.clean(slashes, date_order="mdy")) == ["2024-03-04"]
    with pytest.raises(ConfigError, match="Moon"):
        weightstream.clean(slashes, timezone="Moon")


def test_cells_that_are_periods_and_ids_that_are_uuids():
    name = uuid.UUID("12345678-1234-5678-1234-567812345678")
    frame = pd.DataFrame(
        {
            "user": [name, name],
            "date": pd.PeriodIndex(["2024-01-30", "2024-01-31"], freq="D"),
            "weight_kg": [80.0, 80.1],
        }
    )
    cleaned = weightstream.clean(frame)
    assert cleaned["user_id"].to_list() == [str(name)] * 2
    assert times_of(cleaned) == ["2024-01-30", "2024-01-31"]


def test_what_reviewers_decided_and_what_was_learnt_holds_without_a_store(tmp_path):
    frame = frame_of(*ROWS, ("a", "2024-01-21T07:00:00Z", 130.0, "kg"))
    before = weightstream.clean(frame)
    assert before["verdict"].iloc[-1] == "rejected"
    words = pd.DataFrame(
        {"measurement_id": [before["measurement_id"].iloc[-1]], "action": "accept", "by": "eva"}
    )
    words.assign(user="", note="").to_csv(tmp_path / "words.csv", index=False)
    for given in (words, pa.Table.from_pandas(words), tmp_path / "words.csv"):
        last = weightstream.clean(frame, overrides=given).iloc[-1]
        assert (last["verdict"], last["reason"]) == ("accepted", "override")
        assert (last["override"], last["override_by"]) == ("accept", "eva")
    with pytest.raises(ConfigError, match="row 0: 'keep' is not an action"):
        weightstream.clean(frame, overrides=words.assign(action="keep"))
    with pytest.raises(ConfigError, match="no column by"):
        weightstream.clean(frame, overrides=words.drop(columns="by"))
    mine = replace(PRIOR, name="mine")
    write(mine, tmp_path / "set.json")
    for parameters in (mine, tmp_path / "set.json"):
        assert set(weightstream.clean(frame, parameters=parameters)["model"]) == {"mine"}
