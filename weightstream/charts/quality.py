"""The page on data quality; what it shows is weightstream.report's document."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from weightstream.charts.page import embedded


def quality_page(document: Mapping[str, Any]) -> bytes:
    """HTML of the report on data quality."""
    template = (files("weightstream.charts") / "assets" / "quality.html").read_bytes()
    return template.replace(b"{{data}}", embedded(document))
