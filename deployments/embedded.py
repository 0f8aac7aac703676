"""Prefect's embedded server, started while the modules of the flow are still imported."""

import atexit
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from deployments.home import choose_home
from deployments.open_files import check_files
from deployments.orphans import end_orphans, remember

HOST, OK, POLL_SECONDS = "127.0.0.1", 200, 0.05
AS_PREFECT_DOES = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
"""What Prefect tells the servers that it starts itself."""
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


@dataclass(frozen=True)
class Launched:
    """A server that was started. seconds: the time within which it has to answer."""

    process: "subprocess.Popen[Any]"
    port: int
    seconds: float


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
    launched = None
    with suppress(Exception):  # the flow meets it again, and says so: as that there is no Prefect
        launched = _launch()
    if launched is None:
        yield
        return
    thread = threading.Thread(target=_adopt, args=(launched,), name="prefect-server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _launch() -> Launched | None:
    """Start the server as Prefect would, but before its modules are imported here.

    Prefect imports the whole server here too before it starts one, which takes as long again.
    Returns None if an API is configured.
    """
    import prefect
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is not None:
        return None
    end_orphans(settings.home)
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    server = ["--factory", "prefect.server.api.server:create_app", "--host", HOST]
    options = ["--port", str(port), "--log-level", "error", "--lifespan", "on"]
    where = ["--app-dir", str(prefect.__module_path__.parent)]
    process = subprocess.Popen(  # noqa: S603, it is this Python
        [sys.executable, "-m", "uvicorn", *where, *server, *options],
        env=os.environ | AS_PREFECT_DOES | settings.to_environment_variables(exclude_unset=True),
    )
    atexit.register(_end, process)
    with suppress(OSError):  # it is ended as this process ends, unless that is killed
        remember(settings.home, process.pid)
    return Launched(process, port, settings.server.ephemeral.startup_timeout_seconds)


def _adopt(launched: Launched) -> None:
    """Give the server to Prefect as the one that it would have started, and wait for its answer."""
    with suppress(Exception):  # as above
        from prefect.server.api.server import SubprocessASGIServer, subprocess_server_logger

        # It tells its address, of no use to who runs one command; the filter of a logger does not
        # hold for those below it, which keep their level.
        subprocess_server_logger.addFilter(lambda record: record.levelno >= logging.WARNING)
        server = SubprocessASGIServer()
        server.server_process, server.port, server.running = launched.process, launched.port, True
        atexit.register(server.stop)
        if not _answers(launched):
            server.stop()


def _answers(launched: Launched) -> bool:
    """Wait until the server answers; False if it ended, or did not answer in time."""
    until = time.monotonic() + launched.seconds
    while launched.process.poll() is None and time.monotonic() < until:
        with (
            suppress(OSError, HTTPException),
            closing(HTTPConnection(HOST, launched.port, timeout=5)) as asked,
        ):
            asked.request("GET", "/api/health")
            if asked.getresponse().status == OK:
                return True
        time.sleep(POLL_SECONDS)
    return False


def _end(process: "subprocess.Popen[Any]") -> None:
    """End a server that this process ends without having given it to Prefect."""
    if process.poll() is None:
        process.terminate()
