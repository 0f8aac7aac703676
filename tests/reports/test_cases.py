"""Each case of cases.toml comes out as it says."""

from pathlib import Path

import pytest

from tests.reports.cases import Case, cases, outcome_of
from weightstream.errors import InputError

CASES = cases()


def saved(tmp_path: Path, case: Case) -> Path:
    path = tmp_path / "file.csv"
    path.write_text(case.file.lstrip("\n"), "utf-8")
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_case(tmp_path, case):
    path = saved(tmp_path, case)
    if case.refused:
        with pytest.raises(InputError) as refused:
            outcome_of(path, **case.options)
        assert case.refused in str(refused.value)
        assert "\n" not in str(refused.value)
        return
    found = outcome_of(path, **case.options)
    if case.count is None:
        assert found.rows == case.rows
    else:
        assert len(found.rows) == case.count
    assert len(found.quarantined) == len(case.quarantined)
    for (line, detail), expected in zip(found.quarantined, case.quarantined, strict=True):
        number, words = expected.split(" ", 1)
        assert line == int(number)
        assert words in detail
    assert found.others == case.others
    assert found.clocks == case.clocks
    for words in case.notes:
        assert any(words in note for note in found.notes), found.notes


def test_titles_differ():
    titles = [case.title for case in CASES]
    same = [title for title in titles if title != "The same, with --dates"]
    assert len(set(same)) == len(same)
