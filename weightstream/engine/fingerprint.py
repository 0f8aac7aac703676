"""What the engine's results depend on besides parameters and readings: its constants and layout."""

import importlib
from hashlib import blake2b
from typing import Any

import numpy as np

MODULES = (
    "records", "model", "growth_curve", "calendar", "mixture", "densities", "process", "course",
    "beam", "straight", "state", "filter", "retro", "pairs", "sides", "weighing", "merging",
    "housemates", "naming", "smoother",
)  # fmt: skip
LAYOUT = 3
"""Of a stored state; raised where its meaning changes but no constant does."""


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    return repr(value.descr) if isinstance(value, np.dtype) else repr(value)


def constants() -> dict[str, str]:
    """Every constant of the engine by module and name, as text."""
    found = {"layout": str(LAYOUT)}
    for name in MODULES:
        module = importlib.import_module(f"weightstream.engine.{name}")
        for key, value in sorted(vars(module).items()):
            plain = isinstance(value, int | float | str | tuple | dict | np.ndarray | np.dtype)
            if key.isupper() and plain:
                found[f"{name}.{key}"] = _text(value)
    return found


def fingerprint() -> str:
    """Return a text that changes with every constant of the engine and the layout of a state."""
    text = "\n".join(f"{name} = {value}" for name, value in sorted(constants().items()))
    return blake2b(text.encode(), digest_size=8).hexdigest()
