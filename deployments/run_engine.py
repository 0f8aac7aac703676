"""The process of one run of a deployment, as a worker starts it: Prefect's engine.

`python -m deployments.run_engine SETTING=VALUE...` has settings that hold whatever the worker has.
Without a command of ours, Prefect starts two processes before its engine's, each of which imports
Prefect to see where the flow lies.
"""

import gc
import os
import runpy
import sys

from weightstream.hidden_packages import load_pyarrow


def main() -> None:
    """Run the flow run that the environment names, in this process."""
    gc.disable()  # what is imported stays; memory.give_back enables it
    while len(sys.argv) > 1:
        setting, _, value = sys.argv.pop().partition("=")
        os.environ[setting] = value
    load_pyarrow()
    runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main()
