"""weightstream.summary and weightstream.plot: what is asked of cleaned measurements."""

import pandas as pd
import pyarrow as pa
import pytest

import weightstream
from weightstream.errors import InputError


@pytest.fixture(scope="module")
def cleaned():
    rows = [("b", f"2024-02-{day:02}", 60.0, "kg", "home") for day in (3, 1, 2)]
    rows += [
        ("a", f"2024-01-{day:02}T07:00:00Z", 80 + day / 50, "kg", "scale") for day in range(1, 21)
    ]
    rows += [("a", "2024-01-21T07:00:00Z", 176.4, "kg", "scale"), ("c", "no", 1, "kg", "x")]
    names = ["user_id", "time", "weight", "unit", "source"]
    return weightstream.clean(pd.DataFrame(rows, columns=names))


def test_a_line_per_person(cleaned):
    found = weightstream.summary(cleaned)
    assert found["user_id"].to_list() == ["a", "b"]
    a = found.iloc[0]
    assert (a["measurements"], a["rejected"]) == (21, 1)
    assert a["last_seen"] == pd.Timestamp("2024-01-21T07:00:00Z")
    assert a["level_lo_kg"] < a["level_kg"] < a["level_hi_kg"]
    newest = cleaned[cleaned["user_id"] == "a"].sort_values("effective_at").iloc[-1]
    assert a["level_kg"] == newest["level_kg"]
    assert pd.isna(a["change_28d_kg"]) == pd.isna(newest["change_28d_kg"])


def test_a_judged_file_says_the_same_as_a_frame(cleaned, csv_of, tmp_path):
    from click.testing import CliRunner

    from weightstream.cli_files import cli

    source = csv_of(*[("a", f"2024-01-{day:02}", f"{80 + day / 50}") for day in range(1, 21)])
    done = CliRunner().invoke(cli, ["clean", str(source), "-o", str(tmp_path / "out.csv")])
    assert done.exit_code == 0
    of_file = weightstream.summary(pd.read_csv(tmp_path / "out.csv"))
    of_frame = weightstream.summary(weightstream.clean(weightstream.read(source)))
    pd.testing.assert_frame_equal(of_file, of_frame, check_dtype=False)


def test_the_summary_is_the_kind_of_frame_that_came(cleaned):
    table = pa.Table.from_pandas(cleaned, preserve_index=False)
    assert isinstance(weightstream.summary(table), pa.Table)
    assert weightstream.summary(table)["user_id"].to_pylist() == ["a", "b"]


def test_the_chart_shows_readings_level_and_what_was_rejected(cleaned):
    figure = weightstream.plot(cleaned, "a")
    traces = {trace.name: trace for trace in figure.data if trace.name}
    assert set(traces) == {"95 % interval", "level", "scale", "rejected"}
    of_a = cleaned[cleaned["user_id"] == "a"]
    assert len(traces["scale"].x) == (of_a["outcome"] == "accepted").sum()
    assert list(traces["rejected"].y) == [176.4]
    assert "pounds" in traces["rejected"].text[0]
    assert len(traces["level"].y) == len(of_a)
    assert figure.layout.title.text == "a"
    assert figure.to_html(include_plotlyjs=False)


def test_a_person_may_be_named_as_in_the_frame_that_was_cleaned():
    rows = {"user_id": [7, 7], "date": ["2024-01-30", "2024-01-31"], "weight_kg": [80.0, 80.1]}
    cleaned = weightstream.clean(pd.DataFrame(rows))
    assert weightstream.plot(cleaned, 7) == weightstream.plot(cleaned, "7")


def test_what_is_wrong_is_one_sentence(cleaned):
    with pytest.raises(InputError, match="no column level_kg"):
        weightstream.summary(cleaned.drop(columns="level_kg"))
    with pytest.raises(InputError, match="there are no judged measurements of a person called 'z'"):
        weightstream.plot(cleaned, "z")
    with pytest.raises(InputError, match="a dict is not a frame"):
        weightstream.summary({})
