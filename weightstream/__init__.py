"""Body-weight streams of many people in, a trend per person that can be trusted out.

`read` and `clean` work on pandas frames, without a store and without a server: docs/python.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weightstream.frames import clean, read

__all__ = ["clean", "read"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: pandas and the engine take a second that the commands do not need."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from weightstream import frames

    return getattr(frames, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
