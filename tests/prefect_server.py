"""A Prefect server for tests, which starts on a database that is migrated already."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

STARTUP_SECONDS = 200


@dataclass(frozen=True)
class Harness:
    """A Prefect server with a database of its own, for the session."""

    home: Path
    database: Path


def migrated_database(cache: Path) -> Path:
    """Return an empty database of the installed Prefect, made once: a hundred migrations take
    half a minute. cache: a folder that outlives the session, and that workers share.
    """
    database = cache / f"prefect-{version('prefect')}.db"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            unfinished = database.with_suffix(".tmp")
            unfinished.unlink(missing_ok=True)
            url = f"sqlite+aiosqlite:///{unfinished}"
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env={**os.environ, "PREFECT_SERVER_DATABASE_CONNECTION_URL": url},
                check=True,
                capture_output=True,
            )
            unfinished.rename(database)
    return database


@contextmanager
def harness(home: Path, migrated: Path) -> Iterator[Harness]:
    """Run flows of this process on a server of its own. migrated: what its database begins as."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    folder = home / "harness"
    folder.mkdir()
    database = folder / "prefect-test.db"  # as the harness calls it
    shutil.copy(migrated, database)
    with (
        patch("prefect.testing.utilities.mkdtemp", lambda: str(folder)),
        prefect_test_harness(server_startup_timeout=STARTUP_SECONDS),
        # The end of each flow waits up to a second for the thread that sends them.
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield Harness(home, database)
