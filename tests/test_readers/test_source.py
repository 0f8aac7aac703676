import gzip
import os
import zipfile

import pytest

from weightstream.errors import InputError
from weightstream.readers.source import HEAD_BYTES, Source, head_of, members, open_source


def test_plain_and_gzip_read_alike(tmp_path):
    content = b"weight\n80\n" * 100_000
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    for name in ("plain", "packed"):
        assert head_of(Source(tmp_path / name)) == content[:HEAD_BYTES]
        with open_source(Source(tmp_path / name)) as stream:
            assert stream.read() == content


def test_a_damaged_gzip_gives_no_first_byte(tmp_path):
    content = bytearray(gzip.compress(os.urandom(300_000)))
    content[-6] ^= 1  # the checksum stands at the end
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or truncated"):
        open_source(Source(path)).__enter__()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for function in (head_of, lambda source: open_source(source).__enter__()):
        with pytest.raises(InputError, match="not a regular file"):
            function(Source(tmp_path / "pipe"))


def test_a_zip_whose_inner_name_is_damaged_is_refused(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gewicht-ü.csv", "user_id\n")
    content = path.read_bytes()
    path.write_bytes(content.replace("ü".encode(), b"\xe9\xe9", 1))  # the name before the content
    with members(path) as (inside,), pytest.raises(InputError, match="damaged"):
        head_of(inside)
