"""Verifying the whole store, and copying it to a backup (see erasing/restoring.py)."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from weightstream.atomic_files import appearing
from weightstream.config import Config
from weightstream.errors import ConfigError, StoreError
from weightstream.store.connection import (
    ReadPool,
    explained,
    pending_migrations,
)
from weightstream.store.locks import shared_run_lock
from weightstream.store.verifying import Damage, damage_of, structure_faults

HELD = "select count(*), coalesce(sum(readings), 0) from users"


def check(config: Config) -> tuple[Damage, str]:
    """Verify every page and row of the store; return what is damaged, and what the store holds.

    Raises StoreError if the store cannot be opened.
    """
    data_dir = config.data.data_dir.absolute()
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        connection.execute("begin")
        damage = damage_of(connection)
        return damage, f"{pool.path}: " + ("" if damage.structure else holds(connection))


def holds(connection: sqlite3.Connection) -> str:
    persons, readings = connection.execute(HELD).fetchone()
    return f"{readings:,} measurements of {persons:,} persons"


def backup(config: Config, out: Path) -> str:
    """Copy the store to a file while runs continue; returns what it holds.

    The file appears, or replaces an earlier backup, only once the copy is checked and on the disk.
    Raises StoreError for a damaged store, ConfigError for a place that cannot be.
    """
    data_dir = config.data.data_dir.absolute()
    refuse_own(out, data_dir)
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, appearing(out) as unfinished:
        with pool.connection() as connection:
            connection.execute("vacuum into ?", (str(unfinished),))
        held = sound(unfinished)
        flush(unfinished)
    return held


def refuse_own(out: Path, data_dir: Path) -> None:
    """Raise ConfigError if a backup would destroy something there, or an erasure would miss it."""
    place = Path(os.path.realpath(out))
    if place.is_relative_to(os.path.realpath(data_dir)):
        raise ConfigError(f"{out}: is in the data directory, and would be lost with it")
    if place.is_dir():
        raise ConfigError(f"{out}: is a folder; name a file in it")


def sound(path: Path) -> str:
    """Return what a copy of a store holds. Raises StoreError if it is damaged or not a store."""
    with explained(path), opened(path) as connection:
        if pending_migrations(connection, path):
            connection.execute("select 1 from measurements")  # of 0.1, which had no checksums
            damage = Damage(structure_faults(connection))
        else:
            damage = damage_of(connection)
        if damage:
            raise StoreError(f"{path} is damaged: {damage.to_text()}; nothing was replaced")
        return holds(connection)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store that nobody writes to, without creating files beside it."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


def flush(path: Path) -> None:
    """Flush a file and its name to disk, so that they survive a loss of power."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
