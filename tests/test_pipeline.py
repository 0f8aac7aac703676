"""The one pipeline without a store: order, bounds, and one outcome for every row."""

import threading
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import judging_of
from weightstream.pipeline import judged_batches, map_in_order, read
from weightstream.readers import ReadOptions
from weightstream.schema import OUTCOMES

STARTED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def judged(tmp_path):
    """Judge files; gives their intake, and all rows as one table."""

    def run(*files, stage="retro", workers=2, users_per_task=0, **data):
        config = Config.model_validate({"data": data})
        intake = read(files, ReadOptions(), config.data, STARTED, tmp_path / "spill")
        batches = judged_batches(
            intake,
            judging_of(config, PRIOR),
            stage,
            users_per_task=users_per_task,
            workers=workers,
        )
        return intake, pa.concat_tables([batch.rows for batch in batches])

    return run


def in_order(rows):
    """Rows in one order and one encoding; without the hour, which is NaN and equals nothing."""
    rows = rows.drop_columns(["hour"])
    names = ["user_id", "time_us", "source", "weight_kg", "measurement_id", "outcome", "line"]
    plain = pa.schema(
        [(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in rows.schema]
    )
    return rows.cast(plain).sort_by([(name, "ascending") for name in names]).combine_chunks()


@pytest.mark.parametrize("stage", ["causal", "retro"])
def test_batches_threads_and_spilling_change_nothing(judged, simulated, stage):
    source = simulated(12, 900)
    _, whole = judged(source, stage=stage, workers=1, users_per_task=100)
    for how in ({"workers": 3, "users_per_task": 1}, {"spill_rows": 50}):
        _, rows = judged(source, stage=stage, **how)
        assert in_order(rows).equals(in_order(whole))


def test_causal_decisions_are_those_that_a_store_gets(
    judged, store_files, simulated, tmp_path, rows_of
):
    source = simulated(12, 900)
    store_files(tmp_path / "data", source)
    names = ("measurement_id", "verdict", "reason", "p_valid", "expected_kg", "level_kg")
    query = f"select {', '.join(names)} from current_decisions"
    _, rows = judged(source, stage="causal")
    decided = rows.filter(pc.is_in(rows["outcome"], pa.array(["accepted", "rejected"])))
    ours = zip(*(decided[name].to_pylist() for name in names), strict=True)
    assert sorted(ours, key=str) == sorted(rows_of(tmp_path / "data", query), key=str)


def test_every_row_has_one_outcome(judged, simulated):
    intake, rows = judged(simulated(12, 900))
    counts = dict.fromkeys(OUTCOMES, 0)
    for found in pc.value_counts(rows["outcome"]).to_pylist():
        counts[found["values"].replace("duplicate", "duplicates")] = found["counts"]
    assert counts["duplicates"] > 0
    assert counts["rejected"] > 0
    faulty = sum(file.quarantined for file in intake.files)
    assert sum(counts.values()) + faulty == intake.rows_in == 900


def test_duplicates_follow_with_the_decision_on_the_one_that_stays(judged, csv_of):
    rows = [("a", f"2024-01-{day:02}T07:00:00Z", "80") for day in range(1, 10)]
    _, found = judged(csv_of(*rows, rows[3], rows[3]))
    assert found["outcome"].to_pylist() == ["accepted"] * 9 + ["duplicate"] * 2
    assert found["line"].to_pylist() == [*range(2, 11), 11, 12]
    for name in ("measurement_id", "verdict", "level_kg", "expected_lo_kg"):
        assert found[name][9:].to_pylist() == [found[name][3].as_py()] * 2


def test_who_has_too_few_is_excluded_with_all_copies(judged, csv_of):
    rows = [("a", f"2024-01-0{day}T07:00:00Z", "80") for day in range(1, 4)]
    few = [("b", "2024-01-01T07:00:00Z", "60")] * 2
    _, found = judged(csv_of(*rows, *few), min_readings=3)
    outcomes = dict(zip(found["line"].to_pylist(), found["outcome"].to_pylist(), strict=True))
    assert outcomes == {2: "accepted", 3: "accepted", 4: "accepted", 5: "excluded", 6: "excluded"}
    assert found["verdict"].null_count == found["model"].null_count == 2


def test_an_override_decides(judged, csv_of):
    rows = [("a", f"2024-01-{day:02}T07:00:00Z", "80") for day in range(1, 10)]
    source = csv_of(*rows)
    _, before = judged(source)
    config = Config()
    intake = read([source], ReadOptions(), config.data, STARTED, source.with_suffix(".spill"))
    key = {
        name: [before[name][4].as_py()] for name in ("user_id", "effective_at", "measurement_id")
    }
    overrides = pa.table(key | {"action": ["reject"], "assigned_to": ["a"]})
    (batch,) = judged_batches(intake, judging_of(config, PRIOR), "retro", overrides=overrides)
    assert batch.rows["reason"].to_pylist() == ["ok"] * 4 + ["override"] + ["ok"] * 4
    assert batch.rows["outcome"][4].as_py() == "rejected"


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order_and_items_only_as_they_are_wanted(workers):
    taken = []
    first = threading.Event()

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    def work(item):
        if workers > 1 and item == 0:
            first.wait(30)  # the first is the last to end
        if item == 1:
            first.set()
        return -item

    results = []
    for result in map_in_order(work, items(), workers):
        results.append(result)
        assert len(taken) <= len(results) + workers
    assert results == [-item for item in range(20)]


def test_an_error_ends_the_results_and_takes_no_more():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    def work(item):
        if item == 2:
            raise ValueError("this one")
        return item

    with pytest.raises(ValueError, match="this one"):
        list(map_in_order(work, items(), 2))
    assert len(taken) < 10
