"""The key of erasures and the digests that it made, in a data directory.

The key is a file beside the store; without it the digests name nobody.
"""

import hmac
import os
import secrets
import sqlite3
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from weightstream.errors import StoreError
from weightstream.intake.tombstones import NOBODY, Tombstones
from weightstream.store import queries
from weightstream.store.connection import STORE_NAME

KEY_NAME = "erasure.key"
KEY_BYTES = 32
CHECK = "erasure_key_check"
"""The setting by which the key of the digests is recognised."""


def read_tombstones(connection: sqlite3.Connection, data_dir: Path) -> Tombstones:
    """Read whom an ingest has to leave out. Raises StoreError if the key is lost."""
    tokens = frozenset(one for (one,) in connection.execute("select token from erasures"))
    return Tombstones(read_key(connection, data_dir), tokens) if tokens else NOBODY


def read_key(connection: sqlite3.Connection, data_dir: Path) -> bytes:
    """Read the key of the store's erasures. Raises StoreError if it is missing, or another one."""
    path = data_dir / KEY_NAME
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not hold a key"
        raise StoreError(_lost(path, str(reason))) from None
    if not hmac.compare_digest(check_of(key), queries.setting(connection, CHECK) or "none"):
        raise StoreError(_lost(path, "it is not the key of this store"))
    return key


def _lost(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be used ({reason}); it is needed to recognise persons erased from "
        f"{path.with_name(STORE_NAME)}; restore it from a backup"
    )


def check_of(key: bytes) -> str:
    """Return what the store keeps to recognise the key; "" for what is no key."""
    if len(key) != KEY_BYTES:
        return ""
    return blake2b(b"weightstream", key=key, digest_size=16).hexdigest()


def key_of(connection: sqlite3.Connection, data_dir: Path) -> bytes | None:
    """Read the key of the store; None if it has none yet. Raises StoreError as read_key does."""
    known = queries.setting(connection, CHECK) is not None
    return read_key(connection, data_dir) if known else None


def make_key(data_dir: Path) -> bytes:
    """Make a key, on disk (mode 0600) before anything depends on it.

    One that is there already stays: backups of an older store may need it.
    """
    with suppress(OSError, ValueError):
        there = bytes.fromhex((data_dir / KEY_NAME).read_text("ascii").strip())
        if len(there) == KEY_BYTES:
            return there
    key = secrets.token_bytes(KEY_BYTES)
    path = data_dir / KEY_NAME
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(key.hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return key
