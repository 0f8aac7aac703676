"""Ending a command on a signal: as by Ctrl-C, and within ten seconds even if something hangs."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
SECONDS = 8.0
"""The time to end: to roll back, release slots, stop Prefect's embedded server."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: a service is stopped, a terminal was closed. It ends as by Ctrl-C."""

    def __init__(self, number: int) -> None:
        self.exit_status = 128 + number


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise Terminated in the main thread.

    If the signal ended the process itself, a server that Prefect has started would be left running
    (ours ends with us).
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _terminate)
    # Python tells the main thread, which may wait for a lock of SQLite or for a thread that never
    # comes; what is written to this pipe comes from the signal itself.
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    with suppress(RuntimeError):  # no thread can be started
        threading.Thread(target=_end_late, args=(read,), name="ending", daemon=True).start()


def _terminate(number: int, _: FrameType | None) -> None:
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)  # a second one must not break off the ending
    raise Terminated(number)


def _end_late(read: int) -> None:
    """End the process some time after the signal, if it is still running."""
    while (number := os.read(read, 1)[0]) not in SIGNALS:
        pass
    time.sleep(SECONDS)
    # Only of a server that Prefect has started itself; ours ends with us.
    if server := sys.modules.get("prefect.server.api.server"):
        with suppress(Exception):
            server.SubprocessASGIServer().server_process.terminate()
    os._exit(128 + number)
