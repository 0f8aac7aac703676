"""Birth date and sex reach the engine on every road, and the store keeps and erases them."""

import itertools
import json
import random
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import weightstream
from tasks.runtime.open_run import open_store
from tests.running import run
from weightstream import clean_files, pipeline
from weightstream.batch import SEXES
from weightstream.config import Config, Data
from weightstream.dataset import clean_dataset
from weightstream.demographics import (
    CONTRADICTORY,
)
from weightstream.engine.model import PRIOR
from weightstream.intake import sources
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.intake.import_report import to_text
from weightstream.intake.sources import report_of
from weightstream.judging import causal
from weightstream.judging.causal import judging_of
from weightstream.readers import ReadOptions
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.learning_run import stored_batches

BORN, OTHER = "1984-05-31", "1985-01-01"
DAY = (datetime(1984, 5, 31) - datetime(1970, 1, 1)).days
HEAD = "user_id,time,weight,unit,birth_date,sex\n"


def lines_of(seed):
    """Rows of five persons in any order: what is stated of them is right, absent or contradicts."""
    chance = random.Random(seed)
    lines = []
    for user, births, sexes in (
        ("a", ["", BORN], ["", "m"]),
        ("b", ["", BORN, OTHER], ["m", "f"]),
        ("c", [""], [""]),
        ("d", ["1990-02-28"], ["female"]),
        ("e", ["", "2024-03-01"], [""]),  # weighed before
    ):
        for day in range(1, 13):
            born = births[day % len(births)]
            weight = 70 + chance.gauss(0, 0.4)
            sex = sexes[day % len(sexes)]
            lines.append(f"{user},2024-01-{day:02}T07:00:00Z,{weight:.2f},kg,{born},{sex}\n")
    chance.shuffle(lines)
    return lines


def said(batches):
    """Birth date and sex by person, as the engine takes them."""
    return {
        user: (None if np.isnan(born) else born, SEXES[sex])
        for batch in batches
        for user, born, sex in zip(batch.user_ids, batch.born, batch.sex, strict=True)
    }


WANTED = {
    "a": (DAY, "m"),
    "b": (None, None),
    "c": (None, None),
    "d": ((datetime(1990, 2, 28) - datetime(1970, 1, 1)).days, "f"),
    "e": (None, None),
}


@pytest.fixture
def write(tmp_path):
    numbers = itertools.count()

    def write(lines, name="part"):
        path = tmp_path / f"{name}{next(numbers)}.csv"
        path.write_text(HEAD + "".join(lines), "utf-8")
        return path

    return write


def stored(data_dir):
    with open_writer(data_dir) as connection:
        return said(stored_batches(connection, "UTC"))


@pytest.mark.parametrize("seed", range(3))
def test_files_and_store_tell_the_engine_the_same_in_any_split(
    seed, write, store_files, fresh_dir, tmp_path, rows_of, smooth, exported
):
    lines, chance = lines_of(seed), random.Random(seed)
    intake = pipeline.read(
        [write(lines)], ReadOptions(), Data(spill_rows=chance.choice([10, 1_000])),
        datetime.now(UTC), tmp_path / "spill",
    )  # fmt: skip
    judged = pipeline.judged_batches(intake, judging_of(Config(), PRIOR), "retro")
    assert said(batch.series.batch() for batch in judged) == WANTED
    assert intake.contradictory == {"birth_date": 1, "sex": 1}
    once, often = fresh_dir(), fresh_dir()
    store_files(once, write(lines))
    cuts = sorted(chance.sample(range(1, len(lines)), 3))
    for start, stop in itertools.pairwise([0, *cuts, len(lines)]):
        store_files(often, write(lines[start:stop]))
    assert stored(once) == stored(often) == WANTED
    query = "select * from demographics"
    assert rows_of(once, query) == rows_of(often, query)
    for data_dir in (once, often):
        smooth(data_dir)
    assert exported(once) == exported(often)


def test_a_frame_tells_the_engine_the_same(monkeypatch):
    seen = captured(monkeypatch, "weightstream.frames.judge")
    rows = [line.strip().split(",") for line in lines_of(0)]
    weightstream.clean(pd.DataFrame(rows, columns=HEAD.strip().split(",")))
    assert said(seen) == WANTED


def test_every_worker_tells_the_engine_the_same(monkeypatch, write, tmp_path):
    seen = captured(monkeypatch, "weightstream.clean_files.judge")
    lines = lines_of(0)
    paths = [str(write(lines[at::3])) for at in range(3)]
    done = clean_dataset(paths, tmp_path / "out")
    assert said(seen) == WANTED
    assert done["contradictory"] == {"birth_date": 1, "sex": 1}


def captured(monkeypatch, name):
    seen, judge = [], clean_files.judge

    def judging(*arguments):
        batch = judge(*arguments)
        seen.append(batch.series.batch())
        return batch

    monkeypatch.setattr(name, judging)
    return seen


def weighings(days, born="", sex=""):
    return [f"a,2024-01-{day:02},80,kg,{born},{sex}\n" for day in days]


def test_a_birth_date_alone_makes_the_person_judged_anew(
    write, store_files, smooth, data_dir, rows_of, tables, monkeypatch
):
    store_files(data_dir, write(weighings(range(1, 9))))
    smooth(data_dir)
    seen, filter_batch = [], causal.filter_batch
    monkeypatch.setattr(
        causal, "filter_batch", lambda *given: seen.append(given[0]) or filter_batch(*given)
    )
    path = write(weighings([8], BORN, "m"))
    assert store_files(data_dir, path).outcomes["duplicates"] == 1
    assert [len(batch.day) for batch in seen] == [8]
    assert said(seen) == {"a": (DAY, "m")}
    assert rows_of(data_dir, "select dirty, revision, readings from users") == [(1, 3, 8)]
    smooth(data_dir)
    before = tables(data_dir, "runs", "files")
    store_files(data_dir, path)  # again: nothing is new
    assert tables(data_dir, "runs", "files") == before
    store_files(data_dir, write(weighings([9])))  # and it is known when the next reading comes
    assert [len(batch.day) for batch in seen[2:]] == [1]
    assert said(seen[2:]) == {"a": (DAY, "m")}


def test_a_later_file_that_contradicts_is_told_and_nobody_is_named(
    write, store_files, data_dir, caplog, rows_of
):
    store_files(data_dir, write(weighings([1], BORN, "m"), "first"))
    done = store_files(data_dir, write(weighings([2], OTHER, "m"), "second"))
    told = to_text(report_of(done.intake, ReadOptions(), "UTC"), True).splitlines()
    assert told[-1] == ("birth dates contradict each other for 1 persons, so none is used for them")
    assert not any("sexes" in line for line in told)
    assert rows_of(data_dir, "select birth_date, sex from persons") == [(CONTRADICTORY, "m")]
    assert stored(data_dir) == {"a": (None, "m")}


def test_birth_dates_that_are_not_used_are_told(write, store_files, data_dir):
    done = store_files(data_dir, write(weighings([1, 2], "1984") + weighings([3], BORN)))
    told = to_text(report_of(done.intake, ReadOptions(), "UTC"), True)
    assert "2 rows have a birth date that is not used" in told


def test_a_refused_file_states_nothing(write, store_files, data_dir, monkeypatch):
    good = write(weighings([1], "", "m"))
    bad = write([*weighings([2], BORN), "a,2024-01-03,80,lb,,f\n"])

    def changed(path, before):
        if path == bad:
            raise sources.InputError("changed")

    monkeypatch.setattr(sources, "_check_unchanged", changed)
    store_files(data_dir, good, bad)
    assert stored(data_dir) == {"a": (None, "m")}


def test_nothing_is_left_of_the_erased(write, store_files, data_dir, rows_of):
    born = "1971-08-09"  # BORN is in a comment of the table's definition
    others = ["b,2024-01-01,70,kg,1990-02-28,f\n"]
    store_files(data_dir, write(weighings([1, 2], born, "m") + others))
    assert run("erase", "a", "--data-dir", data_dir).exit_code == 0
    left = [("b", "1990-02-28")]
    assert rows_of(data_dir, "select user_id, birth_date from demographics") == left
    assert born.encode() not in (data_dir / STORE_NAME).read_bytes()
    store_files(data_dir, write(weighings([1, 2], born, "m")))
    assert rows_of(data_dir, "select user_id, birth_date from demographics") == left


def test_the_list_of_persons_limits_what_is_known_of_others(write, store_files, data_dir, tmp_path):
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("b\n")
    others = ["b,2024-01-01,70,kg,1990-02-28,f\n"]
    settings = {"data": {"users_file": wanted}}
    store_files(data_dir, write(weighings([1], BORN) + others), settings=settings)
    assert [*stored(data_dir)] == ["b"]


def patient(**more):
    return {"resourceType": "Patient", "id": "a", "birthDate": BORN, "gender": "male", **more}


def observation(day):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/a"},
        "effectiveDateTime": f"2024-01-{day:02}",
        "valueQuantity": {"value": 80, "unit": "kg"},
    }


@pytest.mark.parametrize("order", [1, -1])
def test_the_patients_of_a_bulk_export_have_a_file_of_their_own(
    order, store_files, data_dir, tmp_path, rows_of, tables
):
    files = {
        "Patient.ndjson": [patient(), patient(id="nothing known", birthDate="1984-05", gender="")],
        "Observation.ndjson": [observation(day) for day in range(1, 9)],
    }
    for name, resources in [*files.items()][::order]:
        (tmp_path / name).write_text("\n".join(map(json.dumps, resources)), "utf-8")
        store_files(data_dir, tmp_path / name)
    assert stored(data_dir) == {"a": (DAY, "m")}
    assert rows_of(data_dir, "select * from demographics where user_id <> 'a'") == []
    before = tables(data_dir, "runs", "files")
    for name in files:
        store_files(data_dir, tmp_path / name)
    assert tables(data_dir, "runs", "files") == before


def test_patients_who_were_never_weighed_are_kept_apart_from_persons(
    store_files, data_dir, tmp_path, rows_of
):
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(patient()))
    store_files(data_dir, path)
    assert rows_of(data_dir, "select user_id, birth_date, sex from demographics") == [
        ("a", BORN, "m")
    ]
    assert rows_of(data_dir, "select count(*) from users") == [(0,)]


def test_of_one_persons_records_every_patient_is_that_person(store_files, data_dir, tmp_path):
    record = observation(1) | {"subject": {}}
    bundle = [patient(), patient(id="x", gender="female"), record]
    path = tmp_path / "records.json"
    path.write_text(json.dumps(bundle))
    store_files(data_dir, path, user="me")
    assert stored(data_dir) == {"me": (DAY, None)}


@pytest.mark.parametrize(
    ("name", "ages", "births"),
    [
        ("agedays", ("30", "61"), ["1900-01-01"]),
        ("age_years", ("2.08", "2.17"), ["1900-01-01"]),
        ("age_years", ("2", "3"), []),  # up to a year older
        ("age_years", ("2.0", "3.0"), []),  # as pandas writes them where some are missing
    ],
)
def test_ages_that_are_the_time_give_a_birth_date_unless_in_whole_years(
    name, ages, births, tmp_path
):
    path = tmp_path / "growth.csv"
    lines = [f"a,{age},WEIGHTKG,1,{12 + at}\n" for at, age in enumerate(ages)]
    path.write_text(f"subjid,{name},param,sex,measurement\n{''.join(lines)}")
    (found,) = read_clean(path, ReadOptions(), Rules(datetime(2030, 1, 1, tzinfo=UTC)), 0, 1)
    assert [one for one in found.demographics["birth_date"].to_pylist() if one] == births
    assert found.demographics["sex"].to_pylist() == ["f"]


def test_an_age_beside_a_date_gives_no_birth_date(tmp_path):
    """It may be the age at enrolment, in every row the same."""
    path = tmp_path / "ages.csv"
    path.write_text("user_id,time,weight,unit,age\na,2024-01-01,14,kg,2.5\na,2024-07-01,15,kg,3\n")
    (found,) = read_clean(path, ReadOptions(), Rules(datetime(2030, 1, 1, tzinfo=UTC)), 0, 1)
    assert len(found.measurements) == 2
    assert len(found.demographics) == 0


def test_a_run_reads_a_store_of_persons_who_were_only_described(store_files, data_dir, tmp_path):
    with open_store("first", "ingest", Config(), data_dir) as store:
        assert not store.has_persons
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(patient()))
    store_files(data_dir, path)
    with open_store("second", "ingest", Config(), data_dir) as store:
        assert store.has_persons


def test_persons_who_were_only_described_are_erased_from_a_backup_too(
    store_files, data_dir, tmp_path, rows_of, write
):
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(patient()))
    store_files(data_dir, path)
    saved = tmp_path / "saved.db"
    assert run("backup", saved, "--data-dir", data_dir).exit_code == 0
    assert run("erase", "a", "--data-dir", data_dir).exit_code == 0
    assert rows_of(data_dir, "select user_id from demographics") == []
    assert run("restore", saved, "--overwrite", "--data-dir", data_dir).exit_code == 0
    assert rows_of(data_dir, "select user_id from demographics") == []


def test_a_person_is_in_one_batch_whatever_is_stated_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROWS_PER_TASK", 2)
    resources = [
        *[patient(id=user) for user in "abcde"],
        observation(1),
        observation(2) | {"subject": {"reference": "Patient/b"}, "status": "entered-in-error"},
    ]
    path = tmp_path / "all.ndjson"
    path.write_text("\n".join(map(json.dumps, resources)))
    intake = pipeline.read(
        [path], ReadOptions(), Data(), datetime.now(UTC), tmp_path / "spill", threads=1
    )
    parts = list(intake.parts(2, 0))
    assert [part.demographics["user_id"].to_pylist() for part in parts] == [
        ["a"], ["b"], ["c", "d"], ["e"],
    ]  # fmt: skip
    assert [len(part.retractions) for part in parts] == [0, 1, 0, 0]
