"""What a benchmark found, beside what it should be."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """met: whether the target is reached; None where there is none."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None

    def markdown(self) -> str:
        mark = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {self.what} | {self.measured} | {self.target} | {mark} |"


HEAD = "| work | measured | target | met |\n| --- | --- | --- | --- |"


def markdown(lines: Iterable[Line]) -> str:
    return "\n".join([HEAD, *(line.markdown() for line in lines)])
