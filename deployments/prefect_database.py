"""The SQLite file of Prefect's embedded server, made by copying instead of by a hundred migrations.

They take longer than everything else at the first start. So the first file that they make is kept,
empty, as a template for its version of Prefect. `make install` runs this module to have one.
"""

import asyncio
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from weightstream.atomic_files import appearing, removed
from weightstream.own_folder import own_temporary_folder
from weightstream.scratch import scratch_folder

SQLITE = "sqlite+aiosqlite:///"


def make_database() -> bool:
    """Make the database of Prefect's settings if it is missing; return whether it is up to date.

    False leaves everything to Prefect: the database is another's, or not of this version.
    """
    import prefect
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    file = file_of(str(PREFECT_API_DATABASE_CONNECTION_URL.value()))
    template = template_of(prefect.__version__)
    if file is None or template is None:
        return False
    with suppress(Exception):  # Prefect migrates then, and reports what is wrong
        if not file.exists() and not copy_new(template, file):
            with suppress(OSError):  # damaged, and another user's
                template.unlink(missing_ok=True)
            migrate()
            keep(file, template)
        return revision(file) == revision(template)
    return False


def file_of(url: str) -> Path | None:
    """Return the file that a connection URL of Prefect names; None if it is not just a file."""
    name = url.removeprefix(SQLITE)
    return None if name == url or not name or set(name) & set(":?") else Path(name)


def template_of(version: str) -> Path | None:
    """Return where the template of a version of Prefect is, or is to be; None if nowhere."""
    folders = [Path(__file__).parent, own_temporary_folder()]
    files = [folder / "__pycache__" / f"prefect-{version}.db" for folder in folders if folder]
    there = [file for file in files if file.exists()]
    return next(iter(there + [file for file in files if can_be_made(file)]), None)


def can_be_made(template: Path) -> bool:
    """Return whether the folder of a template can be written, or made."""
    folder = template.parent
    return os.access(folder if folder.exists() else folder.parent, os.W_OK)


def migrate() -> None:
    """Make the database of Prefect's settings by its migrations."""
    from prefect.server.database.alembic_commands import alembic_upgrade
    from prefect.utilities.asyncutils import run_sync_in_worker_thread

    asyncio.run(run_sync_in_worker_thread(alembic_upgrade))


def keep(file: Path, template: Path) -> None:
    """Keep a database that has only been migrated as the template, whole or not at all.

    Raises FileExistsError if a run of another command is in it already.
    """
    template.parent.mkdir(exist_ok=True)
    with appearing(template) as copy:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("vacuum into ?", [str(copy)])
        if has_runs(copy):
            raise FileExistsError(file)
    template.chmod(0o644)  # nothing is in it, and others may start from it too


def has_runs(file: Path) -> bool:
    """Return whether a database knows a flow, which each run registers first."""
    with reading(file) as connection:
        return connection.execute("select 1 from flow limit 1").fetchone() is not None


def copy_new(template: Path, file: Path) -> bool:
    """Copy the template to where no database is, whole or not at all.

    Returns False if there is no template, or a damaged one, from which Prefect could never start.
    Raises FileExistsError if another process was faster, or if a lost database has left its log,
    which SQLite would apply to the new one.
    """
    if not template.exists():
        return False
    log = file.with_name(f"{file.name}-wal")
    if log.exists():
        raise FileExistsError(log)
    copy = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with removed(copy):
        shutil.copyfile(template, copy)
        if not is_sound(copy):
            return False
        with copy.open("rb") as written:
            os.fsync(written)  # else a power cut could damage the database of this home
        os.link(copy, file)
    return True


def is_sound(file: Path) -> bool:
    """Return whether a file is an undamaged database of Prefect."""
    try:
        with reading(file) as connection:
            found = connection.execute("pragma quick_check").fetchall()
        return found == [("ok",)] and len(revision(file)) == 1
    except sqlite3.DatabaseError:
        return False


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def revision(file: Path) -> list[tuple[str]]:
    """Return the newest migration that a database has."""
    with reading(file) as connection:
        return connection.execute("select version_num from alembic_version").fetchall()


def main() -> None:
    """Make the template, if there is none."""
    with scratch_folder() as home:
        os.environ["PREFECT_HOME"] = str(home)
        os.environ.pop("PREFECT_API_DATABASE_CONNECTION_URL", None)
        os.environ.pop("PREFECT_SERVER_DATABASE_CONNECTION_URL", None)
        make_database()


if __name__ == "__main__":
    main()
