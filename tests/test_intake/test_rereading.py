"""A file that is stored is not read again with other times or weights."""

from datetime import UTC, datetime

import pytest

from weightstream.errors import InputError
from weightstream.intake.cleaning import Rules
from weightstream.intake.rereading import refusing_changes
from weightstream.intake.sources import digest_of
from weightstream.readers import ReadOptions
from weightstream.store.connection import open_writer

RULES = Rules(datetime(2026, 1, 1, tzinfo=UTC))
LOCAL = [("a", f"2024-01-{day:02} 07:00:00", "80") for day in range(1, 6)]


@pytest.fixture
def check(store_files, data_dir):
    """Store a file with some options, and ask whether it may be read with others."""

    def check(path, stored, again, other=None):
        store_files(data_dir, path, **stored)
        path = other or path
        with open_writer(data_dir) as connection:
            refusing_changes(connection, RULES)(path, digest_of(path)[0], ReadOptions(**again))

    return check


def in_zone(timezone):
    return {"timezone": timezone}


def test_another_timezone_is_refused_in_one_sentence(check, csv_of):
    with pytest.raises(InputError) as refused:
        check(csv_of(*LOCAL), in_zone("Europe/Oslo"), in_zone("America/New_York"))
    sentence = str(refused.value)
    assert "line 2 was 2024-01-01T06:00:00Z and would be 2024-01-01T12:00:00Z" in sentence
    assert "give the same --timezone as before" in sentence


def test_so_is_no_timezone_where_one_was_given(check, csv_of):
    with pytest.raises(InputError, match="would be 2024-01-01T07:00:00Z"):
        check(csv_of(*LOCAL), in_zone("Europe/Oslo"), {})


@pytest.mark.parametrize("timezone", ["Europe/Oslo", "Europe/Berlin"])
def test_the_same_times_are_not_refused(check, csv_of, timezone):
    check(csv_of(*LOCAL), in_zone("Europe/Oslo"), in_zone(timezone))


def test_dates_and_instants_are_the_same_in_every_timezone(check, csv_of):
    dates = csv_of(("a", "2024-01-01", "80"), ("a", "2024-01-02T07:00:00+01:00", "81"))
    check(dates, in_zone("Europe/Oslo"), in_zone("America/New_York"))


def test_a_file_that_is_not_stored_is_not_looked_at(check, csv_of):
    check(
        csv_of(*LOCAL),
        in_zone("Europe/Oslo"),
        in_zone("America/New_York"),
        other=csv_of(*LOCAL[:2]),
    )


def test_dates_in_another_order_are_refused(check, csv_of):
    dates = csv_of(("a", "03/04/2024", "80"), ("a", "05/04/2024", "81"))
    with pytest.raises(InputError) as refused:
        check(dates, {"dates": "dmy"}, {"dates": "mdy"})
    assert "line 2 was 2024-04-03 and would be 2024-03-04; give the same --dates" in str(
        refused.value
    )


def test_other_weights_are_refused(check, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("user_id,date,weight\na,2024-01-01,180\n")
    check(path, {"unit": "lb"}, {"unit": "lb"})
    with pytest.raises(InputError, match=r"in line 2 would be 2\.205 times what it was; .*--unit"):
        check(path, {"unit": "lb"}, {"unit": "kg"})
