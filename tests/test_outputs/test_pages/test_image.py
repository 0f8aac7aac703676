"""Pictures where there is no browser (those with one are in tests/slow)."""

import os
import sys

import pytest

from weightstream.outputs.pages import image


def test_no_browser_is_one_sentence_and_no_error(make_person, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-such-browser"))
    drawn = image.draw_pictures([(make_person(3), tmp_path / "a.png")])
    assert drawn.problem == image.NO_BROWSER
    assert (drawn.drawn, drawn.failed, drawn.restarts) == (0, [], 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script")
def test_a_browser_that_does_not_start_is_one_sentence(make_person, tmp_path, monkeypatch):
    broken = tmp_path / "browser"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(broken))
    drawn = image.draw_pictures([(make_person(3), tmp_path / "a.png")])
    assert drawn.problem is not None
    assert str(broken) in drawn.problem
    assert not (tmp_path / "a.png").exists()
