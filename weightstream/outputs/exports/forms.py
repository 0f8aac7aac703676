"""Choosing the form of an export."""

from functools import partial
from pathlib import Path

from weightstream.errors import ConfigError
from weightstream.outputs.exports.as_of import export_known
from weightstream.outputs.exports.datapackage import export_package
from weightstream.outputs.exports.decisions import Write, export
from weightstream.outputs.exports.observations import ENDING, export_observations
from weightstream.outputs.exports.received import export_received


def form(
    out: Path,
    raw: bool = False,
    package: bool = False,
    as_of: str | None = None,
    for_excel: bool = False,
) -> Write:
    """Return the function that writes it. Raises ConfigError if two forms are requested at once."""
    wanted: dict[str, Write] = {}
    if raw:
        wanted["--raw"] = export_received
    if package:
        wanted["--package"] = export_package
    if as_of is not None:
        wanted["--as-of"] = partial(export_known, as_of)
    if for_excel:
        wanted["--excel-safe"] = partial(export, for_excel=True)
    if out.name.endswith(ENDING):
        wanted[ENDING] = export_observations
    if len(wanted) > 1:
        raise ConfigError(f"{' and '.join(wanted)} are different exports; choose one")
    return next(iter(wanted.values()), export)
