"""`python -m weightstream`: the console script, wherever its commands are installed."""

from importlib.metadata import entry_points


def main() -> None:
    (script,) = entry_points(group="console_scripts", name="weightstream")
    script.load()()


if __name__ == "__main__":
    main()
