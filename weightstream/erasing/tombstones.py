"""Who was erased: keyed digests of their ids, by which what comes of them again is left out.

The key lies in a file beside the store; without it the digests say nothing about anybody.
"""

import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import StoreError
from weightstream.intake.cleaning import Cleaned
from weightstream.intake.coded import Bools, encode
from weightstream.store import queries
from weightstream.store.connection import STORE_NAME
from weightstream.store.erasing import SHORT_ID

OTHER_CELLS = ("time", "source", "weight", "unit")
KEY_NAME = "erasure.key"
KEY_BYTES = 32
CHECK = "erasure_key_check"
"""The setting that tells whether a key is the one that the digests were made with."""


@dataclass(frozen=True)
class Tombstones:
    """Digests of the erased, and what was found of ids so far: each is looked up once a run."""

    key: bytes = b""
    tokens: frozenset[str] = frozenset()
    _erased: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, user_id: str) -> bool:
        """user_id: normalised."""
        if user_id not in self._erased:
            self._erased[user_id] = token(self.key, user_id) in self.tokens
        return self._erased[user_id]

    def of_others(self, cleaned: Cleaned) -> Cleaned:
        """Without the rows of the erased, faulty ones and retractions among them."""
        if not self.tokens:
            return cleaned
        return replace(
            cleaned,
            measurements=self._others(cleaned.measurements),
            quarantine=self._others(cleaned.quarantine, OTHER_CELLS),
            retractions=self._others(cleaned.retractions),
        )

    def _others(self, rows: pa.Table, cells: Sequence[str] = ()) -> pa.Table:
        erased = whose(rows, cells, lambda texts: np.array([u in self for u in texts], bool))
        return rows.filter(pa.array(~erased)) if erased.any() else rows


NOBODY = Tombstones()


def whose(rows: pa.Table, cells: Sequence[str], wanted: Callable[[list[str]], Bools]) -> Bools:
    """(N,) whether a row is of a wanted person.

    wanted: of (V,) ids, whether they are. cells: columns in which an id may have ended up in rows
    that name nobody; one of fewer than SHORT_ID characters may be anything there.
    """
    users = encode(rows["user_id"])
    theirs = users.spread(wanted(users.texts.to_pylist()), False)
    nobody = np.flatnonzero(users.is_blank())
    for cell in cells if len(nobody) else ():
        other = encode(rows[cell].take(pa.array(nobody)))
        long = pc.greater_equal(pc.utf8_length(other.texts), SHORT_ID).to_numpy(
            zero_copy_only=False
        )
        theirs[nobody] |= other.spread(wanted(other.texts.to_pylist()) & long, False)
    return theirs


def token(key: bytes, user_id: str) -> str:
    """32 hex digits of BLAKE2b under a key; user_id: normalised."""
    return blake2b(user_id.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()


def read_tombstones(connection: sqlite3.Connection, data_dir: Path) -> Tombstones:
    """Whom an ingest has to leave out. Raises StoreError if that cannot be told any more."""
    tokens = frozenset(one for (one,) in connection.execute("select token from erasures"))
    return Tombstones(read_key(connection, data_dir), tokens) if tokens else NOBODY


def read_key(connection: sqlite3.Connection, data_dir: Path) -> bytes:
    """The key of the store's erasures. Raises StoreError if it is not there, or another one."""
    path = data_dir / KEY_NAME
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no key"
        raise StoreError(_lost(path, str(reason))) from None
    if not hmac.compare_digest(check_of(key), queries.setting(connection, CHECK) or "none"):
        raise StoreError(_lost(path, "it is not the key of this store"))
    return key


def _lost(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be used ({reason}), and without it nobody can tell who was erased from "
        f"{path.with_name(STORE_NAME)}; restore it from a backup"
    )


def check_of(key: bytes) -> str:
    """What the store keeps to know the key again; nothing that it keeps for what is no key."""
    if len(key) != KEY_BYTES:
        return ""
    return blake2b(b"weightstream", key=key, digest_size=16).hexdigest()


def key_of(connection: sqlite3.Connection, data_dir: Path) -> bytes | None:
    """The key of the store; None if it has none yet. Raises StoreError as read_key does."""
    known = queries.setting(connection, CHECK) is not None
    return read_key(connection, data_dir) if known else None


def make_key(data_dir: Path) -> bytes:
    """A new key, on disk (mode 0600) before anything depends on it.

    One that lies there already stays: backups of an older store may need it.
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
