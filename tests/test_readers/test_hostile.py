"""Files that would fill memory or disk, or reach where they should not."""

import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import pytest

from fuzz.seeds import CSV, OMH, SEEDS, binary_seeds
from tests.running import run_python
from weightstream.errors import InputError
from weightstream.intake.sources import files_of

ROOT = Path(__file__).parents[2]
WITHINGS = SEEDS["withings"]

ENDLESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.errors import InputError
from weightstream.readers import ReadOptions

def peak():
    # Not ru_maxrss: that begins at what the parent had when it forked.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10

def rows(path, **options):
    parts = read_clean(path, ReadOptions(**options), Rules(datetime(2030, 1, 1, tzinfo=UTC)), 0, 1)
    try:
        return sum(part.rows for part in parts)
    except InputError as error:
        return str(error).partition(" ")[2]

folder, kind, options = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
rows(folder / "small", format=kind, **options)
before = peak()
print(rows(folder / "endless", format=kind, **options), peak() - before, sep="\\n")
"""


def endless(path, before, after, fill, size=384 << 20):
    """A file of so many bytes between two texts; zeros take no room on disk."""
    with path.open("wb") as file:
        file.write(before.encode())
        if fill == b"\0":
            file.truncate(file.tell() + size)
        else:
            for _ in range(size >> 20):
                file.write(fill * (1 << 20))
        file.seek(0, io.SEEK_END)
        file.write(after.encode())


LINE = json.dumps(json.loads(OMH))
CASES = {
    "csv": ({}, CSV, "\nu2,2024-01-31,s,80,kg\n", "3"),
    "csv, a quoted cell": ({}, CSV + '"', '"\nu2,2024-01-31,s,80,kg\n', "3"),
    "open_mhealth": ({"user": "u"}, f"{LINE}\n{LINE}\n", f"\n{LINE}\n", "4"),
    "open_mhealth, one document": ({"user": "u"}, f"[{LINE}", "]", "one JSON document"),
    "withings": ({"user": "u"}, WITHINGS, "\n2024-02-01 07:00:00,81,,\n", "3"),
    "apple_health": ({"user": "u"}, SEEDS["apple_health"][:90], "</HealthData>", "does not end"),
}


@pytest.mark.flow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
@pytest.mark.parametrize("case", CASES)
def test_a_line_without_end_is_one_fault_and_takes_no_memory(tmp_path, case):
    options, before, after, expected = CASES[case]
    kind = case.partition(",")[0]
    fill = b"x" if kind == "withings" else b"\0"  # a table with zeros is no text
    endless(tmp_path / "endless", before, after, fill)
    (tmp_path / "small").write_text(before + after)
    done = run_python(ENDLESS, tmp_path, kind, repr(options))
    assert done.returncode == 0, done.stderr
    said, grown_mb = done.stdout.splitlines()
    assert expected in said
    assert int(grown_mb) < 220


def test_a_gzip_bomb_is_refused_before_it_fills_anything(save, cleaned, monkeypatch, tmp_path):
    monkeypatch.setattr("weightstream.readers.source.BOMB_BYTES", 1 << 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    database = binary_seeds()["health_connect"]
    for content, options in ((CSV.encode(), {}), (database, {"user": "me"})):
        path = save(gzip.compress(content + b"\0" * (64 << 20)))
        with pytest.raises(InputError, match="unpacks to far more"):
            cleaned(path, **options)
    rows = "".join(f"u{n},2024-01-{n % 28 + 1:02},s,{60 + n % 397},kg\n" for n in range(99_999))
    assert cleaned(save(gzip.compress((CSV + rows).encode()))).rows == 100_000


def test_names_in_an_archive_lead_nowhere(tmp_path, cleaned, monkeypatch):
    """A database has to lie in a file to be read: under a name of ours, and only meanwhile."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../evil.db", "/tmp/evil.db", "C:\\\\evil.db"):
            archive.writestr(name, binary_seeds()["health_connect"])
    assert cleaned(path, user="me").rows == 3
    assert list(temporary.iterdir()) == []
    assert not list(tmp_path.parent.rglob("*evil*"))
    assert not Path("/tmp/evil.db").exists()


@pytest.mark.parametrize(
    ("user", "read", "refused"),
    [
        (None, {"bulk.ndjson", "weights.csv"}, {"withings.csv": "give --user"}),
        ("me", {"omh.json", "withings.csv"}, {"weights.csv": "leave --user out",
                                              "bulk.ndjson": "leave --user out"}),
    ],
)  # fmt: skip
def test_a_folder_of_many_formats(store_files, fresh_dir, tmp_path, user, read, refused):
    """Each file is read as what it is, and refused in its own sentence."""
    bulk = json.dumps(json.loads(SEEDS["fhir"])["entry"][0]["resource"]
                      | {"subject": {"reference": "Patient/p"}})  # fmt: skip
    contents = {
        "weights.csv": CSV, "omh.json": OMH, "bulk.ndjson": bulk, "withings.csv": WITHINGS,
        "notes.txt": "nothing of the kind", "cut.json": OMH[:40], "photo.jpg": "\xff\xd8\0",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    stored = store_files(fresh_dir(), *files_of([str(tmp_path)]), user=user)
    intake = stored.intake
    found = {file.path.name for file in intake.files if file.rows_in > file.quarantined}
    assert found == read
    sentences = {path.name: sentence for path, sentence in intake.refused.items()}
    for name, words in (refused | {"cut.json": "not complete JSON"}).items():
        assert words in sentences[name]
    assert sum(stored.outcomes.values()) == intake.rows_in
