"""The store as judging reads it: judging.stored.Stored over a connection."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.judging.stored import (
    CURRENT,
    HISTORY,
    OVERRIDES,
    RECORDS,
    SPELLINGS,
    SUPERSEDED,
    UPDATED,
    StoredPerson,
)
from weightstream.schema import DEMOGRAPHICS
from weightstream.store.queries import listed, table
from weightstream.store.verifying import verify_history, verify_states

PERSONS = """
select user_id, revision, readings, rejected, first_us, last_us, settled, basis, state, records,
  s.checksum
from json_each(?) wanted join users on user_id = wanted.value
left join user_states s using (user_id)
"""


SINCE = (
    "user_id = json_extract(wanted.value, '$[0]') "
    "and effective_at >= json_extract(wanted.value, '$[1]')"
)
CHECKSUM = pa.field("checksum", pa.int64())


def pairs(since: Mapping[str, str]) -> str:
    """Return persons and the effective_at from which on their rows are wanted, as JSON."""
    return json.dumps([*since.items()])


class StoredPersons:
    """judging.stored.Stored over a connection; at one time, if that is in a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def persons(self, user_ids: Sequence[str]) -> dict[str, StoredPerson]:
        """Raises StoreError for a state that is not as it was written, as history does."""
        rows = self._connection.execute(PERSONS, (listed(user_ids),)).fetchall()
        verify_states(self._connection, [row for row in rows if row[-1] is not None])
        return {user: StoredPerson(*rest) for user, *rest, _ in rows}

    def demographics(self, user_ids: Sequence[str]) -> pa.Table:
        return self._rows("demographics", DEMOGRAPHICS, user_ids)

    def levels(self, user_ids: Sequence[str]) -> dict[str, float | None]:
        return dict(
            self._connection.execute(
                "select user_id, level_kg from json_each(?) wanted "
                "join users on user_id = wanted.value",
                (listed(user_ids),),
            )
        )

    def history(self, since: Mapping[str, str]) -> pa.Table:
        names = HISTORY.append(CHECKSUM)
        rows = table(
            self._connection,
            names,
            f"select {', '.join(names.names)} from json_each(?) wanted "  # noqa: S608
            f"cross join measurements on {SINCE}",
            (pairs(since),),
        )
        verify_history(self._connection, rows)
        return rows.select(HISTORY.names)

    def superseded(self, user_ids: Sequence[str]) -> pa.Table:
        return self._rows("superseded", SUPERSEDED, user_ids)

    def overrides(self, user_ids: Sequence[str]) -> pa.Table:
        columns, wanted = ", ".join(OVERRIDES.names), listed(user_ids)
        return table(
            self._connection,
            OVERRIDES,
            f"select {columns} from json_each(?) wanted join overrides on user_id = wanted.value "  # noqa: S608
            f"where withdrawn_at is null union select {columns} from json_each(?) wanted "
            "join overrides on assigned_to = wanted.value where withdrawn_at is null",
            (wanted, wanted),
        )

    def assigned(self, keys: pa.Table) -> pa.Table:
        return table(
            self._connection,
            HISTORY,
            f"select {', '.join(HISTORY.names)} from json_each(?) wanted "  # noqa: S608
            "cross join measurements on user_id = json_extract(wanted.value, '$[0]') "
            "and effective_at = json_extract(wanted.value, '$[1]') "
            "and measurement_id = json_extract(wanted.value, '$[2]')",
            (json.dumps([list(key.values()) for key in keys.to_pylist()]),),
        )

    def records(self, user_ids: Sequence[str]) -> pa.Table:
        return pa.concat_tables(
            [self._rows(name, RECORDS, user_ids) for name in ("measurements", "records")]
        )

    def spellings(self, user_ids: Sequence[str]) -> pa.Table:
        return self._rows("measurements", SPELLINGS, user_ids)

    def _rows(self, name: str, columns: pa.Schema, user_ids: Sequence[str]) -> pa.Table:
        return table(
            self._connection,
            columns,
            f"select {', '.join(columns.names)} from json_each(?) wanted "  # noqa: S608
            f"cross join {name} on user_id = wanted.value",
            (listed(user_ids),),
        )

    def current(
        self, since: Mapping[str, str], stage: str, columns: pa.Schema = CURRENT
    ) -> pa.Table:
        # Estimates of another stage are not compared: a first retro would spend a third of its
        # reading on them.
        cells = (
            f"case when stage = ?2 then {name} end" if name in UPDATED else name
            for name in columns.names
        )
        versions = table(
            self._connection,
            columns.append(pa.field("person", pa.int64())),
            # In the order of the key, so that the newest version of a measurement comes last:
            # leaving the others out here costs a third of what grouping costs in SQLite.
            f"select {', '.join(cells)}, wanted.key from json_each(?1) wanted "  # noqa: S608
            f"cross join decisions on {SINCE}",
            (pairs(since), stage),
        )
        last = np.ones(len(versions), bool)
        for name in ("measurement_id", "person") if len(versions) else ():
            column = versions[name].combine_chunks()
            last[:-1] &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        last[:-1] = ~last[:-1]
        return versions.drop_columns("person").filter(pa.array(last))

    def overridden(self, user_ids: Sequence[str]) -> list[str]:
        rows = self._connection.execute(
            "select distinct value from json_each(?) where value in (select user_id from "
            "overrides) or value in (select assigned_to from overrides)",
            (listed(user_ids),),
        )
        return [user for (user,) in rows]

    def has_assignments(self, user_ids: Sequence[str]) -> bool:
        (found,) = self._connection.execute(
            "select exists (select 1 from overrides where assigned_to is not null and (user_id in "
            "(select value from json_each(?1)) or assigned_to in "
            "(select value from json_each(?1))))",
            (listed(user_ids),),
        ).fetchone()
        return bool(found)
