"""`make bench`: every figure of docs/performance.md, measured here and now."""

import argparse
import tempfile
from pathlib import Path

from benchmarks import memory, reading, speed
from benchmarks.runs import Place
from benchmarks.table import HEAD


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="keeps the simulated files for the next time")
    parser.add_argument("--only", choices=("reading", "speed", "memory"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Place(asked.folder or Path(temporary))
        place.folder.mkdir(parents=True, exist_ok=True)
        print(HEAD)
        for module in (reading, speed, memory):
            if asked.only in (None, module.__name__.rpartition(".")[2]):
                for line in module.lines(place, asked.rows, asked.persons):
                    print(line.markdown(), flush=True)


if __name__ == "__main__":
    main()
