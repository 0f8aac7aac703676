"""The process of one run of a deployment, as a worker starts it: Prefect's engine.

`python -m deployments.run_engine SETTING=VALUE...` has settings that hold whatever the worker has.
Without a command of ours, Prefect starts two processes before its engine's, each of which imports
Prefect to see where the flow lies.
"""

import gc
import os
import runpy
import ssl
import sys
from functools import cache
from typing import Any

from weightstream.hidden_packages import load_pyarrow


def main() -> None:
    """Run the flow run that the environment names, in this process."""
    gc.disable()  # what is imported stays; memory.give_back enables it
    while len(sys.argv) > 1:
        setting, _, value = sys.argv.pop().partition("=")
        os.environ[setting] = value
    load_certificates_once()
    load_pyarrow()
    runpy.run_module("prefect.engine", run_name="__main__")


def load_certificates_once() -> None:
    """Share the TLS context of a file of certificates among all clients in this process.

    Each client that Prefect makes in a run loads the file again, 30 ms each and 1.1 s in an ingest,
    for `http://` too. Contexts without a file stay apart: Prefect turns off verification in its
    own, if PREFECT_API_TLS_INSECURE_SKIP_VERIFY says so.
    """
    load = ssl.create_default_context
    shared = cache(load)

    def load_once(*purpose: Any, **files: Any) -> ssl.SSLContext:
        return (shared if files.get("cafile") else load)(*purpose, **files)

    ssl.create_default_context = load_once


if __name__ == "__main__":
    main()
