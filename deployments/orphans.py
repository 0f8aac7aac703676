"""Embedded servers whose command was killed: each is recorded, and ended by the next command.

Only `kill -9` or a crash of the machine leaves one. A record identifies command and server by
process id and start time, so that a later process with the same id is never ended.
"""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

RECORDS = "weightstream-servers"
"""Folder in Prefect's home."""
START_TIME = 19
"""Place of a process's start time in /proc/PID/stat, after its name and state."""


def remember(home: Path, server: int) -> None:
    """Record a server that this process has started, for as long as either lives."""
    folder = home / RECORDS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    named = {"command": identity(os.getpid()), "server": identity(server)}
    (folder / f"{server}.json").write_text(json.dumps(named))


def end_orphans(home: Path) -> int:
    """End recorded servers whose command is gone; return how many. Nothing where no /proc is."""
    ended = 0
    for record in (home / RECORDS).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            named = json.loads(record.read_text())
            if alive(named["command"]):
                continue
            if alive(named["server"]):
                os.kill(named["server"]["pid"], signal.SIGTERM)
                ended += 1
            record.unlink()
    return ended


def identity(pid: int) -> dict[str, int | str]:
    """Return what distinguishes a process from any that gets its id later."""
    return {"pid": pid, "started": started(pid)}


def alive(process: dict[str, int | str]) -> bool:
    return started(int(process["pid"])) == process["started"] != ""


def started(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; "" if there is none."""
    with suppress(OSError, IndexError):
        # A name may hold anything, also ")": it ends at the last one.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[START_TIME - 1]
    return ""
