"""The story of a measurement, what was known before, and what is to be looked at."""

import csv
import json
import time

import pytest

from tests.running import configured, run
from weightstream.errors import ConfigError
from weightstream.judging.explanation import LOOKS_LIKE
from weightstream.outputs.exports.as_of import moment
from weightstream.outputs.history import history
from weightstream.outputs.review import review
from weightstream.store.connection import open_writer

KNOWN = ("measurement_id", "user_id", "verdict", "reason", "suggested_kg", "override")


def sentences(data_dir, which):
    return [event.sentence for event in history(configured(data_dir), which)]


def test_the_story_of_a_reading(store, decide, id_of):
    which = id_of(store, "176.4")
    decide(store, which, "assign", "b", note="her sister's")
    decide(store, which, "accept", by="max")
    decide(store, which, "withdraw", by="kim")
    told = sentences(store, which)
    assert told[0].startswith("received: 176.4 kg of 2024-01-09T07:00:00Z for a from scale (")
    assert ", line 20, run " in told[0] or ", line " in told[0]
    parts = [one.split(" (run")[0] for one in told[1:]]
    assert parts[0].startswith("rejected in the series of a: looks like pounds read as kg, 80.0 kg")
    expected = [
        "assigned to b by eva: her sister's",
        "left the series of a",
        "in the series of b",
        "the decision of eva (assign) was withdrawn or replaced by max",
        "accepted by max",
        "accepted in the series of b (rejected before): a reviewer decided so",
        "the decision of max (accept) was withdrawn or replaced by kim",
        "left the series of b",
        "rejected in the series of a",
    ]
    at = 1
    for words in expected:
        found = [n for n in range(at, len(told)) if words in told[n]]
        assert found, (words, told)
        at = min(found)
    times = [event.at for event in history(configured(store), which)]
    assert times == sorted(times)


def test_records_are_part_of_the_story(store_files, csv_of, fresh_dir, id_of):
    header = ("user_id", "effectiveDateTime", "weight", "unit", "source_type", "id", "timestamp")
    data_dir = fresh_dir()
    first = ("a", "2024-01-01", "80", "kg", "s", "r1", "2024-02-01T00:00:00Z")
    store_files(
        data_dir, csv_of(first, ("a", "2024-01-02", "81", "kg", "s", "r2", ""), header=header)
    )
    store_files(data_dir, csv_of((*first[:2], "70", *first[3:6], "2024-02-02"), header=header))
    old, new = id_of(data_dir, "80"), id_of(data_dir, "70")
    told = sentences(data_dir, old)
    assert any(f"record r1 says {new} instead, changed by the source on" in one for one in told)
    assert any(
        "rejected in the series of a (accepted before): the source corrected" in one for one in told
    )
    assert any(f"record r1 says {old} instead" in one for one in sentences(data_dir, new))
    assert not any("record" in one for one in sentences(data_dir, id_of(data_dir, "81")))


def test_the_command_tells_it(store, id_of):
    which = id_of(store, "176.4")
    done = run("history", which, "--data-dir", store)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) >= 2
    assert all(line[4] == "-" and line[19:22] == "Z  " for line in lines)
    events = json.loads(run("history", which, "--json", "--data-dir", store).stdout)
    assert [event["sentence"] for event in events] == [line[22:] for line in lines]
    assert {"received", "decision"} == {event["kind"] for event in events}
    unknown = run("history", "feed", "--data-dir", store)
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert "no measurement 'feed'" in unknown.stderr


def known_rows(data_dir, tmp_path, *arguments):
    out = tmp_path / "out.csv"
    done = run("export", out, "--data-dir", data_dir, *arguments)
    assert done.exit_code == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[name] for name in KNOWN) for row in rows], rows


def later():
    time.sleep(0.002)
    at = time.time()
    time.sleep(0.002)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03}Z"


def ended(data_dir, run=None):
    """Runs of the tests' harness never end: they do now."""
    with open_writer(data_dir) as connection, connection:
        connection.execute(
            "update runs set finished_at = strftime('%Y-%m-%dT%H:%M:%fZ') where finished_at is null"
        )


def test_what_was_known_then(
    store_files, csv_of, fresh_dir, tmp_path, smooth, decide, id_of, course
):
    data_dir, said = fresh_dir(), []
    new_level = [("a", f"2024-02-{day:02}", "62") for day in range(1, 9)]
    steps = [
        lambda: store_files(data_dir, csv_of(*course)),
        lambda: smooth(data_dir),
        lambda: store_files(data_dir, csv_of(*new_level)),
        lambda: smooth(data_dir),
        lambda: decide(data_dir, id_of(data_dir, "80.20"), "reject"),
        lambda: decide(data_dir, id_of(data_dir, "60.0", "b"), "assign", "a"),
        lambda: decide(data_dir, id_of(data_dir, "61", "b"), "assign", "a"),
        lambda: decide(data_dir, id_of(data_dir, "60.0", "b"), "withdraw"),
        lambda: decide(data_dir, id_of(data_dir, "80.20"), "accept"),
    ]
    before = later()
    for step in steps:
        step()
        ended(data_dir)
        said.append((later(), known_rows(data_dir, tmp_path)[0]))
    for at, rows in said:
        known, full = known_rows(data_dir, tmp_path, "--as-of", at)
        assert known == rows
        assert {row["p_valid"] + row["expected_kg"] + row["level_lo_kg"] for row in full} == {""}
    assert known_rows(data_dir, tmp_path, "--as-of", before)[0] == []
    assert known_rows(data_dir, tmp_path, "--as-of", "2020-01-01")[0] == []


@pytest.mark.parametrize(
    ("text", "timezone", "at"),
    [
        ("2024-05-31", "UTC", "2024-05-31T23:59:59.999Z"),
        ("2024-05-31", "America/New_York", "2024-06-01T03:59:59.999Z"),
        ("2024-03-31", "Europe/Oslo", "2024-03-31T21:59:59.999Z"),
        ("2024-05-31T12:00", "Europe/Oslo", "2024-05-31T10:00:00.000Z"),
        ("2024-05-31T12:00:00.1239Z", "Europe/Oslo", "2024-05-31T12:00:00.123Z"),
        ("2024-05-31 12:00+02:00", "UTC", "2024-05-31T10:00:00.000Z"),
    ],
)
def test_moments(text, timezone, at):
    assert moment(text, timezone) == at


UNUSABLE = ["", "yesterday", "2024-13-01", "05/06/2024", "2024"]
BEYOND = ["9999-12-31", "0000-01-01", "0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00"]


@pytest.mark.parametrize("text", [*UNUSABLE, *BEYOND])
def test_an_unusable_time_is_one_sentence(store, tmp_path, text):
    with pytest.raises(ConfigError, match="is not a time"):
        moment(text, "UTC")
    done = run("export", tmp_path / "out.csv", "--as-of", text, "--data-dir", store)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def test_one_form_of_export_at_a_time(store, tmp_path):
    done = run("export", tmp_path / "o.csv", "--raw", "--as-of", "2024-05-05", "--data-dir", store)
    assert done.exit_code == 2
    assert "--raw and --as-of" in done.stderr


def test_the_least_certain_come_first(store, decide, course):
    rows = review(configured(store), limit=100)
    doubt = [abs(row["p_valid"] - 0.5) for row in rows]
    assert doubt == sorted(doubt)
    assert len(rows) == len(course)
    assert all(row["explanation"] for row in rows)
    first = rows[0]["measurement_id"]
    decide(store, first, "reject")
    assert first not in {row["measurement_id"] for row in review(configured(store), limit=100)}
    assert len(review(configured(store), limit=3)) == 3
    assert {row["user_id"] for row in review(configured(store), "b")} == {"b"}
    with pytest.raises(ConfigError, match="no person"):
        review(configured(store), "z")


def test_what_is_no_longer_so_or_decided_leaves_no_gap(store, decide, rows_of):
    for row in review(configured(store), limit=4):
        decide(store, row["measurement_id"], "reject")
    standing = (
        "select measurement_id from current_decisions where override is null and p_valid is not "
        "null order by abs(p_valid - 0.5), user_id, effective_at, measurement_id"
    )
    wanted = [which for (which,) in rows_of(store, standing)]
    for limit in (1, 2, 5, 100):
        found = [row["measurement_id"] for row in review(configured(store), limit=limit)]
        assert found == wanted[:limit]


def test_review_in_the_terminal(store, rows_of):
    done = run("review", "--limit", "2", "--data-dir", store)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    which = lines[0].split()[0]
    assert rows_of(store, "select 1 from measurements where measurement_id = ?", which)
    as_json = json.loads(run("review", "--limit", "2", "--json", "--data-dir", store).stdout)
    assert [row["measurement_id"] for row in as_json] == [line.split()[0] for line in lines]


def test_nothing_to_review(store_files, csv_of, fresh_dir, decide, id_of):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")))
    decide(data_dir, id_of(data_dir, "80"), "accept")
    assert run("review", "--data-dir", data_dir).stdout == "nothing to review\n"


def test_a_copy_names_what_it_repeats(store_files, csv_of, fresh_dir, smooth, id_of, rows_of):
    data_dir = fresh_dir()
    rows = [("a", f"2024-01-{day:02}T07:00:00Z", "80.4", "kg", "scale") for day in range(1, 9)]
    rows.append(("a", "2024-01-08T07:01:00Z", "177.3", "lb", "app"))
    store_files(data_dir, csv_of(*rows))
    smooth(data_dir)
    told = sentences(data_dir, id_of(data_dir, "177.3"))
    query = "select measurement_id from measurements where effective_at = '2024-01-08T07:00:00Z'"
    ((repeated,),) = rows_of(data_dir, query)
    assert any(f"the weighing before it ({repeated} from scale)" in one for one in told), told


def test_two_likely_reasons_are_both_told(store_files, csv_of, fresh_dir, smooth, id_of):
    rows = [
        ("a", f"2024-01-{day:02}T07:00:00Z", f"{79.8 + day % 3 / 10:.1f}") for day in range(1, 21)
    ]
    rows.append(("a", "2024-01-21T07:00:00Z", "8.1"))  # 80.1 or 81.0 kg
    store_files(data_dir := fresh_dir(), csv_of(*rows))
    words = {name: LOOKS_LIKE[name] for name in ("digit_swap", "decimal_shift")}
    for stage in ("causal", "retro"):
        event = history(configured(data_dir), id_of(data_dir, "8.1"))[-1]
        first, second = event.facts["reason"], event.facts["second_reason"]
        assert event.facts["stage"] == stage
        assert f": possibly {words[first]}, 8" in event.sentence
        assert f" kg, or {words[second]} (0." in event.sentence
        queue = review(configured(data_dir), limit=len(rows))
        (row,) = [row for row in queue if row["weight_kg"] == 8.1]
        assert (row["second_reason"], row["p_second"]) == (second, event.facts["p_second"])
        assert f", or {words[second]} (0." in row["explanation"]
        smooth(data_dir)
