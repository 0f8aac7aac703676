"""The plotly.js in the tree is npm's, byte for byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from weightstream.charts import page

pytestmark = pytest.mark.slow


def test_nobody_changed_it(from_npm: Callable[[str, str], bytes]) -> None:
    package, _ = (Path(str(page.PLOTLY)).parent / "npm").read_text().split()
    assert page.PLOTLY.read_bytes() == from_npm(package, page.PLOTLY.name)
