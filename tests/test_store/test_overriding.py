"""What persons decide: it counts at once, outlives reruns, and can be withdrawn."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.running import configured, run
from weightstream.outputs.status import status_text
from weightstream.store import overriding
from weightstream.store.connection import STORE_NAME, StoreError, open_writer
from weightstream.store.overriding import apply_pending, parse_overrides


@pytest.fixture(scope="session")
def shown(rows_of):
    """The lines of the export that show a measurement."""
    query = (
        "select user_id, verdict, reason, p_valid, override, override_by, stage "
        "from current_decisions where measurement_id = ?"
    )
    return lambda data_dir, which: rows_of(data_dir, query, which)


def test_it_counts_at_once_and_outlives_reruns(
    store, store_files, csv_of, smooth, rows_of, decide, id_of, shown, course
):
    right, wrong = id_of(store, "80.20"), id_of(store, "176.4")
    before = rows_of(store, "select level_kg from current_decisions where user_id = 'a'")
    assert decide(store, right, "reject").verdicts == {right: "rejected, override"}
    decide(store, wrong, "accept")
    assert shown(store, right) == [("a", "rejected", "override", 0, "reject", "eva", "retro")]
    assert shown(store, wrong) == [("a", "accepted", "override", 1, "accept", "eva", "retro")]
    assert rows_of(store, "select level_kg from current_decisions where user_id = 'a'") != before
    assert rows_of(store, "select readings, dirty from users where user_id = 'a'") == [(20, 0)]
    store_files(store, csv_of(*course[:3], ("a", "2024-01-05T19:00:00Z", "80.9")))
    smooth(store)
    assert [line[1] for line in shown(store, right)] == ["rejected"]
    assert [line[1] for line in shown(store, wrong)] == ["accepted"]


def test_what_is_withdrawn_is_as_if_it_had_not_been(store, rows_of, decide, id_of, exported):
    before = exported(store)
    which, other = id_of(store, "80.20"), id_of(store, "60.0", "b")
    decide(store, which, "reject")
    decide(store, other, "assign", "a")
    decide(store, other, "accept")
    assert exported(store) != before
    decide(store, which, "withdraw")
    assert decide(store, other, "withdraw").persons == 2
    assert exported(store) == before
    kept = "select action, made_by, withdrawn_by from overrides where withdrawn_at is not null"
    assert len(rows_of(store, kept)) == 3
    assert rows_of(store, "select max(version) from decisions where measurement_id = ?", which) == [
        (3,)
    ]


def test_an_assigned_reading_moves(
    store, store_files, csv_of, smooth, rows_of, decide, id_of, shown, exported, course
):
    """From b, who is about 60 kg, to a."""
    which = id_of(store, "61", "b")
    done = decide(store, which, "assign", "a")
    assert done.persons == 2
    assert [line[0] for line in shown(store, which)] == ["a"]
    assert rows_of(store, "select user_id, readings from users order by 1") == [
        ("a", 21),
        ("b", 1),
    ]
    before = exported(store)
    outcomes = store_files(store, csv_of(*course)).outcomes
    assert outcomes["duplicates"] == len(course)
    smooth(store)
    assert exported(store) == before
    # New readings of both: their series are judged anew, with it and without it.
    late = [("a", "2024-01-02T19:00:00Z", "80.4"), ("b", "2024-01-15", "60.5")]
    store_files(store, csv_of(*late))
    assert [line[0] for line in shown(store, which)] == ["a"]
    smooth(store)
    assert rows_of(store, "select user_id, readings from users order by 1") == [
        ("a", 22),
        ("b", 2),
    ]
    moves = "select count(*) from decisions where user_id = 'b' and verdict = 'moved'"
    assert rows_of(store, moves) == [(1,)]  # said once, not by every pass


STATES = "select user_id, basis, settled, state from user_states order by 1"
ENDS = "select user_id, first_us, last_us, readings from users order by 1"


@pytest.mark.parametrize(
    "requests",
    [
        [("80.20", "a", "reject", None)],
        [("176.4", "a", "accept", None)],
        [("61", "b", "assign", "a")],
        [("80.20", "a", "reject", None), ("80.20", "a", "withdraw", None)],
    ],
)
def test_the_filter_is_at_once_where_a_later_ingest_would_bring_it(
    store_files, csv_of, fresh_dir, rows_of, decide, id_of, course, requests
):
    once, before = fresh_dir(), fresh_dir()
    store_files(once, csv_of(*course))
    store_files(before, csv_of(*course[3:10], *course[19:]))
    for data_dir in (once, before):
        for kg, user, action, to in requests:
            decide(data_dir, id_of(data_dir, kg, user), action, to)
    store_files(before, csv_of(*course[:3], *course[10:19]))  # so that all is filtered anew
    assert rows_of(once, STATES) == rows_of(before, STATES)
    assert rows_of(once, ENDS) == rows_of(before, ENDS)


def test_a_reading_assigned_after_the_last_is_not_overtaken(
    store_files, csv_of, fresh_dir, rows_of, decide, id_of
):
    mine = [("b", f"2024-01-{day:02}", f"{60 + day / 10}") for day in range(1, 12)]
    late = [("b", "2024-02-01", "61.5"), ("b", "2024-02-15", "61.7")]
    states = []
    for before, after in (([*mine, *late], []), (mine, late)):
        data_dir = fresh_dir()
        store_files(data_dir, csv_of(*before, ("a", "2024-03-01", "61.9")))
        decide(data_dir, id_of(data_dir, "61.9"), "assign", "b")
        for row in after:
            store_files(data_dir, csv_of(row))
        states.append((rows_of(data_dir, STATES), rows_of(data_dir, ENDS)))
    assert states[0] == states[1]


def test_whom_it_concerns_has_a_new_revision(store, rows_of, decide, id_of):
    """By which pages are found that are not as the store says."""
    revisions = "select user_id, revision from users order by 1"
    before = dict(rows_of(store, revisions))
    decide(store, id_of(store, "80.20"), "reject")
    after = dict(rows_of(store, revisions))
    assert after["a"] > before["a"]
    assert after["b"] == before["b"]
    decide(store, id_of(store, "61", "b"), "assign", "a")
    assert dict(rows_of(store, revisions))["b"] > before["b"]


def test_it_may_be_the_only_reading(store_files, csv_of, fresh_dir, rows_of, decide, id_of, shown):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80"), ("b", "2024-01-02", "81")))
    which = id_of(data_dir, "80")
    decide(data_dir, which, "assign", "b")
    assert [line[0] for line in shown(data_dir, which)] == ["b"]
    assert rows_of(data_dir, "select user_id, readings from users order by 1") == [
        ("a", 0),
        ("b", 2),
    ]
    assert store_files(data_dir, csv_of(("a", "2024-01-01", "80"))).outcomes["duplicates"] == 1
    decide(data_dir, which, "withdraw")
    assert [line[0] for line in shown(data_dir, which)] == ["a"]
    assert rows_of(data_dir, "select count(*) from current_decisions") == [(2,)]


def test_it_can_be_accepted_where_it_was_moved(store, decide, id_of, shown):
    which = id_of(store, "61", "b")
    decide(store, which, "assign", "a")
    assert shown(store, which)[0][:2] == ("a", "rejected")
    decide(store, which, "accept", by="max")
    assert shown(store, which)[0][:6] == ("a", "accepted", "override", 1, "accept", "max")


def test_the_same_again_changes_nothing(store, tables, decide, id_of):
    which = id_of(store, "80.20")
    decide(store, which, "reject", note="shoes")
    before = tables(store, "runs")
    done = decide(store, which, "reject", note="shoes")
    assert (done.unchanged, done.persons) == (1, 0)
    assert tables(store, "runs") == before


@pytest.mark.parametrize("minimum", [1, 3])
def test_too_few_readings(store_files, csv_of, fresh_dir, minimum, decide, id_of, shown):
    data_dir, few = fresh_dir(), {"min_readings": minimum}
    rows = [("a", f"2024-01-0{day}", f"8{day}") for day in range(1, 5)]
    store_files(data_dir, csv_of(*rows, ("b", "2024-01-01", "83")), settings={"data": few})
    which = id_of(data_dir, "84")
    decide(data_dir, which, "assign", "b", **few)
    assert len(shown(data_dir, which)) == 1
    decide(data_dir, which, "withdraw", **few)
    assert [line[0] for line in shown(data_dir, which)] == ["a"]


def test_a_corrected_reading_is_out_whatever_was_decided(
    store_files, csv_of, fresh_dir, smooth, rows_of, decide, id_of, shown
):
    header = ("user_id", "effectiveDateTime", "weight", "unit", "source_type", "id", "timestamp")
    rows = [
        ("a", f"2024-01-0{day}", f"8{day}", "kg", "s", str(day), "2024-02-01T00:00:00Z")
        for day in range(1, 6)
    ]
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*rows, ("b", "2024-01-01", "70", *rows[0][3:]), header=header))
    which = id_of(data_dir, "83")
    decide(data_dir, which, "assign", "b")
    corrected = (*rows[2][:2], "83.5", *rows[2][3:6], "2024-02-02T00:00:00Z")
    store_files(data_dir, csv_of(corrected, header=header))
    assert rows_of(data_dir, "select user_id from users where dirty order by 1") == [("a",), ("b",)]
    smooth(data_dir)
    assert [line[:3] for line in shown(data_dir, which)] == [("b", "rejected", "superseded")]
    assert "corrected the record" in decide(data_dir, which, "accept").faults[0]
    assert shown(data_dir, id_of(data_dir, "83.5"))[0][:2] == ("a", "accepted")
    back = (*rows[2][:6], "2024-02-03T00:00:00Z")
    store_files(data_dir, csv_of(back, header=header))
    smooth(data_dir)
    assert [line[0] for line in shown(data_dir, which)] == ["b"]
    assert shown(data_dir, which)[0][2] != "superseded"


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_order_and_splits_are_forgotten_with_overrides(
    data, fresh_dir, csv_of, store_files, smooth, rows_of, decide, id_of, exported, course
):
    requests = [
        ("80.20", "a", "reject", None),
        ("176.4", "a", "accept", None),
        ("61", "b", "assign", "a"),
    ]
    requests = data.draw(st.lists(st.sampled_from(requests), unique=True))
    once, many = fresh_dir(), fresh_dir()
    store_files(once, csv_of(*course))
    for kg, user, action, to in requests:
        decide(once, id_of(once, kg, user), action, to)
    smooth(once)
    both = [row for row in course if row[2] in ("60.0", "80.02")]  # both persons are known
    rest = data.draw(st.permutations([row for row in course if row not in both]))
    store_files(many, csv_of(*both))
    left = list(requests)
    for start in range(0, len(rest), 7):
        store_files(many, csv_of(*rest[start : start + 7]))
        for request in list(left):
            kg, user, action, to = request
            there = rows_of(many, "select 1 from measurements where raw_weight = ?", kg)
            if there and (start + 7 >= len(rest) or data.draw(st.booleans())):
                decide(many, id_of(many, kg, user), action, to)
                left.remove(request)
    smooth(many)
    assert not left
    assert exported(many) == exported(once)


def test_the_command(store, tmp_path, id_of):
    which = id_of(store, "80.20")
    done = run("override", which, "reject", "--by", "eva", "--note", "shoes", "--data-dir", store)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{which}: rejected, override" in done.stdout
    done = run("override", which, "--withdraw", "--by", "eva", "--data-dir", store)
    assert f"{which}: accepted, ok" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{id}", "reject"], "the name of who decides is missing"),
        (["{id}", "assign", "--by", "x"], "needs the user"),
        (["{id}", "assign", "nobody", "--by", "x"], "no person called 'nobody'"),
        (["{id}", "accept", "b", "--by", "x"], "only assign does"),
        (["0123", "accept", "--by", "x"], "no measurement '0123'"),
        (["{id}", "--withdraw", "--by", "x"], "no override to withdraw"),
        (["{id}", "accept", "--withdraw", "--by", "x"], "give no action with it"),
        (["{id}", "--by", "x"], "is not an action"),
        (["--csv", "{csv}"], "cannot be read"),
        (["{id}", "--csv", "{csv}"], "give no other argument"),
    ],
)
def test_what_is_wrong_is_one_sentence(store, tmp_path, arguments, words, tables, id_of):
    before = tables(store)
    given_ones = [a.format(id=id_of(store, "80.20"), csv=tmp_path / "no.csv") for a in arguments]
    done = run("override", *given_ones, "--data-dir", store)
    assert done.exit_code == 2
    assert done.stderr.startswith("weightstream: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert tables(store) == before


def test_a_file_without_lines_says_that_nothing_changed(store, tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("measurement_id,action,by\n")
    done = run("override", "--csv", path, "--data-dir", store)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "0 changed, 0 unchanged; 0 persons judged again\n"


def test_many_in_a_file(store, tmp_path, id_of, shown):
    path = tmp_path / "many.csv"
    one, two = id_of(store, "80.20"), id_of(store, "61", "b")
    path.write_text(
        "measurement_id,action,user,by,note\n"
        f"{one},reject,,eva,shoes\n"
        f"{two},Assign,a,eva,\n"
        "ffff,accept,,eva,\n"
        f"{one},maybe,,eva,\n"
        f"{one},accept,,,\n"
        ",accept,,eva,\n"
        f"{one},accept,,eva,x,y\n"
    )
    done = run("override", "--csv", path, "--data-dir", store)
    assert done.exit_code == 1
    told = done.stderr.splitlines()
    assert [line.split("line ")[1][0] for line in told] == ["5", "6", "7", "8", "4"]
    assert shown(store, one)[0][1:3] == ("rejected", "override")
    assert shown(store, two)[0][0] == "a"
    path.write_text("measurement,action\n")
    done = run("override", "--csv", path, "--data-dir", store)
    assert done.exit_code == 2
    assert "no measurement_id and no by" in done.stderr
    path.write_text("measurement_id,action,by\n")
    assert parse_overrides(path) == ([], [])


def test_a_weight_that_nobody_has_cannot_be_accepted(store_files, csv_of, fresh_dir, decide, id_of):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80"), ("a", "2024-01-02", "6553")))
    assert "no body weighs that" in decide(data_dir, id_of(data_dir, "6553"), "accept").faults[0]
    assert decide(data_dir, id_of(data_dir, "6553"), "reject").verdicts


def test_where_there_is_no_store(tmp_path, decide):
    with pytest.raises(StoreError, match="no store yet"):
        decide(tmp_path, "x", "accept")


def test_the_export_tells_who_decided(store, tmp_path, decide, id_of):
    from weightstream.outputs.exports.decisions import export_store

    decide(store, id_of(store, "80.20"), "reject")
    export_store(configured(store), tmp_path / "out.ndjson")
    rows = [json.loads(line) for line in (tmp_path / "out.ndjson").open()]
    (row,) = [row for row in rows if row["override"]]
    assert (row["override"], row["override_by"]) == ("reject", "eva")
    assert row["explanation"] == "a reviewer decided so"


def test_one_that_was_cut_short_is_applied_by_the_same_command(
    store, decide, id_of, shown, monkeypatch
):
    which = id_of(store, "80.20")
    with monkeypatch.context() as cut:
        cut.setattr(overriding, "rejudge", killed)
        with pytest.raises(Killed):
            decide(store, which, "reject")
    assert shown(store, which)[0][1] == "accepted"
    assert "overrides of 1 persons were cut short" in status_text(configured(store))
    report = decide(store, which, "reject")
    assert (report.unchanged, report.persons) == (1, 1)
    assert shown(store, which)[0][1:3] == ("rejected", "override")
    assert "cut short" not in status_text(configured(store))


@pytest.mark.parametrize("other", ["override", "pending"])
def test_one_that_was_cut_short_is_applied_by_any_next_command(
    store, decide, id_of, shown, monkeypatch, exported, other, smooth
):
    which, another = id_of(store, "80.20"), id_of(store, "60.0", "b")
    with monkeypatch.context() as cut:
        cut.setattr(overriding, "rejudge", killed)
        with pytest.raises(Killed):
            decide(store, which, "assign", "b")
    if other == "override":
        decide(store, another, "reject")
    else:
        with open_writer(store) as connection:
            assert apply_pending(connection, store / STORE_NAME, configured(store)) == 2
            assert apply_pending(connection, store / STORE_NAME, configured(store)) == 0
    assert [line[0] for line in shown(store, which)] == ["b"]
    assert smooth(store)[0] == []


def test_what_comes_back_stands_after_the_next_pass_over_what_comes(
    store, store_files, csv_of, decide, id_of, shown, monkeypatch
):
    """A causal pass leaves what retro decided; but that a reading was moved is no verdict on it."""
    which = id_of(store, "61", "b")
    decide(store, which, "assign", "a")
    with monkeypatch.context() as cut:
        cut.setattr(overriding, "rejudge", killed)
        with pytest.raises(Killed):
            decide(store, which, "withdraw")
    store_files(store, csv_of(("a", "2024-02-02", "80.4"), ("b", "2024-02-02", "60.5")))
    assert [line[:2] for line in shown(store, which)] == [("b", "accepted")]


class Killed(BaseException):
    pass


def killed(*_):
    raise Killed


def test_an_assignment_moves_nothing_of_others_in_the_batch(
    store_files, csv_of, fresh_dir, rows_of, decide, id_of
):
    """Of persons whose series is gone on from a state, only the newest readings are looked at."""
    data_dir, users = fresh_dir(), [f"u{at:02}" for at in range(70)]
    days = [f"2024-01-{day:02}T07:00:00Z" for day in range(2, 12)]
    rows = [(user, day, f"{80 + at / 50:.2f}") for user in users for at, day in enumerate(days)]
    store_files(data_dir, csv_of(*rows, *((user, "2024-01-12T07:00:00Z", "95") for user in users)))
    store_files(data_dir, csv_of(("a", days[0], "70.07"), ("c", days[0], "71")))
    decide(data_dir, id_of(data_dir, "70.07"), "assign", "c")
    new = [(user, "2024-01-13T07:00:00Z", "80.3") for user in users]
    store_files(data_dir, csv_of(*new, ("a", "2024-01-01T07:00:00Z", "70.1")))
    moved = "select distinct user_id from decisions where verdict = 'moved'"
    assert rows_of(data_dir, moved) == [("a",)]
