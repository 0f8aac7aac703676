"""The plotly.js in the tree is npm's, byte for byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from weightstream.outputs.pages.template import PLOTLY

pytestmark = pytest.mark.slow


def test_nobody_changed_it(from_npm: Callable[[str, str], bytes]) -> None:
    package, _ = (Path(str(PLOTLY)).parent / "npm").read_text().split()
    assert PLOTLY.read_bytes() == from_npm(package, PLOTLY.name)
