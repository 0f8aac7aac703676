"""Types of the flows' parameters, light to import; the UI draws its form from them."""

from typing import Annotated, Literal

from pydantic import Field

from weightstream.readers import FORMATS

Format = Annotated[str, Field(json_schema_extra={"enum": ["auto", *FORMATS]})]
"""The UI shows a choice."""
When = Literal["inline", "defer", "off"]
"""When retro runs."""
