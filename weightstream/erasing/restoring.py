"""`weightstream restore`: put a backup in the place of the store; who was erased stays erased."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from sqlite_utils import Database

from weightstream.atomic_files import appearing
from weightstream.config import Config
from weightstream.erasing.tombstones import CHECK, check_of, key_of
from weightstream.errors import ConfigError, StoreError
from weightstream.intake.tombstones import token
from weightstream.parsing.coded import trimmed
from weightstream.store import erasing
from weightstream.store.backup import flush, sound
from weightstream.store.checksums import keep_checksums
from weightstream.store.connection import (
    DAMAGED,
    STORE_NAME,
    explained,
    pending_migrations,
    transaction,
)
from weightstream.store.locks import ALONE_SECONDS, exclusive_lock
from weightstream.store.migrations import migrations

FORMER = f"{STORE_NAME}.before-restore"
IDS = (
    "select user_id from users union select user_id from demographics "
    "union select user_id from quarantine where user_id is not null"
)
NOT_READ = (
    "the replaced store cannot be read: erase persons again who were erased after the backup was "
    "made"
)


def restore(config: Config, source: Path, overwrite: bool = False) -> list[str]:
    """Put a backup in the place of the store; returns what was done, in lines for a person.

    Waits for runs, as an erasure does. Who was erased after the backup was made is erased from it
    first. overwrite: replace a store that is there; it stays beside the new one. Raises StoreError
    for a damaged backup and for a store that is there if not overwrite; ConfigError for no file.
    """
    data_dir = config.data.data_dir.absolute()
    path = Path(os.path.realpath(data_dir / STORE_NAME))  # it may be a link: SQLite follows it
    if not source.is_file() or (path.exists() and source.samefile(path)):
        raise ConfigError(f"{source}: is not a backup; name a file that `weightstream backup` made")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists; use --overwrite to replace it by the backup")
    lines = [f"{source}: {sound(source)}"]
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive_lock(data_dir), appearing(path) as unfinished:
        for left in {*path.parent.glob(f".{path.name}.*")} - {unfinished}:
            left.unlink()  # of a restore that was killed
        shutil.copyfile(source, unfinished)
        unfinished.chmod(0o600)
        if path.exists():
            lines += erase_again(path, unfinished, data_dir)
            sound(unfinished)
        flush(unfinished)
        if path.exists():
            lines.append(keep_former(path))
    flush(path)
    return [*lines, "restored; run `weightstream dashboards` to draw the pages again"]


def erase_again(former: Path, copy: Path, data_dir: Path) -> Iterator[str]:
    """Erase from a copy whom the former store knows as erased; yield what was done."""
    try:
        with closing(sqlite3.connect(f"{former.as_uri()}?mode=ro", uri=True)) as connection:
            known = connection.execute("select token, erased_at from erasures").fetchall()
            key = key_of(connection, data_dir) if known else None
    except DAMAGED:
        yield NOT_READ
        return
    if key is None:
        return
    tokens = {one for one, _ in known}
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection, explained(copy):
        if pending_migrations(connection, copy):
            with transaction(connection):
                migrations.apply(Database(connection))
        keep_checksums(connection)
        persons = {trimmed(user) for (user,) in connection.execute(IDS)}
        again = [user for user in sorted(persons) if token(key, user) in tokens]
        for user in again:
            erasing.delete_person(connection, copy, user, token(key, user), check_of(key))
            erasing.nothing_left(connection, copy, token(key, user))
            erasing.finish(connection, copy, token(key, user))
        with transaction(connection):
            connection.executemany(
                "insert or ignore into erasures (token, erased_at, finished_at) values (?, ?, ?)",
                [(one, at, at) for one, at in known],
            )
            connection.execute(
                "insert or replace into settings (key, value) values (?, ?)",
                (CHECK, check_of(key)),
            )
        erasing.scrub(connection, copy, time.monotonic() + ALONE_SECONDS)
    if again:
        yield f"{len(again)} persons who were erased after the backup was made are not in it"


def keep_former(path: Path) -> str:
    """Give the store that is replaced another name, in one step; return a line on it."""
    with suppress(*DAMAGED), closing(sqlite3.connect(path)) as connection:
        connection.execute("select 1 from sqlite_master")  # until then it knows of no WAL
        connection.execute("pragma wal_checkpoint(truncate)")
    former = path.with_name(FORMER)
    former.unlink(missing_ok=True)
    os.link(path, former)  # so that there is a store at any moment
    for ending in ("-wal", "-shm"):  # of a store that could not be opened; they would be applied
        with suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{former}{ending}")
    return f"the replaced store is kept as {former}; delete it when you no longer need it"
