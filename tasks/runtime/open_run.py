"""Opening the run context before the first task, and closing it after the last."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from prefect.context import TagsContext

from tasks.runtime.concurrency_limits import release_slots, stage_limits
from tasks.runtime.context import (
    CONTEXTS,
    Batches,
    RunContext,
    RunSettings,
    StoreHandles,
    Tallies,
)
from tasks.runtime.leaving import emit_left
from tasks.runtime.progress import Progress
from tasks.runtime.run_logging import log_to_run
from weightstream.config import Config
from weightstream.errors import StoreError, StoreLocked
from weightstream.intake.partition import spill_folder
from weightstream.judging.causal import judging_of
from weightstream.memory import give_back
from weightstream.readers import ReadOptions
from weightstream.store import models
from weightstream.store.connection import STORE_NAME, Checkpointer, ReadPool, open_writer
from weightstream.store.datasette import write_metadata
from weightstream.store.overriding import apply_pending
from weightstream.store.runs import begin_run, end_run, remember_timezone

ANYONE = "select exists (select 1 from users union all select 1 from demographics)"


@contextmanager
def open_run(
    run_id: str,
    kind: str,
    config: Config,
    sources: Sequence[Path] = (),
    read_options: ReadOptions | None = None,
    users: Mapping[Path, str] | None = None,
) -> Iterator[RunContext]:
    """Open the context of a run; its tasks find it by run_id while it is open.

    Creates the store if there is none. Raises StoreError, and PrefectError if a stage has no slot.
    """
    give_back()
    log_to_run()
    data_dir = config.data.data_dir.absolute()
    started, limits, tallies = datetime.now(UTC), stage_limits(), Tallies(Progress())
    with untagged(), open_store(run_id, kind, config, data_dir) as store:
        settings = RunSettings(
            run_id,
            config,
            data_dir,
            judging_of(config, models.active(store.connection)),
            started,
            spill_folder(data_dir),
            limits,
            sources,
            read_options or ReadOptions(),
            users or {},
        )
        CONTEXTS[run_id] = RunContext(settings, store, Batches(), tallies)
        try:
            yield CONTEXTS[run_id]
        except StoreLocked:
            raise  # the run's own line cannot be written either
        except BaseException as error:
            with suppress(StoreError):
                end_run(store.connection, store.path, store.run, "failed", {}, {})
            if not isinstance(error, Exception):  # cancelled or interrupted inside some task
                with suppress(Exception):
                    emit_left()
                    release_slots(run_id, "the run was ended from outside")
            raise
        finally:
            tallies.progress.close()
            del CONTEXTS[run_id]
            store.checkpointer.close()
            # Still there if the run was cut short.
            shutil.rmtree(settings.spill, ignore_errors=True)


def untagged() -> TagsContext:
    """Return a context that keeps the tags of a flow run off its tasks, whose tags name limits."""
    return TagsContext(current_tags=set())


@contextmanager
def open_store(run_id: str, kind: str, config: Config, data_dir: Path) -> Iterator[StoreHandles]:
    """Open the store for a run, and begin the run in it. Raises StoreError."""
    path = data_dir / STORE_NAME
    with (
        open_writer(data_dir) as connection,
        ReadPool(data_dir, config.threading.db_read_connections) as pool,
    ):
        write_metadata(data_dir)
        remember_timezone(connection, path, config.data.timezone)
        apply_pending(connection, path, config)
        run = begin_run(connection, path, run_id, kind)
        (known,) = connection.execute(ANYONE).fetchone()
        checkpointer = Checkpointer(connection, data_dir)
        yield StoreHandles(path, connection, checkpointer, pool, run, bool(known))
