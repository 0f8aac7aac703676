"""Zip files: one bad member costs itself, and what is not read is named."""

import json
import sqlite3
import time
import zipfile

import pytest

from fuzz.seeds import CSV, SEEDS, options_of
from weightstream.errors import InputError
from weightstream.intake.import_report import left_out, unread_text
from weightstream.intake.sources import check_source, look_up
from weightstream.readers import ReadOptions, archives
from weightstream.readers.source import head_of, members

APPLE = SEEDS["apple_health"]


def zipped(tmp_path, *contents):
    """A zip file of (name, content) in this order; names may repeat."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents:
            archive.writestr(name, content)
    return path


def encrypted(path, name):
    """Mark one member as encrypted, in the directory and before its content."""
    data = bytearray(path.read_bytes())
    for signature, flags, name_at in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        at = data.find(signature)
        while data[at + name_at : at + name_at + len(name)] != name.encode():
            at = data.find(signature, at + 1)
        data[at + flags] |= 1
    path.write_bytes(bytes(data))


def one_row(user, day=1):
    return f"user_id,effectiveDateTime,source_type,weight,unit\n{user},2024-01-{day:02},s,80,kg\n"


def rows_of(table):
    return [{name: row[name] for name in row if name != "hour"} for row in table.to_pylist()]


def users(result):
    return result.measurements["user_id"].to_pylist()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_all_read(tmp_path, cleaned):
    path = zipped(tmp_path, ("w.csv", one_row("a")), ("w.csv", one_row("b")))
    assert users(cleaned(path)) == ["a", "b"]


def test_an_encrypted_member_does_not_take_the_others_with_it(tmp_path, cleaned):
    path = zipped(tmp_path, ("a.csv", one_row("a")), ("b.csv", one_row("b")))
    encrypted(path, "a.csv")
    result = cleaned(path)
    assert users(result) == ["b"]
    (unread,) = result.unread
    assert "'a.csv'" in unread.name
    assert "encrypted" in unread.sentence


@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_of_a_member_that_is_cut_off_nothing_counts(tmp_path, cleaned, block_bytes):
    """Whatever was parsed of it before that showed."""
    path = zipped(
        tmp_path, ("a.xml", APPLE.replace("</HealthData>", "")), ("b.xml", APPLE), ("c.xml", APPLE)
    )
    result = cleaned(path, user="me", block_bytes=block_bytes)
    assert len(result.measurements) == 2
    (unread,) = result.unread
    assert "'a.xml'" in unread.name
    assert "truncated" in unread.sentence


def test_what_no_reader_takes_is_named(tmp_path, cleaned):
    inner = zipped(tmp_path, ("w.csv", CSV)).read_bytes()
    path = zipped(
        tmp_path,
        ("a.csv", CSV), ("report.pdf", b"%PDF-1.7"), ("older/inner.zip", inner), ("empty.txt", ""),
        ("__MACOSX/._a.csv", b"\0\5\x16\7"), (".DS_Store", b"\0\0\0\1Bud1"),
    )  # fmt: skip
    result = cleaned(path)
    assert len(result.measurements) == 1
    sentences = [one.sentence for one in result.unread]
    assert len(sentences) == 2
    assert "a zip file in a zip file" in sentences[0]
    assert "older/inner.zip" in sentences[0]
    assert "'report.pdf'" in sentences[1]
    assert "no format" in sentences[1]
    assert not any(one.known for one in result.unread)


def test_companions_of_an_export_are_told_as_such(tmp_path, cleaned):
    path = zipped(
        tmp_path,
        ("apple_health_export/export.xml", APPLE),
        ("apple_health_export/export_cda.xml", '<?xml version="1.0"?><ClinicalDocument/>'),
        ("apple_health_export/workout-routes/route.gpx", '<?xml version="1.0"?><gpx/>'),
        ("apple_health_export/electrocardiograms/ecg.csv", "Name,me\nSample Rate,512\n1,2\n"),
        ("apple_health_export/letter.txt", "80 kg"),
    )
    result = cleaned(path, user="me")
    assert len(result.measurements) == 1
    assert [one.name for one in result.unread if not one.known] == [
        f"{path} ('apple_health_export/letter.txt')"
    ]
    assert len(result.unread) == 4


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("samsung_health", {"com.samsung.health.sleep.csv": "com.samsung.health.sleep,1,2\na,b\n",
                            "jsons/com.samsung.health.hr/0/a.binning.json": "[1]"}),
        ("withings", {"raw_hr_hr.csv": "start,duration\n1,2\n", "data/bp.csv": "Date,Sys\n1,2\n"}),
        ("garmin", {"DI_CONNECT/DI-Connect-User/user.json": '{"firstName": "A"}'}),
        ("fitbit", {"steps-2024-01-01.json": '[{"value": "0"}]'}),
        ("google_fit", {"steps.json": '{"Data Source": "steps", "Data Points": []}'}),
    ],
)  # fmt: skip
def test_other_data_of_a_persons_export_is_no_fault(tmp_path, cleaned, name, others):
    strange = {"notes.txt": "80 kg", "other/data.json": '{"weight": 80}'}
    path = zipped(tmp_path, ("w", SEEDS[name]), *others.items(), *strange.items())
    result = cleaned(path, **options_of(name))
    assert len(result.measurements) == 1
    known = {one.name.split("'")[1]: one.known for one in result.unread}
    assert known == dict.fromkeys(others, True) | dict.fromkeys(strange, False)


def test_clinical_records_of_an_apple_export_are_its_persons(tmp_path, cleaned):
    record = json.loads(SEEDS["fhir"])["entry"][0]["resource"]
    record |= {"subject": {"reference": "Patient/x9"}}
    path = zipped(
        tmp_path,
        ("apple_health_export/export.xml", APPLE),
        ("apple_health_export/clinical-records/Observation-1.json", json.dumps(record)),
    )
    result = cleaned(path, user="me")
    assert users(result) == ["me", "me"]
    assert result.unread == ()


def test_what_is_not_of_the_format_asked_for_is_named(tmp_path, cleaned):
    path = zipped(tmp_path, ("a.csv", CSV), ("b.xml", APPLE))
    result = cleaned(path, format="csv")
    assert len(result.measurements) == 1
    assert [one.sentence for one in result.unread] == [f"{path} ('b.xml') is not of the format csv"]


def test_a_zip_of_which_nothing_can_be_used_says_why(tmp_path, cleaned):
    path = zipped(tmp_path, ("a.txt", "hello"), ("b.png", b"\x89PNG\0"))
    with pytest.raises(InputError, match=r"'a.txt'.*'b.png'"):
        cleaned(path)
    path = zipped(tmp_path, ("a.xml", APPLE), ("b.xml", APPLE))
    with pytest.raises(InputError, match=r"'a.xml'.*give --user.*'b.xml'"):
        cleaned(path)


def test_large_members_are_held_on_disk_and_small_ones_joined(tmp_path, cleaned, monkeypatch):
    path = zipped(
        tmp_path, *[(f"{n}.csv", one_row(f"u{n}") + f"u{n},2024-02-01,s,x,kg\n") for n in range(9)]
    )
    expected = cleaned(path)
    monkeypatch.setattr(archives, "HELD_BYTES", 1)
    monkeypatch.setattr(archives, "JOINED_BLOCKS", 2)
    found = cleaned(path)
    assert rows_of(found.measurements) == rows_of(expected.measurements)
    assert rows_of(found.quarantine) == rows_of(expected.quarantine)
    lines = [*found.measurements["line"].to_pylist(), *found.quarantine["line"].to_pylist()]
    assert len(set(lines)) == 18


def test_time_grows_with_the_members_and_not_with_their_square(tmp_path):
    """Each member opened: what they took grew a hundredfold from 500 to 5,000 once."""

    def seconds(count):
        path = zipped(tmp_path, *[(f"{n}.csv", "x") for n in range(count)])
        began = time.process_time()
        with members(path) as sources:
            for source in sources:
                head_of(source)
        return time.process_time() - began

    few = min(seconds(500) for _ in range(3))
    assert seconds(5000) < 40 * few


def test_a_journal_is_read_with_its_database_and_is_not_unread(tmp_path, cleaned, save):
    folder = tmp_path / "phone"
    folder.mkdir()
    connection = sqlite3.connect(folder / "health.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table weight_record_table (time, zone_offset, weight, app_info_id)")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.execute("insert into weight_record_table values (1706681553000, 3600, 80500.0, 1)")
    contents = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    assert [name for name, _ in contents] == ["health.db", "health.db-shm", "health.db-wal"]
    result = cleaned(zipped(tmp_path, *contents), user="me")
    assert result.measurements["amount"].to_pylist() == ["80500"]
    assert result.unread == ()
    for name, content in contents:
        save(content, name)
    assert cleaned(tmp_path / "health.db", user="me").rows == 1
    assert (tmp_path / "health.db-wal").read_bytes() == contents[2][1]  # as it was left
    connection.close()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_can_be_opened_when_its_zip_file_is_closed(tmp_path):
    path = zipped(tmp_path, ("a.csv", "a"), ("a.csv", "b"))
    with members(path) as sources:
        pass
    assert [head_of(source) for source in sources] == [b"a", b"b"]


def test_what_would_be_refused_is_known_before_all_is_read(tmp_path, monkeypatch):
    """Only the start of the first usable member is read."""
    path = zipped(tmp_path, ("a.xml", APPLE), ("b.csv", CSV), ("c.csv", CSV))
    monkeypatch.setattr(archives, "_one_by_one", None)
    check_source(path, ReadOptions())
    with pytest.raises(InputError, match=r"'a\.xml'.*give --user"):
        check_source(zipped(tmp_path, ("a.xml", APPLE)), ReadOptions())


def test_what_is_left_out_is_told_and_known_to_the_caller(tmp_path, cleaned):
    path = zipped(
        tmp_path, ("a.xml", APPLE), ("c.xml", "<gpx/>"), *[(f"{n}.pdf", "%PDF") for n in range(7)]
    )
    unread = cleaned(path, user="me").unread
    assert len(left_out(unread)) == 7
    lines = list(unread_text(unread))
    assert lines[0] == f"not read: {path} ('0.pdf') is in no format that weightstream knows"
    assert lines[5:] == [
        "not read: 2 more files; --json-report FILE names them",
        f"ignored, since such files hold no weighings: {path} ('c.xml')",
    ]


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_working_directory(name):
    with pytest.raises(InputError, match="the name of a source is empty"):
        look_up(["weights.csv", name])
