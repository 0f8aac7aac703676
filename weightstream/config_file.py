"""Reading a configuration from defaults, profile, file and options, with each value's origin."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from weightstream.config import PROFILES, Config, Key, Source
from weightstream.errors import ConfigError

PATH_KEYS = (
    ("data", "data_dir"),
    ("data", "users_file"),
    ("data", "inbox"),
    ("alerts", "persons_file"),
    ("visualization", "goals_file"),
)


@dataclass(frozen=True)
class Loaded:
    config: Config
    origin: Mapping[Key, str]
    """The origin of each value: default, a profile, a file, the command line."""


def load(path: Path | None = None, options: Mapping[Key, Any] | None = None) -> Loaded:
    """Merge defaults < profile < file < options of the command line, and validate.

    Without path, ./config.toml is read if it exists. Relative paths in a file are relative to the
    file. An option that is None was not given. Raises ConfigError, a sentence that names the key.
    """
    path = path or (Path("config.toml") if Path("config.toml").is_file() else None)
    return _merged(path, _flatten(_read_toml(path)) if path else {}, options)


def from_values(values: Mapping[str, Any]) -> Config:
    """Return the configuration of a file with these keys and tables. Raises ConfigError."""
    return _merged(None, _flatten(values), None).config


def config_of(given: Config | Mapping[str, Any] | str | Path | None) -> Config:
    """Return a configuration as given, from nested keys, from a file, or the defaults for None.

    Raises ConfigError.
    """
    if given is None or isinstance(given, Config):
        return given or Config()
    return from_values(given) if isinstance(given, Mapping) else load(Path(given)).config


def _merged(
    path: Path | None, written: Mapping[Key, Any], options: Mapping[Key, Any] | None
) -> Loaded:
    options = {key: value for key, value in (options or {}).items() if value is not None}
    profile = str(options.get(("profile",), written.get(("profile",), "balanced")))
    layers = (
        (f"profile {profile}", PROFILES.get(profile, {})),
        (str(path), _relative_to(path, written)),
        ("command line", options),
    )
    values = {key: value for _, layer in layers for key, value in layer.items()}
    config = _validate(_unflatten(values, path), path)
    origin = dict.fromkeys(flatten(config), "default")
    origin |= {key: name for name, layer in layers for key in layer if key in origin}
    return Loaded(config, origin)


def flatten(config: BaseModel) -> dict[Key, Any]:
    """Return the values in force by key, as TOML would write them."""
    values = _flatten(config.model_dump(mode="json"))
    return {key: value for key, value in values.items() if value != {}}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: this configuration file does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _relative_to(path: Path | None, values: Mapping[Key, Any]) -> dict[Key, Any]:
    folder = path.parent if path else Path()
    return {
        key: str(folder / value) if key in PATH_KEYS and isinstance(value, str) else value
        for key, value in values.items()
    }


def _validate(values: dict[str, Any], path: Path | None) -> Config:
    where = f"{path}: " if path else ""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}unknown key {key!r}{_nearest(key)}") from None
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "tuple_type":
            reason = f"write a list, such as [{first['input']!r}]"
        raise ConfigError(f"{where}{key} = {first['input']!r}: {reason}") from None


def _nearest(key: str) -> str:
    keys = [*flatten(Config()), *(("sources", "NAME", name) for name in Source.model_fields)]
    known = {".".join(k[:depth]) for k in keys for depth in range(1, len(k) + 1)}
    parts = key.split(".")
    if parts[0] == "sources":
        key = f"sources.NAME.{parts[-1]}"
    return f"; did you mean {difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.0)[0]!r}?"


def _flatten(tree: Mapping[str, Any], prefix: Key = ()) -> dict[Key, Any]:
    flat: dict[Key, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:  # an empty table stays: its name may be wrong
            flat |= _flatten(value, (*prefix, name))
        else:
            flat[(*prefix, name)] = value
    return flat


def _unflatten(flat: Mapping[Key, Any], path: Path | None) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        node = tree
        for parent in key[:-1]:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{path}: {parent} must be a table, such as [{parent}]")
        if value == {}:
            node.setdefault(key[-1], value)
        else:
            node[key[-1]] = value
    return tree
