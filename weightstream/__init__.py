"""Judge body-weight measurements of many people and estimate a trend for each person.

`read` and `clean` work on frames of pandas, polars or PyArrow, without a store and without a
server: docs/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightstream.cleaned import plot, summary
    from weightstream.dataset import clean_dataset
    from weightstream.frames import clean, read
    from weightstream.study_outcomes import outcomes

__all__ = ["clean", "clean_dataset", "outcomes", "plot", "read", "summary"]

_HOMES = {
    "clean": "weightstream.frames",
    "clean_dataset": "weightstream.dataset",
    "outcomes": "weightstream.study_outcomes",
    "plot": "weightstream.cleaned",
    "read": "weightstream.frames",
    "summary": "weightstream.cleaned",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: the engine takes a second that few commands need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
