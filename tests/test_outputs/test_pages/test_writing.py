"""Pages are written whole or not at all."""

import resource

import pytest

from weightstream.outputs.pages.page import write_page


def test_where_only_a_part_can_be_written_the_old_page_stays(tmp_path):
    page, limits = tmp_path / "index.html", resource.getrlimit(resource.RLIMIT_FSIZE)
    page.write_bytes(b"old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # the system then writes less
    try:
        with pytest.raises(OSError, match="too large"):
            write_page(page, bytes(50_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]
