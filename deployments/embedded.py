"""Prefect's embedded server, started while the modules of the flow are still imported."""

import atexit
import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

import click

from deployments.home import choose_home
from deployments.open_files import check_files
from tasks import OWN_API_URL
from weightstream.errors import PrefectError

HOST, OK, POLL_SECONDS, END_SECONDS = "127.0.0.1", 200, 0.02, 5.0
API_URL = "PREFECT_API_URL"


@dataclass(frozen=True)
class Launched:
    """A server that was started. pipe: it ends when this is closed, also by our death."""

    process: "subprocess.Popen[Any]"
    port: int
    pipe: int


@contextmanager
def server_beside() -> Iterator[None]:
    """Start the embedded server beside what is done inside, if a run needs one; ready afterwards.

    Prefect would import the whole server here too before it starts one, for one class. It is told
    of ours as of any other server. If ours does not start, Prefect starts one, and reports it if
    that fails too. Where Prefect's home is, or that it has none, is said at the end: what is wrong
    with the sources comes first.
    """
    check_files()
    launched, told, refused = None, None, None
    try:
        told = choose_home()
    except PrefectError as error:
        refused = error
    if refused is None and not os.environ.get(API_URL):
        with suppress(OSError):
            launched = _launch()
    gc.disable()  # what is imported stays
    try:
        yield
    except BaseException:
        if launched is not None:
            _end(launched)
        raise
    finally:
        gc.enable()
    if refused is not None:
        raise refused
    if told is not None:
        click.echo(told, err=True)
    if launched is not None:
        _adopt(launched)


def _launch() -> Launched:
    """Start the server in a process of its own, which reads the same settings as we will."""
    pipe, ours = os.pipe()
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        port = listening.getsockname()[1]
        theirs = (listening.fileno(), pipe)
        try:
            process = subprocess.Popen(  # noqa: S603, it is this Python
                [sys.executable, "-P", "-m", f"{__package__}.embedded_server", *map(str, theirs)],
                pass_fds=theirs,
                start_new_session=True,  # Ctrl-C is for us, who still need it
            )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(pipe)
    launched = Launched(process, port, ours)
    atexit.register(_end, launched)
    return launched


def _adopt(launched: Launched) -> None:
    """Tell Prefect of the server, and wait until it answers.

    End it if a profile names another API, or if it does not answer; then Prefect is told of none.
    """
    import fastapi.encoders  # noqa: F401, Prefect does as it starts a run, and here we wait anyway
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url:
        _end(launched)
        return
    before = os.environ.get(API_URL)
    os.environ[API_URL] = os.environ[OWN_API_URL] = f"http://{HOST}:{launched.port}/api"
    refresh_global_settings_context()
    if not _answers(launched, settings.server.ephemeral.startup_timeout_seconds):
        _end(launched)
        del os.environ[API_URL], os.environ[OWN_API_URL]
        if before is not None:  # empty, so that a profile's is not used
            os.environ[API_URL] = before
        refresh_global_settings_context()


def _answers(launched: Launched, seconds: float) -> bool:
    """Wait until the server answers; False if it ended, or did not answer in time."""
    until = time.monotonic() + seconds
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


def _end(launched: Launched) -> None:
    """End the server, and wait for what it still has to write."""
    if launched.process.poll() is not None:
        return
    launched.process.terminate()
    try:
        launched.process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        launched.process.kill()
