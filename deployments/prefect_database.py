"""The SQLite file of Prefect's embedded server, made by copying instead of by a hundred migrations.

They take longer than everything else at the first start. So the first file that they make is kept,
empty, as a template for its version of Prefect. `make install` runs this module to have one.
"""

import asyncio
import os
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
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
        if not file.exists():
            if template.exists():
                copy_new(template, file)
            else:
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
    writable = [file for file in files if os.access(file.parents[1], os.W_OK)]
    return next(iter(there + writable), None)


def migrate() -> None:
    """Make the database of Prefect's settings by its migrations."""
    from prefect.server.database.alembic_commands import alembic_upgrade
    from prefect.utilities.asyncutils import run_sync_in_worker_thread

    asyncio.run(run_sync_in_worker_thread(alembic_upgrade))


def keep(file: Path, template: Path) -> None:
    """Keep a database that has only been migrated as the template, whole or not at all."""
    template.parent.mkdir(exist_ok=True)
    with appearing(template) as copy, closing(sqlite3.connect(file)) as connection:
        connection.execute("vacuum into ?", [str(copy)])
    template.chmod(0o644)  # nothing is in it, and others may start from it too


def copy_new(template: Path, file: Path) -> None:
    """Copy the template to where no database is, whole or not at all.

    Raises FileExistsError if another process was faster, or if a lost database has left its log,
    which SQLite would apply to the new one.
    """
    log = file.with_name(f"{file.name}-wal")
    if log.exists():
        raise FileExistsError(log)
    copy = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with removed(copy):
        shutil.copyfile(template, copy)
        os.link(copy, file)


def revision(file: Path) -> list[tuple[str]]:
    """Return the newest migration that a database has."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
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
