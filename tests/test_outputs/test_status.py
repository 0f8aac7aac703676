import pytest

from tests.running import configured
from weightstream.errors import StoreError
from weightstream.outputs.review import review
from weightstream.outputs.status import NEWEST, PERSONS_AT_A_TIME, status_text


def test_counts_of_what_the_store_holds(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    rows = [("a", f"2024-01-0{day}", "80") for day in range(1, 8)]
    rows += [
        ("a", "2024-01-08", "800"),
        ("b", "2024-01-01", "x"),
        ("b", "soon", "80"),
        ("c", "", "9"),
    ]
    store_files(data_dir, csv_of(*rows, ("d", "2024-01-01", "70")))
    text = status_text(configured(data_dir))
    counts = dict(line.strip().rsplit(maxsplit=1) for line in text.splitlines() if line[:2] == "  ")
    assert str(data_dir / "weightstream.db") in text.splitlines()[0]
    assert {name: counts[name] for name in ("persons", "measurements", "rejected", "files")} == {
        "persons": "2", "measurements": "9", "rejected": "1", "files": "1",
    }  # fmt: skip
    assert counts["waiting for retro"] == "2"
    assert counts["quarantined"] == "3"
    for reason in ("bad_number", "bad_timestamp", "missing_field"):
        assert counts[reason] == "1"
    assert "running" in text
    assert text.splitlines()[-2] == "newest rejected readings"
    assert "800.0 looks like a decimal point out of place: 80.0 kg" in text.splitlines()[-1]


def test_the_newest_rejected_are_found_among_persons_with_later_readings(
    store_files, csv_of, fresh_dir
):
    """Those whose last readings are newest were rejected long ago; others' rejections are newer."""
    data_dir = fresh_dir()
    good = [f"2024-01-{day:02}" for day in range(1, 10)]
    rows = []
    for k in range(PERSONS_AT_A_TIME + 5):
        rows += [(f"a{k:03}", day, "80") for day in [*good, "2024-06-01"]]
        rows.append((f"a{k:03}", "2024-01-10", "800"))
    for k in range(NEWEST + 2):
        rows += [(f"b{k}", day, "80") for day in good] + [(f"b{k}", f"2024-02-0{k + 1}", "800")]
    store_files(data_dir, csv_of(*rows))
    told = [line.split()[:2] for line in status_text(configured(data_dir)).splitlines()[-NEWEST:]]
    assert told == [[f"2024-02-0{k + 1}", f"b{k}"] for k in range(NEWEST + 1, 1, -1)]


def test_copies_are_no_rejected_readings(store_files, csv_of, fresh_dir, smooth):
    """0.1 counted and listed them with the errors, which drown among them."""
    data_dir = fresh_dir()
    rows = []
    for day in range(1, 11):
        for second, app in (("00", "Withings"), ("20", "Apple Health")):
            rows.append(("a", f"2024-01-{day:02}T07:00:{second}Z", f"8{day % 2}.3", "kg", app))
    store_files(data_dir, csv_of(*rows, ("a", "2024-01-11T07:00:00Z", "803", "kg", "Withings")))
    smooth(data_dir)
    config = configured(data_dir)
    text = status_text(config)
    counts = dict(line.strip().rsplit(maxsplit=1) for line in text.splitlines() if line[:2] == "  ")
    assert (counts["rejected"], counts["copies"]) == ("1", "10")
    listed = text.split("newest rejected readings\n")[1].splitlines()
    assert len(listed) == 1
    assert "803.0" in listed[0]
    assert {row["reason"] for row in review(config)}.isdisjoint({"repeat"})


def test_there_is_no_store(data_dir):
    with pytest.raises(StoreError, match="no store yet"):
        status_text(configured(data_dir))
    assert not data_dir.exists()


def test_names_do_not_move_the_cursor(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    rows = [("a\u202eb", f"2024-01-0{day}", kg, "kg", "s\u2066") for day, kg in
            enumerate(("80", "80", "800"), 1)]  # fmt: skip
    store_files(data_dir, csv_of(*rows))
    assert status_text(configured(data_dir)).splitlines()[-1].split()[1:3] == ["a?b", "s?:"]
