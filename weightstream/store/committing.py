"""Writing a judged batch to the store; persons who changed meanwhile are judged again."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from weightstream.errors import StaleRevision, StoreError
from weightstream.judging.batch_result import BatchResult
from weightstream.store.writing import write_result

ATTEMPTS = 10


def commit(
    connection: sqlite3.Connection,
    path: Path,
    result: BatchResult,
    judge_again: Callable[[Sequence[str]], BatchResult],
    run: int,
    users_per_commit: int,
    on_commit: Callable[[BatchResult, int, int], None],
) -> None:
    """Write a result, some persons a transaction.

    judge_again: judges the named persons by what the store holds now; called where another process
    wrote to one of them after they were read. on_commit: called with the result, and the first and
    last + 1 of its persons that were committed. Raises StoreError.
    """
    for _ in range(ATTEMPTS):
        done = 0
        try:
            for stop in write_result(connection, path, result, run, users_per_commit):
                on_commit(result, done, stop)
                done = stop
        except StaleRevision:
            result = judge_again(result.user_ids[done:])
        else:
            return
    raise StoreError(f"{path}: other processes kept changing the same persons; run again")
