"""Named sets of parameters as text: what `weightstream learn` makes."""

import json
from dataclasses import asdict

from weightstream.engine.model import Parameters, Process, SourceModel


def to_json(parameters: Parameters) -> str:
    return json.dumps(asdict(parameters), sort_keys=True)


def from_json(text: str) -> Parameters:
    read = json.loads(text)
    return Parameters(
        read["name"],
        Process(**read["process"]),
        {name: SourceModel(**source) for name, source in read["sources"].items()},
        SourceModel(**read["unknown"]),
    )
