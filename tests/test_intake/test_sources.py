import gzip
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from weightstream.config import Data
from weightstream.errors import InputError, WeightstreamError
from weightstream.intake.cleaning import Rules
from weightstream.intake.selection import OUTSIDE_DATES, OUTSIDE_WINDOW, Selection
from weightstream.intake.sources import check_sources, take_in
from weightstream.readers import ReadOptions

RULES = Rules(datetime(2026, 1, 1, tzinfo=UTC))
GOOD = ("a", "2024-01-01", "80")


@pytest.fixture
def taken(fresh_dir):
    def take(*sources, told=None, spill_rows=1000, options=None, **data):
        return take_in(
            sources,
            options or ReadOptions(),
            RULES,
            Selection(Data(**data)),
            fresh_dir(),
            spill_rows,
            on_rows=(told if told is not None else []).append,
            threads=2,
        )

    return take


def measured(intake):
    rows = []
    for part in intake.parts(2, 0):
        table = part.take()
        rows += zip(table["user_id"].to_pylist(), table["file"].to_pylist(), strict=True)
    return sorted(rows)


def test_rows_of_several_files_keep_their_file(taken, csv_of):
    told = []
    paths = [csv_of(GOOD, ("b", "2024-01-01", "x")), csv_of(("c", "2024-01-01", "70"))]
    intake = taken(*paths, told=told)
    assert sum(told) == intake.rows_in == 3
    assert [file.path for file in intake.files] == paths
    assert [(file.rows_in, file.quarantined) for file in intake.files] == [(2, 1), (1, 0)]
    (quarantine,) = intake.quarantined()
    assert quarantine.select(["reason", "user_id", "file", "line"]).to_pylist() == [
        {"reason": "bad_number", "user_id": "b", "file": 0, "line": 3}
    ]
    assert measured(intake) == [("a", 0), ("c", 1)]


def test_files_are_known_by_the_bytes_on_disk(taken, csv_of):
    path = csv_of(GOOD)
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    first, again, other = taken(path, path, packed).files
    assert first.sha256 == again.sha256 != other.sha256
    assert first.size == path.stat().st_size
    assert first.importer == "csv"


def test_excluded_rows_are_counted_by_reason_and_file(taken, csv_of):
    paths = [
        csv_of(GOOD, ("b", "2024-01-01", "80"), ("a", "2023-01-01", "80")),
        csv_of(("b", "2024-01-01", "81"), ("b", "2024-01-02", "81")),
    ]
    intake = taken(*paths, date_from="2024-01-01", max_users=1)
    assert measured(intake) == [("a", 0)]
    assert [file.excluded for file in intake.files] == [
        {OUTSIDE_DATES: 1, OUTSIDE_WINDOW: 1},
        {OUTSIDE_WINDOW: 2},
    ]


def test_one_unusable_source_does_not_stop_the_others(taken, csv_of, tmp_path):
    empty, missing = tmp_path / "empty.csv", tmp_path / "missing.csv"
    empty.write_text("")
    intake = taken(empty, csv_of(GOOD), missing, tmp_path)
    assert measured(intake) == [("a", 0)]
    assert len(intake.refused) == 3
    for sentence, name in zip(intake.refused.values(), (empty, missing, tmp_path), strict=True):
        assert str(name) in sentence
        assert "\n" not in sentence


@pytest.fixture
def broken_later(csv_of):
    """A file of several blocks, whose last row shows that its dates cannot be understood."""
    rows = [(f"z{n}", f"{1 + n % 12:02}/{1 + (n + 1) % 12:02}/2020", "80") for n in range(500)]
    rows += [("bad", "01/01/2020", "x")] * 5
    return csv_of(*rows, ("y", "25/01/2020", "80"), ("y", "01/25/2020", "80"))


@pytest.mark.parametrize("spill_rows", [1, 10_000])
def test_of_a_source_refused_at_a_late_block_nothing_is_left(
    taken, csv_of, broken_later, spill_rows, monkeypatch
):
    """Blocks before the refusal were good; they must leave with the file."""
    from weightstream.intake import sources as module

    real = module.read_clean

    def fails_late(path, options, rules, number, threads):
        for count, cleaned in enumerate(real(path, options, rules, number, threads)):
            if path == late and count == 2:
                raise InputError(f"{path} is broken in the middle")
            yield cleaned

    late = csv_of(*((f"a{n}", "2024-01-01", "80" if n % 3 else "x") for n in range(300)))
    good = csv_of(GOOD, ("b", "2024-01-01", "x"))
    monkeypatch.setattr(module, "read_clean", fails_late)
    intake = taken(late, good, spill_rows=spill_rows, options=ReadOptions(block_bytes=2000))
    assert intake.partitions.rows > 1  # the good blocks were on their way
    assert [file.refused for file in intake.files] == [True, False]
    assert intake.rows_in == 2
    assert intake.selection.persons == 1
    assert [row for table in intake.quarantined() for row in table["file"].to_pylist()] == [1]
    assert measured(intake) == [("a", 1)]


def test_a_source_refused_by_its_dates(taken, csv_of, broken_later):
    intake = taken(broken_later, csv_of(GOOD))
    assert len(intake.refused) == 1
    assert measured(intake) == [("a", 1)]
    assert sum(map(len, intake.quarantined())) == 0


def test_no_source_can_be_used(csv_of, tmp_path):
    with pytest.raises(InputError) as raised:
        check_sources([tmp_path / "x", tmp_path / "y"], ReadOptions(), Data())
    assert "x does not exist" in str(raised.value)
    assert "y does not exist" in str(raised.value)
    check_sources([tmp_path / "x", csv_of(GOOD)], ReadOptions(), Data())
    with pytest.raises(InputError, match="no source"):
        check_sources([], ReadOptions(), Data())


LOG = '[{"logId": 1, "weight": 80, "date": "01/31/24", "time": "07:12:33"}'
APPLE = (
    '<?xml version="1.0"?><HealthData><Record type="HKQuantityTypeIdentifierBodyMass" unit="kg"'
    ' startDate="2024-01-01 07:00:00 +0100" value="80"/>'
)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "user", "words"),
    [
        (LOG, "me", "is not complete JSON"),
        (LOG + "]", "me", "give --unit"),
        (APPLE, "me", "is truncated"),
        ('{"resourceType": "Bundle", "entry": [', None, "is not complete JSON"),
        ("user_id,date,weight_kg\n1,03/04/2024,80\n", None, "give --dates"),
    ],
)
def test_what_a_document_lacks_is_found_before_anything_starts(
    tmp_path, content, user, words, packed
):
    path = tmp_path / "export"
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", content)
    else:
        path.write_text(content)
    with pytest.raises(InputError, match=words):
        check_sources([path], ReadOptions(user=user), Data())


@pytest.mark.parametrize(
    ("options", "data", "words"),
    [
        ({"format": "punchcards"}, {}, "'punchcards' is not a format"),
        ({"unit": "furlong"}, {}, "'furlong' is not a known unit"),
        ({"user": ""}, {}, "'' is not a user id"),
        ({"user": " null"}, {}, "' null' is not a user id"),
        ({"user": "a\nb"}, {}, "is not a user id"),
        ({"user": "x" * 1001}, {}, "is not a user id"),
        ({"timezone": "Oslo"}, {}, "no timezone is called 'Oslo'"),
        ({}, {"users_file": "missing.txt"}, r"missing\.txt cannot be read"),
    ],
)
def test_wrong_options_are_found_before_anything_starts(csv_of, options, data, words):
    with pytest.raises(WeightstreamError, match=words):
        check_sources([csv_of(GOOD)], ReadOptions(**options), Data(**data))


def test_a_file_whose_name_is_no_text_is_refused_and_others_are_read(taken, csv_of, tmp_path):
    path = tmp_path / os.fsdecode(b"J\xf6rg.csv")
    path.write_bytes(csv_of(GOOD).read_bytes())
    intake = taken(path, csv_of(GOOD))
    (sentence,) = intake.refused.values()
    assert sentence == f"the name of '{tmp_path}/J\ufffdrg.csv' is not UTF-8; rename it"
    assert intake.rows_in == 1


def test_an_unknown_format_is_refused(taken, csv_of):
    intake = taken(csv_of(GOOD), options=ReadOptions(format="punchcards"))
    assert "'punchcards' is not a format" in next(iter(intake.refused.values()))
    assert intake.rows_in == 0


def test_spilling_leaves_no_files(csv_of, fresh_dir):
    folder = fresh_dir()
    intake = take_in(
        [csv_of(GOOD, ("b", "2024-01-01", "70"))],
        ReadOptions(),
        RULES,
        Selection(Data()),
        folder,
        1,
        on_rows=lambda rows: None,
        threads=1,
    )
    assert any(folder.iterdir())
    assert measured(intake) == [("a", 0), ("b", 0)]
    assert not Path(folder).exists()


def test_of_a_refused_source_the_store_keeps_nothing(
    broken_later, csv_of, store_files, tables, fresh_dir
):
    data_dir, alone = fresh_dir(), fresh_dir()
    good = csv_of(GOOD, ("b", "2024-01-01", "x"))
    stored = store_files(data_dir, broken_later, good)
    assert len(stored.intake.refused) == 1
    assert sum(stored.outcomes.values()) == 2
    store_files(alone, good)
    for name in ("users", "decisions", "user_states", "level_shifts"):
        assert tables(data_dir)[name] == tables(alone)[name]
    assert [row[3] for row in tables(data_dir)["quarantine"]] == ["bad_number"]
    assert len(tables(data_dir)["measurements"]) == 1
    assert not list(data_dir.glob("spill/*"))
