"""What holds for every format: safety against broken and hostile files, archives, folders."""

import gzip
import io
import random
import zipfile

import pytest

from fuzz.seeds import CSV, FITBIT, NEEDS, OMH, SEEDS, options_of
from weightstream.errors import InputError
from weightstream.readers import FORMATS, ReadOptions, look_into, recognise


@pytest.mark.parametrize("name", SEEDS)
def test_the_right_reader_recognises_each(save, name):
    assert recognise(save(SEEDS[name])) == name


@pytest.mark.parametrize("name", SEEDS)
def test_broken_files_are_refused_or_quarantined_and_nothing_else(save, cleaned, name):
    """Bytes are lost, doubled, swapped and replaced: whatever comes, InputError or rows."""
    rng = random.Random(name)  # the same files in every run
    seed = SEEDS[name].encode()
    for _ in range(150):
        data = bytearray(seed * rng.choice([1, 1, 2]))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    del data[at : at + rng.randint(1, 30)]
                case 1:
                    data[at:at] = rng.choice(
                        [b'"', b"\0", b"\xff", b"\n", b",", b"{", b"[", b"9" * 400]
                    )
                case 2:
                    data[at] = rng.randrange(256)
                case 3:
                    data[at:at] = data[at : at + rng.randint(1, 40)]
            data = data or bytearray(b" ")
        path = save(bytes(data))
        try:
            result = cleaned(
                path, format=name, block_bytes=rng.choice([7, 64, 1 << 20]), **options_of(name)
            )
        except InputError:
            continue
        lines = [
            row["line"]
            for table in (result.measurements, result.quarantine, result.retractions)
            for row in table.to_pylist()
        ]
        assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_no_format_takes_what_is_none(name, save, cleaned):
    for content in (
        b"",
        b"\n",
        b"\0" * 1000,
        b"{",
        b"[]",
        b"<",
        b"a,b\n1,2\n",
        b"PAR1",
        b"#Version:5",
    ):
        path = save(content)
        try:
            assert cleaned(path, format=name, unit="kg", **NEEDS).rows == 0
        except InputError:
            continue


def archive(tmp_path, files, name="takeout.zip"):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for member, content in files.items():
            out.writestr(member, content)
    return path


def test_a_zip_of_many_files_numbers_its_records_through(tmp_path, cleaned):
    files = {
        "Takeout/Fitbit/Global Export Data/weight-2024-01-01.json": FITBIT,
        "Takeout/Fitbit/Global Export Data/weight-2024-02-01.json": FITBIT.replace(
            "01/31", "02/01"
        ),
        "Takeout/Fitbit/Global Export Data/heart_rate.json": "[]",
        "Takeout/Fit/daily.csv": "Start time,Calories\n1,2\n",
        "Takeout/other/omh.json": OMH,
    }
    path = archive(tmp_path, files)
    assert recognise(path) == "fitbit"
    result = cleaned(path, user="me")
    found = [(row["line"], row["wall"][:10]) for row in result.measurements.to_pylist()]
    assert found == [(1, "2024-01-31"), (2, "2024-02-01"), (3, "2024-01-31")]
    only = cleaned(path, user="me", format="open_mhealth")
    assert only.measurements["source"].to_pylist() == ["open_mhealth"]


def test_zips_that_cannot_be_used(tmp_path, cleaned, save):
    with pytest.raises(InputError, match="holds no file"):
        cleaned(archive(tmp_path, {"a.txt": "hello"}))
    whole = archive(tmp_path, {"a.csv": CSV * 100}).read_bytes()
    with pytest.raises(InputError, match="damaged or truncated"):
        cleaned(save(whole[:-30]))
    broken = bytearray(whole)
    broken[60] ^= 0xFF
    with pytest.raises(InputError, match="damaged or truncated"):
        cleaned(save(bytes(broken)))


def test_zips_that_fuzzing_found(tmp_path, cleaned):
    data = bytearray(archive(tmp_path, {"a.csv": CSV}).read_bytes())
    data[data.find(b"PK\x01\x02") + 6] = 251  # the version that is needed to unpack it
    path = tmp_path / "future.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged or truncated"):
        cleaned(path)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(zipfile.ZipInfo(""), "no name")
        out.writestr("a.csv", CSV)
    assert cleaned(path).rows == 1


def test_a_zip_bomb_is_refused_unopened(tmp_path, monkeypatch):
    monkeypatch.setattr("weightstream.readers.source.BOMB_BYTES", 1 << 20)
    path = archive(tmp_path, {"bomb.csv": b"\0" * (8 << 20)})
    with pytest.raises(InputError, match="unpacks to far more"):
        recognise(path)


def test_an_encrypted_member_is_named(tmp_path, cleaned):
    buffer = io.BytesIO(archive(tmp_path, {"a.csv": CSV}).read_bytes())
    data = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path = tmp_path / "locked.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="encrypted"):
        cleaned(path)


def test_folders_give_the_files_that_some_format_knows_or_that_cannot_be_read(tmp_path):
    (tmp_path / "deep").mkdir()
    contents = {
        "b.json": FITBIT, "deep/a.csv": CSV, "deep/notes.csv": "title,text\na,b\n", "c.txt": "hi",
        "empty.csv": "", "broken.zip": b"PK\x03\x04xx", "photo.jpg": b"\xff\xd8\xff\x00",
        "cut.csv.gz": gzip.compress(CSV.encode())[:-9], "wide.csv": CSV.encode("utf-16"),
    }  # fmt: skip
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    archive(tmp_path, {"w.json": FITBIT})
    (tmp_path / "loop").symlink_to(tmp_path)
    folder = look_into(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in folder.files]
    assert found == [
        "b.json", "broken.zip", "cut.csv.gz", "deep/a.csv", "takeout.zip", "wide.csv"
    ]  # fmt: skip
    left = [one.name.removeprefix(f"{tmp_path}/") for one in folder.unread]
    assert left == ["c.txt", "deep/notes.csv", "photo.jpg"]  # of an empty one nothing is left


def test_an_unknown_format_is_refused_with_the_known_ones(save, cleaned):
    with pytest.raises(InputError, match="choose one of parquet, xlsx"):
        cleaned(save(CSV), format="excel")
    assert ReadOptions().format == "auto"
