"""Finding a person in files, and taking their rows out without touching those of others."""

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightstream.erasing.holdings import Unfit, holdings, take_out
from weightstream.readers import ReadOptions

OPTIONS = ReadOptions()
HEAD = "user_id,effectiveDateTime,source_type,weight,unit\n"


def found(*paths, user="Ann-1", digests=None):
    return list(holdings(iter(paths), user, OPTIONS, digests or {}))


def written(path, text):
    path.write_bytes(text.encode())
    return path


def test_a_damaged_copy_of_a_store_may_hold_anybody(tmp_path):
    """As restore leaves one beside the store. An id as short as this is not looked for in bytes."""
    path = tmp_path / "weightstream.db.before-restore"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table users (user_id text)")
        connection.execute("insert into users values ('7')")
        connection.commit()
        (page,) = connection.execute("pragma page_size").fetchone()
    assert [held.kind for held in found(path, user="7")] == ["database"]
    assert found(path, user="8") == []
    content = path.read_bytes()
    path.write_bytes(content[:page] + b"\xff" * (len(content) - page))
    assert [held.kind for held in found(path, user="7")] == ["unsearchable"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_person_whom_only_a_folder_names_is_found_and_taken_out(tmp_path, ending):
    path = tmp_path / "user_id=Ann-1" / f"part-0.{ending}"
    path.parent.mkdir()
    if ending == "csv":
        path.write_text("date,weight_kg\n2024-01-01,80\n2024-01-02,81\n")
    else:
        pq.write_table(pa.table({"date": ["2024-01-01"] * 2, "weight_kg": [80, 81]}), path)
    (held,) = found(path)
    assert (held.rows, held.others, held.rewritable) == (2, 0, True)
    assert found(path, user="Bob") == []
    take_out(held, "Ann-1", OPTIONS)
    assert found(path) == []


CSVS = {
    "plain": (HEAD + "Ann-1,a,s,1,kg\nBob,b,s,2,kg\n", HEAD + "\nBob,b,s,2,kg\n"),
    "spaces, case": (HEAD + " Ann-1 ,a,s,1,kg\nann-1,b,s,2,kg\n", HEAD + "\nann-1,b,s,2,kg\n"),
    "last, no end": (HEAD + "Bob,b,s,2,kg\nAnn-1,a,s,1,kg", HEAD + "Bob,b,s,2,kg\n\n"),
    "windows, BOM": (
        "\ufeff" + HEAD + "Bob,b,s,2,kg\r\nAnn-1,a,s,1,kg\r\n",
        "\ufeff" + HEAD + "Bob,b,s,2,kg\r\n\n",
    ),
    "lines in quotes": (
        HEAD + '"Ann-1",a,"two\nlines",1,kg\nBob,b,"two\nmore",2,kg\n',
        HEAD + '\n\nBob,b,"two\nmore",2,kg\n',
    ),
    "ragged": (HEAD + "Ann-1,a,s,1,kg,more\nBob,b\n", HEAD + "\nBob,b\n"),
    "another measure": (
        "user_id,date,metric,value,unit\nAnn-1,2024-01-01,Lean mass,60,kg\n"
        "B,2024-01-01,Weight,80,kg\n",
        "user_id,date,metric,value,unit\n\nB,2024-01-01,Weight,80,kg\n",
    ),
    "dates in an open order": (
        "user_id,date,weight_kg\nAnn-1,03/04/2024,60\nB,03/04/2024,80\n",
        "user_id,date,weight_kg\n\nB,03/04/2024,80\n",
    ),
    "no unit": ("user_id,time,date,value\nAnn-1,a,b,1\n", "user_id,time,date,value\n\n"),
}


@pytest.mark.parametrize("case", CSVS)
@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_a_delimited_source_become_blank(tmp_path, case, packed):
    before, after = (text.encode() for text in CSVS[case])
    path = tmp_path / "source.csv"
    path.write_bytes(gzip.compress(before) if packed else before)
    path.chmod(0o640)
    (held,) = found(path)
    assert (held.kind, held.rows) == ("delimited", 1)
    take_out(held, "Ann-1", OPTIONS)
    content = path.read_bytes()
    assert (gzip.decompress(content) if packed else content) == after
    assert path.stat().st_mode & 0o777 == 0o640
    assert found(path) == []
    assert [one.name for one in tmp_path.iterdir()] == ["source.csv"]


@pytest.mark.parametrize("user", ["7", 'a "b" c', "Zoë, née X", "a/b", "a.b"])
def test_any_id_can_be_found_and_taken_out(tmp_path, user):
    quoted = '"' + user.replace('"', '""') + '"'
    rows = [f"{quoted},2024-01-01,s,77,kg", "77,2024-01-01,s,7,kg", "aXb,2024-01-07,s,7.7,kg"]
    csv = written(tmp_path / "a.csv", HEAD + "\n".join(rows) + "\n")
    lines = [json.dumps({"user": one, "weight": 7}) for one in (user, "77", "aXb")]
    ndjson = written(tmp_path / "a.ndjson", "\n".join(lines) + "\n")
    for held in found(csv, ndjson, user=user):
        assert (held.rows, held.others) == (1, 2)
        take_out(held, user, OPTIONS)
    assert csv.read_text() == HEAD + "\n" + "\n".join(rows[1:]) + "\n"
    assert ndjson.read_text() == "\n" + "\n".join(lines[1:]) + "\n"


def observation(patient):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2024-01-01",
        "valueQuantity": {"value": 80, "code": "kg", "system": "http://unitsofmeasure.org"},
    }


def test_every_line_that_speaks_of_the_person_goes(tmp_path):
    """In bulk FHIR also the patient and what is no weight."""
    records = [
        {"resourceType": "Patient", "id": "Ann-1"},
        {"resourceType": "Condition", "subject": {"reference": "Patient/Ann-1"}},
        observation("Ann-1"),
        observation("Ann-12"),
        {"resourceType": "Patient", "id": "Bob"},
    ]
    path = written(tmp_path / "bulk.ndjson", "\n".join(map(json.dumps, records)) + "\n")
    (held,) = found(path)
    assert (held.kind, held.rows, held.others) == ("ndjson", 3, 2)
    take_out(held, "Ann-1", OPTIONS)
    assert path.read_text() == "\n\n\n" + "\n".join(map(json.dumps, records[3:])) + "\n"


def test_several_persons_in_one_line_are_left_together(tmp_path):
    entries = [{"resource": observation(one)} for one in ("Ann-1", "Bob")]
    bundle = json.dumps({"resourceType": "Bundle", "entry": entries})
    path = written(tmp_path / "bundles.ndjson", bundle + "\n" + bundle + "\n")
    (held,) = found(path)
    before = path.read_bytes()
    with pytest.raises(Unfit):
        take_out(held, "Ann-1", OPTIONS)
    assert path.read_bytes() == before
    (single,) = found(written(tmp_path / "bundle.json", bundle))
    assert (single.kind, single.rewritable, single.rows) == ("other", False, 1)


def test_parquet_keeps_the_other_rows(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"USER_ID": ["Ann-1", "Bob"], "date": [1, 2], "weight": [80.0, 90.0], "unit": ["kg"] * 2}
    )
    pq.write_table(table, path)
    (held,) = found(path)
    assert (held.kind, held.rows, held.others) == ("parquet", 1, 1)
    take_out(held, "Ann-1", OPTIONS)
    assert pq.read_table(path).equals(table.slice(1))


def test_what_cannot_be_rewritten_is_told_apart(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("weights.csv", HEAD + "Ann-1,2024-01-01,s,80,kg\n")
    note = written(tmp_path / "note.bin", "\0\0call Ann-1\n")
    own = written(tmp_path / "own.csv", "date,weight (kg)\n2024-01-01,80\n")
    other = written(tmp_path / "other.csv", HEAD + "Bob,2024-01-01,s,80,kg\n")
    import hashlib

    digests = {hashlib.sha256(own.read_bytes()).hexdigest(): own.stat().st_size}
    held = found(tmp_path / "a.zip", note, own, other, digests=digests)
    assert [(one.path.name, one.kind, one.rewritable) for one in held] == [
        ("a.zip", "other", False),
        ("note.bin", "text", False),
        ("own.csv", "whole", True),
    ]
    # Of an unknown file it cannot be told whether a short id stands in it or a part of a word.
    assert found(written(tmp_path / "short.bin", "\0Ann\n"), user="Ann") == []


def test_what_cannot_be_read_is_told_and_stops_nothing(tmp_path, monkeypatch):
    from weightstream.erasing import holdings as module

    theirs, *odd = (
        written(tmp_path / name, HEAD + "Ann-1,2024-01-01,s,80,kg\n")
        for name in ("theirs.csv", "closed.csv", "gone.csv")
    )
    usual = module._may_hold

    def may_hold(path, user_id):  # root may read everything
        if path.name == "closed.csv":
            raise PermissionError(13, "Permission denied")
        return usual(path, user_id)

    monkeypatch.setattr(module, "_may_hold", may_hold)
    odd[1].unlink()
    held = found(*odd, theirs)
    assert [(one.path.name, one.kind, one.rewritable) for one in held] == [
        ("closed.csv", "closed", False),
        ("theirs.csv", "delimited", True),
    ]


@pytest.fixture(scope="module")
def exported_files(store_files, csv_of, fresh_dir, tmp_path_factory):
    """Exports with odd texts: of a source called after the person, with quotes and empty cells."""
    from weightstream.config import Config
    from weightstream.outputs.exports.decisions import export_store

    data_dir = fresh_dir()
    source = tmp_path_factory.mktemp("of") / "Ann-1.csv"
    rows = [
        f"{who},2024-01-0{day},{where},80,kg"
        for who in ("Ann-1", "Ann-12", "Bob")
        for day, where in ((1, '"a, ""b"""'), (2, "NULL"), (3, "'"), (4, "Ann-1"))
    ]
    source.write_text(HEAD + "\n".join(rows) + "\n")
    store_files(data_dir, source)
    folder = tmp_path_factory.mktemp("exports")
    for ending in ("csv", "ndjson", "parquet"):
        export_store(
            Config.model_validate({"data": {"data_dir": data_dir}}), folder / f"x.{ending}"
        )
    return folder


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet", "csv.gz"])
def test_an_export_loses_the_person_and_the_names_of_files(exported_files, tmp_path, ending):
    before = (exported_files / f"x.{ending.removesuffix('.gz')}").read_bytes()
    path = tmp_path / f"x.{ending}"
    path.write_bytes(gzip.compress(before) if ending.endswith("gz") else before)
    (held,) = found(path)
    assert (held.kind, held.rows, held.others) == ("export", 4, 8)
    take_out(held, "Ann-1", OPTIONS)
    assert found(path) == []
    if ending == "parquet":
        table = pq.read_table(exported_files / "x.parquet")
        kept = table.filter(pa.array([user != "Ann-1" for user in table["user_id"].to_pylist()]))
        assert pq.read_table(path).drop_columns("file").equals(kept.drop_columns("file"))
        assert set(pq.read_table(path)["file"].to_pylist()) == {"erased.csv"}
        return
    after = gzip.decompress(path.read_bytes()) if ending.endswith("gz") else path.read_bytes()
    whose = (b'"user_id":"Ann-1"', b'"Ann-1","2024')
    lines = [line for line in before.splitlines() if not any(one in line for one in whose)]
    assert len(lines) == 8 + (ending != "ndjson")
    assert after.splitlines() == [line.replace(b"Ann-1.csv", b"erased.csv") for line in lines]
