"""An id is found in any of 6 encodings, 5 compressions and what is nested; another one is not."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightstream.erasing.holdings import holdings
from weightstream.erasing.searching import ENCODINGS, holds
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


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_id_is_found_however_it_is_written(tmp_path, encoding, packing):
    path = tmp_path / "note"
    path.write_bytes(PACKINGS[packing]((TEXT * 500).encode(encoding)))
    assert holds(path, "Ünn-4711")
    assert not holds(path, "Ünn-4712")
    (held,) = holdings(iter([path]), "Ünn-4711", ReadOptions(), {})
    assert (held.kind, held.rewritable) == ("text", False)
    assert list(holdings(iter([path]), "Ünn-4712", ReadOptions(), {})) == []


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


def test_parquet_of_no_known_columns_is_searched(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": ["n", "of Ann-4711"], "y": [[1], [2]]}), path)
    assert holds(path, "Ann-4711")
    assert not holds(path, "Ann-4712")


def test_what_unpacks_to_far_too_much_is_said_to_be_unsearched(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(gzip.compress(bytes(110 << 20))))
    with pytest.raises(InputError):
        holds(path, "Ann-4711")
    (held,) = holdings(iter([path]), "Ann-4711", ReadOptions(), {})
    assert held.kind == "unsearchable"
