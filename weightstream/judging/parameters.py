"""Named sets of parameters as text and as files: what `weightstream learn` makes."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from weightstream.engine.model import Parameters, Process, SourceModel
from weightstream.errors import ConfigError
from weightstream.schema import REASONS

FORMAT = "weightstream-parameters-1"
MOST_BIAS_KG = 50.0


def to_json(parameters: Parameters) -> str:
    return json.dumps(asdict(parameters), sort_keys=True)


def from_json(text: str) -> Parameters:
    """Read what `to_json` wrote. Raises ConfigError where it is no set of this version."""
    try:
        return _checked(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ConfigError(
            f"this is not a set of parameters of this version ({_said(problem)}); "
            "run `weightstream learn` again"
        ) from None


def write(parameters: Parameters, path: Path) -> None:
    """Write a set as a file that `load` reads. Raises ConfigError where it cannot be written."""
    text = json.dumps({"format": FORMAT, **asdict(parameters)}, indent=1, sort_keys=True)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{path} cannot be written: {problem.strerror}") from None


def load(path: Path) -> Parameters:
    """Read a file of parameters, as `weightstream learn ... -o FILE` makes it.

    Raises ConfigError in one sentence where the file is missing, no JSON, of another format, or
    holds a key or a number that cannot be.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise ConfigError(f"{path} is not JSON: {problem}") from None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise ConfigError(f"{path} holds no parameters; `weightstream learn` writes such a file")
    try:
        return _checked(values)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ConfigError(f"{path} cannot be used: {_said(problem)}") from None


def _said(problem: Exception) -> str:
    if isinstance(problem, KeyError):
        return f"{problem.args[0]} is missing"
    return str(problem).replace("__init__()", "it")


def _checked(read: dict[str, Any]) -> Parameters:
    """Raises ValueError, TypeError, KeyError or AttributeError where something is wrong."""
    sources = {name: SourceModel(**source) for name, source in read["sources"].items()}
    made = Parameters(
        str(read["name"]), Process(**read["process"]), sources, SourceModel(**read["unknown"])
    )
    for key, value in vars(made.process).items():
        _number(f"process.{key}", value, above=-1.0 if key.startswith("week") else 0.0)
    for name, source in [*sources.items(), ("unknown", made.unknown)]:
        _number(f"{name}.bias_kg", source.bias_kg, above=-MOST_BIAS_KG, below=MOST_BIAS_KG)
        _number(f"{name}.noise_kg", source.noise_kg)
        _number(f"{name}.error_rate", source.error_rate, below=1.0)
        _number(f"{name}.by_day", source.by_day, above=-1e-12, below=1.0)
        unknown = set(source.errors) - set(REASONS)
        if unknown or sum(source.errors.values()) <= 0:
            raise ValueError(f"{name}.errors names {', '.join(sorted(unknown)) or 'no reason'}")
        for reason, share in source.errors.items():
            _number(f"{name}.errors.{reason}", share, above=-1e-12)
    return made


def _number(key: str, value: Any, above: float = 0.0, below: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < below:
        raise ValueError(f"{key} is {value!r}, which is not a possible value")
