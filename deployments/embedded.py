"""Prefect's embedded server, started while the modules of the flow are still imported."""

import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from deployments.home import choose_home
from deployments.open_files import check_files
from deployments.orphans import end_orphans, remember

NOT_NEEDED = (
    "CANCELLATION_CLEANUP",
    "CLEANUP_RECONCILER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "SCHEDULER",
    "TRIGGERS",
)
"""Services of the server for deployments, workers and automations, of which one run has none."""


@contextmanager
def server_beside() -> Iterator[None]:
    """Start the embedded server beside what is done inside, if a run needs one; ready afterwards.

    It takes as long as our own imports, in a separate process. If it does not start, the flow tries
    again and reports it.
    """
    check_files()
    choose_home()
    for service in NOT_NEEDED:
        os.environ.setdefault(f"PREFECT_SERVER_SERVICES_{service}_ENABLED", "false")
    thread = threading.Thread(target=_start, name="prefect-server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _start() -> None:
    with suppress(Exception):  # the flow meets it again, and says so: as that there is no Prefect
        _start_server()


def _start_server() -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    if PREFECT_API_URL.value() is not None:
        return
    from prefect.server.api.server import SubprocessASGIServer, subprocess_server_logger

    # It tells its address, of no use to who runs one command; the filter of a logger does not
    # hold for those below it, which keep their level.
    subprocess_server_logger.addFilter(lambda record: record.levelno >= logging.WARNING)
    home = PREFECT_HOME.value()

    class RecordedServer(SubprocessASGIServer):
        """One whose process the next command ends, if this one is killed."""

        def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
            process = super()._run_uvicorn_command()
            remember(home, process.pid)
            return process

    end_orphans(home)
    RecordedServer().start()
