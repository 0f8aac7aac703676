"""The steps that create a store or migrate an older one; sqlite-utils records them."""

from sqlite_utils import Database, Migrations

from weightstream.store.checksums import renew_all
from weightstream.store.rebuilding import rebuild_changed
from weightstream.store.tables import INDEXES, TABLES, VIEWS
from weightstream.store.upgrade_0_1 import STEPS_OF_0_1, restore_rows, set_tables_apart

migrations = Migrations("weightstream")

FORMER_STEPS = frozenset(STEPS_OF_0_1)
"""Names that an upgraded store has recorded besides those of this program's own steps."""


@migrations()
def store_of_0_2(db: Database) -> None:
    """Create every table and view; of a store of 0.1, keep what it holds."""
    upgraded = "measurements" in db.table_names()
    if upgraded:
        set_tables_apart(db.conn)
    for statement in (*TABLES.values(), *INDEXES):
        db.execute(statement)
    if upgraded:
        restore_rows(db.conn)
        renew_all(db.conn)
    for view in VIEWS.values():
        db.execute(view)


@migrations()
def demographics(db: Database) -> None:
    """Add the table to a store of an earlier 0.2, and its columns to the view of persons."""
    if "demographics" not in db.table_names():
        db.execute(TABLES["demographics"])
        db.execute("drop view persons")
        db.execute(VIEWS["persons"])


@migrations()
def second_reasons(db: Database) -> None:
    """Add second_reason and p_second to decisions of an earlier 0.2; retro fills them."""
    rebuild_changed(db.conn)
