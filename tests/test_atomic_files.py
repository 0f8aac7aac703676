"""Files that are written whole are their owner's alone, and keep the mode that they had."""

import pytest

from weightstream.atomic_files import appearing


@pytest.mark.parametrize(("before", "after"), [(None, 0o600), (0o644, 0o644), (0o640, 0o640)])
def test_mode(tmp_path, before, after):
    out = tmp_path / "out.csv"
    if before is not None:
        out.write_text("old")
        out.chmod(before)
    with appearing(out) as unfinished:
        assert unfinished.stat().st_mode & 0o777 in (0o600, after)
        unfinished.write_text("new")
    assert out.read_text() == "new"
    assert out.stat().st_mode & 0o777 == after
    assert list(tmp_path.iterdir()) == [out]


def test_nothing_appears_where_writing_fails(tmp_path):
    def write():
        with appearing(tmp_path / "out.csv") as unfinished:
            unfinished.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert list(tmp_path.iterdir()) == []
