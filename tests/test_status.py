import pytest

from weightstream.config import Config
from weightstream.errors import StoreError
from weightstream.status import status_text


def configured(data_dir):
    return Config.model_validate({"data": {"data_dir": data_dir}})


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
    assert "running" in text.splitlines()[-1]


def test_there_is_no_store(data_dir):
    with pytest.raises(StoreError, match="no store yet"):
        status_text(configured(data_dir))
    assert not data_dir.exists()
