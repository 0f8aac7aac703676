"""Put a judged batch into the store; persons who changed meanwhile are judged again."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from weightstream.errors import StaleRevision, StoreError
from weightstream.judging.decided import Decided
from weightstream.store.writing import write_decided

ATTEMPTS = 10


def commit(
    connection: sqlite3.Connection,
    path: Path,
    decided: Decided,
    judge_again: Callable[[Sequence[str]], Decided],
    run: int,
    users_per_commit: int,
    on_commit: Callable[[Decided, int, int], None],
) -> None:
    """Write decided, some persons a transaction.

    judge_again: decides the named persons from what the store now holds; called where another
    process wrote to one of them after `decided` was read. on_commit is told what was decided, and
    the range of its persons that was committed. Raises StoreError.
    """
    for _ in range(ATTEMPTS):
        done = 0
        try:
            for stop in write_decided(connection, path, decided, run, users_per_commit):
                on_commit(decided, done, stop)
                done = stop
        except StaleRevision:
            decided = judge_again(decided.user_ids[done:])
        else:
            return
    raise StoreError(f"{path}: other processes kept changing the same persons; run again")
