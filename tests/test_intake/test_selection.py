from datetime import UTC, datetime

import pyarrow as pa
import pytest

from weightstream.config import Data
from weightstream.errors import ConfigError
from weightstream.intake.cleaning import Rules, clean
from weightstream.intake.selection import NOT_LISTED, OUTSIDE_DATES, Selection
from weightstream.readers.block import raw_table_of_rows

RULES = Rules(datetime(2026, 1, 1, tzinfo=UTC))


def measurements(*rows):
    """Of (user, time); a user None makes a row that cleaning cannot use."""
    raw = [
        {"user_id": user, "time": time, "source": "s", "weight": weight, "unit": "kg", "line": line}
        for line, (user, time, *rest) in enumerate(rows, 2)
        for weight in rest or ["80"]
    ]
    return clean(raw_table_of_rows(raw), RULES, 0).measurements


def users(table):
    return table["user_id"].cast(pa.string()).to_pylist()


def listed(tmp_path, text):
    path = tmp_path / "users.txt"
    path.write_text(text, "utf-8")
    return path


def read(selection, table):
    kept, excluded = selection.of_rows(table)
    selection.end_of_source(usable=True)
    return kept, excluded


def test_by_default_everything_stays():
    table = measurements(("b", "1900-01-01"), ("a", "2024-01-01T10:00:00+02:00"))
    selection = Selection(Data())
    kept, excluded = read(selection, table)
    assert users(kept) == ["b", "a"]
    assert excluded == {}
    assert not selection.windowed
    inside, outside = selection.of_persons(kept)
    assert users(inside) == ["b", "a"]
    assert len(outside) == 0


def test_only_listed_persons_stay(tmp_path):
    path = listed(tmp_path, "\ufeffb\r\n\n  c d \nnobody\n")
    selection = Selection(Data(users_file=path))
    kept, excluded = read(
        selection, measurements(("a", "2024-01-01"), ("b", "2024-01-01"), ("c d", "2024-01-02"))
    )
    assert users(kept) == ["b", "c d"]
    assert excluded == {NOT_LISTED: 1}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "users.txt"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"users_file .*users\.txt cannot be read"):
        Selection(Data(users_file=path))


def test_the_range_of_days_is_of_the_time_as_written():
    """23:30 on the last day, west of Greenwich, is the next day in UTC and stays."""
    table = measurements(
        ("a", "2024-01-31T23:59:59"),
        ("b", "2024-02-01"),
        ("c", "2024-02-29T23:30:00-05:00"),
        ("d", "2024-03-01T00:00:00"),
        ("e", "2024-03-01T00:30:00+05:00"),
    )
    kept, excluded = read(Selection(Data(date_from="2024-02-01", date_to="2024-02-29")), table)
    assert users(kept) == ["b", "c"]
    assert excluded == {OUTSIDE_DATES: 3}


@pytest.mark.parametrize(
    ("offset", "most", "chosen"),
    [(0, 2, "ab"), (1, 0, "bcd"), (1, 2, "bc"), (3, 5, "d"), (9, 1, "")],
)
def test_the_window_over_persons(offset, most, chosen):
    selection = Selection(Data(user_offset=offset, max_users=most))
    days = ("2024-01-01", "2024-01-02")
    tables = [
        read(selection, measurements(*((user, day) for user in some for day in days)))[0]
        for some in ("db", "ac", "bd")
    ]
    assert selection.persons == len(chosen)
    inside, outside = zip(*map(selection.of_persons, tables), strict=True)
    assert {user for table in inside for user in users(table)} == set(chosen)
    assert sum(map(len, inside)) + sum(map(len, outside)) == 12


def test_who_has_no_reading_left_is_not_in_the_window(tmp_path):
    """Persons of whom the list, the dates or cleaning leave nothing take no one's place."""
    data = Data(users_file=listed(tmp_path, "b\nc\nd\ne\n"), date_from="2024-01-01", max_users=2)
    selection = Selection(data)
    kept, _ = read(
        selection,
        measurements(
            ("a", "2024-01-01"),
            ("b", "2023-01-01"),
            ("c", "2024-01-01", "eighty"),
            ("d", "2024-01-01"),
            ("e", "2024-01-01"),
        ),
    )
    assert selection.persons == 2
    assert users(selection.of_persons(kept)[0]) == ["d", "e"]


def test_persons_of_an_unusable_source_are_not_in_the_window():
    selection = Selection(Data(max_users=1))
    selection.of_rows(measurements(("a", "2024-01-01")))
    selection.end_of_source(usable=False)
    kept, _ = read(selection, measurements(("b", "2024-01-01")))
    assert users(selection.of_persons(kept)[0]) == ["b"]
