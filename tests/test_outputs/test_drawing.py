import sqlite3
import stat
from contextlib import closing, contextmanager

import pytest

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import judging_of
from weightstream.outputs.drawing import (
    Drawing,
    draw_index,
    draw_persons,
    needed_mb,
    portions,
    read_people,
    undrawn,
)
from weightstream.outputs.pages.index import read_index
from weightstream.outputs.pages.page import file_name, write_assets
from weightstream.outputs.watching import watchers
from weightstream.store.overriding import OverrideRequest, override


@contextmanager
def opened(data_dir):
    with closing(sqlite3.connect(data_dir / "weightstream.db")) as connection:
        yield connection


def drawing_of(data_dir, naming="hash", rate=0.1, most_mb=100):
    config = Config.model_validate({"alerts": {"false_alerts_per_year": rate}})
    judging = judging_of(config, PRIOR)
    return Drawing(data_dir / "dashboards", naming, judging, watchers(config.alerts), most_mb)


def drawn(data_dir, users, naming="hash"):
    drawing = drawing_of(data_dir, naming)
    write_assets(drawing.dashboards)
    with opened(data_dir) as connection:
        rows = draw_persons(connection, drawing, users)
        return draw_index(connection, drawing.dashboards, rows, naming)


def pages(data_dir):
    return {path.name for path in (data_dir / "dashboards" / "persons").iterdir()}


def rows(*users, days=range(1, 9)):
    return [(user, f"2024-01-{day:02}", f"{80 + day % 3}") for user in users for day in days]


@pytest.fixture
def data_dir(store_files, csv_of, fresh_dir):
    folder = fresh_dir()
    store_files(folder, csv_of(*rows("ann", "<b>", "cid")))
    return folder


def test_a_page_for_each_and_one_index(data_dir):
    index = drawn(data_dir, ["ann", "<b>", "cid"])
    assert pages(data_dir) == {file_name(user, "hash") for user in ("ann", "<b>", "cid")}
    assert read_index(index).keys() == {"ann", "<b>", "cid"}
    assert read_index(index)["ann"]["readings"] == 8
    assert b"<b>" not in index.read_bytes().split(b'id="data">')[1].split(b"</script>")[0]
    with opened(data_dir) as connection:
        assert undrawn(connection, data_dir / "dashboards", "hash") == []
    for path in (data_dir / "dashboards").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_only_the_persons_asked_for_are_drawn(data_dir, store_files, csv_of):
    drawn(data_dir, ["ann", "<b>", "cid"])
    store_files(data_dir, csv_of(*rows("ann", "cid", days=[20]), ("dee", "2024-01-01", "70")))
    index = drawn(data_dir, ["ann"])
    assert {user: row["readings"] for user, row in read_index(index).items()} == {
        "ann": 9, "<b>": 8, "cid": 8,
    }  # fmt: skip
    with opened(data_dir) as connection:
        assert undrawn(connection, data_dir / "dashboards", "hash") == ["cid", "dee"]


def test_whoever_changed_since_the_page_was_drawn_is_undrawn(data_dir, store_files, csv_of):
    """Such as by a run that was killed before it drew, or by what a person decided."""
    drawn(data_dir, ["ann", "<b>", "cid"])
    store_files(data_dir, csv_of(*rows("ann", days=[20])))
    store_files(data_dir, csv_of(*rows("cid")))  # nothing new
    with opened(data_dir) as connection:
        assert undrawn(connection, data_dir / "dashboards", "hash") == ["ann"]
    drawn(data_dir, ["ann"])
    with opened(data_dir) as connection:
        assert undrawn(connection, data_dir / "dashboards", "hash") == []


def test_what_a_person_decided_is_on_the_page(data_dir):
    drawn(data_dir, ["ann", "<b>", "cid"])
    with opened(data_dir) as connection:
        ids = dict(
            connection.execute(
                "select user_id || substr(effective_at, 9, 2), measurement_id from measurements"
            )
        )
    config = Config.model_validate({"data": {"data_dir": data_dir}})
    override(config, [OverrideRequest(ids["ann03"], "reject", None, "Eva", "not me")])
    override(config, [OverrideRequest(ids["cid02"], "assign", "<b>", "Eva", None)])
    with opened(data_dir) as connection:
        users = ["<b>", "ann", "cid"]
        assert undrawn(connection, data_dir / "dashboards", "hash") == users
        people = {p.user_id: p for p in read_people(connection, drawing_of(data_dir), users)}
    assert {user: len(p.columns["verdict"]) for user, p in people.items()} == {
        "ann": 8, "<b>": 9, "cid": 7,
    }  # fmt: skip
    told = {user: [(o.measurement_id, o.action, o.by, o.why) for o in p.overrides]
            for user, p in people.items()}  # fmt: skip
    assert told == {
        "ann": [(ids["ann03"], "reject", "Eva", "not me")],
        "<b>": [(ids["cid02"], "assign", "Eva", "")],
        "cid": [],
    }
    drawn(data_dir, users)
    page = data_dir / "dashboards" / "persons" / file_name("<b>", "hash")
    assert "moved here from another person" in page.read_text()
    assert '"cid"' not in page.read_text()  # from whom is not told


def test_who_has_no_reading_left_has_no_page(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*rows("ann"), ("bob", "2024-01-02", "80")))
    drawn(data_dir, ["ann", "bob"])
    with opened(data_dir) as connection:
        query = "select measurement_id from measurements where user_id = 'bob'"
        ((which,),) = connection.execute(query)
    config = Config.model_validate({"data": {"data_dir": data_dir}})
    override(config, [OverrideRequest(which, "assign", "ann", "Eva", None)])
    index = drawn(data_dir, ["ann", "bob"])
    assert read_index(index).keys() == {"ann"}
    assert pages(data_dir) == {file_name("ann", "hash")}


def test_another_naming_draws_everyone_anew(data_dir):
    drawn(data_dir, ["ann", "<b>", "cid"])
    with opened(data_dir) as connection:
        assert undrawn(connection, data_dir / "dashboards", "id") == ["<b>", "ann", "cid"]
    drawn(data_dir, ["ann", "<b>", "cid"], "id")
    assert pages(data_dir) == {file_name(user, "id") for user in ("ann", "<b>", "cid")}
    assert "ann.html" in pages(data_dir)


def test_who_left_the_store_leaves_the_pages(data_dir):
    drawn(data_dir, ["ann", "<b>", "cid"])
    with opened(data_dir) as connection:
        connection.execute("delete from users where user_id = 'cid'")
        connection.commit()
    index = drawn(data_dir, ["ann"])
    assert read_index(index).keys() == {"ann", "<b>"}
    assert pages(data_dir) == {file_name(user, "hash") for user in ("ann", "<b>")}


def test_who_is_undecided_has_no_page(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    few = {"data": {"min_readings": 5}}
    store_files(data_dir, csv_of(*rows("ann"), ("bob", "2024-01-01", "70")), settings=few)
    assert read_index(drawn(data_dir, ["ann", "bob"])).keys() == {"ann"}


def test_who_is_left_undecided_for_a_while_still_has_one(data_dir, store_files, csv_of):
    store_files(data_dir, csv_of(*rows("ann", days=[9])), settings={"data": {"min_readings": 99}})
    assert read_index(drawn(data_dir, ["ann"]))["ann"]["readings"] == 8


def test_many_persons_are_read_a_few_at_a_time(data_dir, monkeypatch):
    with opened(data_dir) as connection:
        together = list(read_people(connection, drawing_of(data_dir), ["<b>", "ann", "cid"]))
        monkeypatch.setattr("weightstream.outputs.drawing.READINGS_AT_A_TIME", 1)
        apart = list(read_people(connection, drawing_of(data_dir), ["<b>", "ann", "cid"]))
    assert (
        [one.user_id for one in together] == [one.user_id for one in apart] == ["<b>", "ann", "cid"]
    )
    assert [len(one.columns["verdict"]) for one in together] == [8, 8, 8]


@pytest.fixture
def crowd(data_dir):
    """A store that says of how many readings each person is."""

    def of(**readings):
        with opened(data_dir) as connection:
            connection.execute("delete from users")
            connection.executemany(
                "insert into users (user_id, readings, revision, dirty, rejected, first_us, "
                "last_us) values (?, ?, 1, 0, 0, 0, 0)",
                readings.items(),
            )
            connection.commit()

    return of


@pytest.mark.parametrize(
    ("most_mb", "portions_of"),
    [
        (100, [["a", "b", "c"], ["d"], ["e", "f", "g"]]),  # 10,000 readings at most
        (10, [["a", "b"], ["c"], ["d"], ["e"], ["f", "g"]]),  # 5,000
        (1, [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
    ],
)
def test_portions_fit_into_what_a_task_may_take(data_dir, crowd, most_mb, portions_of):
    crowd(a=3000, b=2000, c=5000, d=40_000, e=4900, f=101, g=4899)
    with opened(data_dir) as connection:
        assert list(portions(connection, [*"abcdefg"], most_mb)) == portions_of
        assert list(portions(connection, [], most_mb)) == []


@pytest.mark.parametrize(
    ("users", "most_mb", "megabytes"),
    [("a", 100, 1), ("ab", 100, 11), ("abcd", 100, 21), ("e", 100, 81), ("e", 50, 50), ("", 9, 1)],
)
def test_what_a_task_weighs(data_dir, crowd, users, most_mb, megabytes):
    crowd(a=100, b=5_000, c=5_000, d=5_000, e=40_000)
    with opened(data_dir) as connection:
        assert needed_mb(connection, [*users], most_mb) == megabytes


def test_the_wanted_rate_of_false_alerts_is_live(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    falling = [
        ("a", f"2024-{1 + n // 28:02}-{1 + n % 28:02}", f"{90 - n * 0.12:.1f}") for n in range(140)
    ]
    store_files(data_dir, csv_of(*falling))
    with opened(data_dir) as connection:
        few, many = (
            next(read_people(connection, drawing_of(data_dir, rate=rate), ["a"]))
            for rate in (1e-6, 5.0)
        )
    assert len(few.alerts) < len(many.alerts)
    assert (few.false_alerts, many.false_alerts) == (1e-6, 5.0)  # the page states it
