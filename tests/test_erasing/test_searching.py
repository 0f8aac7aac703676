"""An id is found in any encoding, packing and escape that we know; another one is not."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightstream.erasing.holdings import holdings
from weightstream.erasing.searching import ENCODINGS, UNOPENED, holds, lists_person
from weightstream.errors import InputError
from weightstream.readers import ReadOptions

TEXT = 'a note on "Ünn-4711", in no format\n'


def zipped(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("note.txt", content)
    return made.getvalue()


PACKINGS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "zstd": lambda content: pa.Codec("zstd").compress(content, asbytes=True),
    "gzip in zip": lambda content: zipped(gzip.compress(content)),
}


OF_SCRIPTS = {
    "cp1250": "Őry-4711",
    "cp1251": "Аня-4711",
    "koi8-r": "Аня-4711",
    "cp1253": "Άννα-4711",
    "cp1255": "חנה-4711",
    "cp1256": "حنان-4711",
    "shift-jis": "安奈-4711",
    "euc-jp": "安奈-4711",
    "gb18030": "安娜-4711",
    "big5": "安娜-4711",
    "euc-kr": "안나-4711",
    "tis-620": "อันนา-4711",
}
"""An id that can be written so, where it is not Ünn-4711."""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_id_is_found_however_it_is_written(tmp_path, encoding):
    user, path = OF_SCRIPTS.get(encoding, "Ünn-4711"), tmp_path / "note"
    other = user[:-1] + "2"
    for pack in PACKINGS.values():
        path.write_bytes(pack((TEXT.replace("Ünn-4711", user) * 500).encode(encoding)))
        assert holds(path, user)
        assert not holds(path, other)
        (held,) = holdings(iter([path]), user, ReadOptions(), {})
        assert (held.kind, held.rewritable) == ("text", False)
        assert list(holdings(iter([path]), other, ReadOptions(), {})) == []


ESCAPED = {
    "json": ("Ünn-4711", r'{"who": "\u00dcnn-4711"}'),
    "json, quote": ('o"n-4711', r'{"who": "o\"n-4711"}'),
    "json, slash": ("a/n-4711", r'{"who": "a\/n-4711"}'),
    "csv": ('o"n-4711', 'x,"o""n-4711",y'),
    "html": ("o'n&n-4711", "<td>o&#x27;n&amp;n-4711</td>"),
    "html, text": ("o'n&n-4711", "<td>o'n&amp;n-4711</td>"),
    "xml": ("Ünn-4711", "<v>&#220;nn-4711</v>"),
    "url": ("Ünn 4711", "https://x.example/of/%C3%9Cnn%204711"),
    "decomposed": ("Ünn-4711", "U\u0308nn-4711"),
    "python": ("Ünn\t4711", r"['Ünn\t4711']"),
}


@pytest.mark.parametrize("way", ESCAPED)
def test_an_id_is_found_however_it_is_escaped(tmp_path, way):
    user, text = ESCAPED[way]
    (tmp_path / "note").write_text(f"a {text} of them", encoding="utf-8")
    assert holds(tmp_path / "note", user)


@pytest.mark.parametrize("head", UNOPENED)
def test_what_is_packed_in_another_way_is_said_to_be_unsearched(tmp_path, head):
    path = tmp_path / "packed"
    path.write_bytes(head + bytes(range(256)))
    (held,) = holdings(iter([path]), "Ann-4711", ReadOptions(), {})
    assert held.kind == "unsearchable"


def test_a_packed_member_of_a_tar_is_searched(tmp_path):
    path, content = tmp_path / "files.tar", gzip.compress(TEXT.encode())
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("note.gz")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    assert holds(path, "Ünn-4711")
    assert not holds(path, "Ünn-4712")


@pytest.mark.parametrize("who", ["Ann-4711", "4711"])
def test_a_database_of_any_tables_is_searched(tmp_path, who):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute('create table "a ""b" ("x ""y" blob, n)')
        cell = int(who) if who.isdigit() else who
        connection.execute('insert into "a ""b" values (1, ?)', (cell,))
    connection.close()
    (held,) = holdings(iter([path]), who, ReadOptions(), {})
    assert held.kind == "database"
    assert list(holdings(iter([path]), who[:-1] + "2", ReadOptions(), {})) == []
    assert list(holdings(iter([path]), "1", ReadOptions(), {})) == []  # a short one: a number


def test_a_number_with_a_point_in_a_database_is_an_id_too(tmp_path):
    with sqlite3.connect(path := tmp_path / "other.db") as connection:
        connection.execute("create table t (pid real)")
        connection.execute("insert into t values (4711), (null)")
    connection.close()
    assert lists_person(path, "4711")
    assert not lists_person(path, "4712")
    assert not lists_person(path, "04711")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_id_of_digits_is_no_part_of_a_number(tmp_path, encoding):
    path = tmp_path / "note"
    path.write_bytes("80.14711 47110 a4711".encode(encoding))
    assert not holds(path, "4711")
    path.write_bytes("Patient/4711".encode(encoding))
    assert holds(path, "4711")


def test_an_id_across_two_parts_of_a_long_file_is_found(tmp_path):
    path = tmp_path / "note"
    path.write_bytes(b"x" * ((1 << 20) - 3) + b"Ann-4711")
    assert holds(path, "Ann-4711")


def test_a_bundle_without_weights_is_found(tmp_path):
    path = tmp_path / "bundle.json"
    patient = {"resourceType": "Patient", "id": "Ann-4711"}
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": patient}]}))
    (held,) = holdings(iter([path]), "Ann-4711", ReadOptions(), {})
    assert not held.rewritable


def as_arrow(table, path):
    with pa.ipc.new_file(
        path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as to:
        to.write_table(table)


@pytest.mark.parametrize("write", [pq.write_table, as_arrow])
@pytest.mark.parametrize(
    "cells",
    [
        ["n", "of Ann-4711"],
        [["n"], ["of Ann-4711"]],
        [{"who": [{"name": "n"}]}, {"who": [{"name": "Ann-4711"}]}],
        pa.array(["n", "Ann-4711"]).dictionary_encode(),
        pa.array([[("n", 1)], [("Ann-4711", 2)]], pa.map_(pa.string(), pa.int64())),
    ],
)
def test_columns_of_no_known_names_are_searched(tmp_path, write, cells):
    write(pa.table({"x": cells, "y": [[1], [2]]}), path := tmp_path / "other")
    assert holds(path, "Ann-4711")
    assert not holds(path, "Ann-4712")


@pytest.mark.parametrize("kind", [pa.binary(16), pa.uuid()])
def test_columns_of_uuids_and_of_json_are_searched(tmp_path, kind):
    ids = pa.array([bytes(range(16)), bytes(range(1, 17))], kind)
    texts = [json.dumps({"of": "Ünn-4711"}), None]
    pq.write_table(pa.table({"x": ids, "y": texts}), path := tmp_path / "other")
    assert holds(path, bytes(range(16)).hex())
    assert not holds(path, bytes(range(2, 18)).hex())
    assert holds(path, "Ünn-4711")


def test_numbers_in_columns_are_searched_as_a_whole(tmp_path):
    pq.write_table(pa.table({"x": [14711, 4711]}), path := tmp_path / "other")
    assert holds(path, "4711")
    assert not holds(path, "471")


def test_what_unpacks_to_far_too_much_is_said_to_be_unsearched(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(gzip.compress(bytes(110 << 20))))
    with pytest.raises(InputError):
        holds(path, "Ann-4711")
    (held,) = holdings(iter([path]), "Ann-4711", ReadOptions(), {})
    assert held.kind == "unsearchable"
