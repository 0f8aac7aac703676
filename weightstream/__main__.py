"""`python -m weightstream`: the console script, wherever its commands are installed."""

import sys
from importlib.metadata import entry_points


def main() -> None:
    (script,) = entry_points(group="console_scripts", name="weightstream")
    sys.argv[0] = "weightstream"
    script.load()()


if __name__ == "__main__":
    main()
