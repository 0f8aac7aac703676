"""The page on data quality; what it shows is weightstream.outputs.report's document."""

from collections.abc import Mapping
from typing import Any

from weightstream.outputs.pages.page import embedded
from weightstream.outputs.pages.template import template


def quality_page(document: Mapping[str, Any]) -> bytes:
    """HTML of the report on data quality."""
    before, after = template("quality", "Data quality")
    return before + embedded(document) + after
