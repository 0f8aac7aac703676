"""Open what a run needs before its first task, and close it after the last."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tasks.runtime.concurrency_limits import release_slots, stage_limits
from tasks.runtime.context import CONTEXTS, RunContext
from tasks.runtime.progress import Progress
from weightstream.config import Config, load
from weightstream.errors import StoreError, StoreLocked
from weightstream.intake.cleaning import Rules
from weightstream.intake.partition import spill_folder
from weightstream.judging import parameters
from weightstream.judging.causal import judging_of
from weightstream.memory import give_back
from weightstream.readers import ReadOptions
from weightstream.store.connection import STORE_NAME, Checkpointer, ReadPool, open_writer
from weightstream.store.datasette import write_metadata
from weightstream.store.runs import begin_run, end_run, remember_timezone


def configured(config: str | None, data_dir: str | None) -> Config:
    """The effective configuration of a run; data_dir, where given, comes before the file's."""
    return load(Path(config) if config else None, {("data", "data_dir"): data_dir}).config


@contextmanager
def open_run(
    run_id: str,
    kind: str,
    config: Config,
    sources: list[Path] | None = None,
    reading: ReadOptions | None = None,
    people: Mapping[Path, str] | None = None,
) -> Iterator[RunContext]:
    """The road of a run, known to its tasks by run_id while it is open.

    Creates the store where there is none. Raises StoreError, and PrefectError where a stage has no
    slot.
    """
    give_back()
    data_dir = config.data.data_dir.absolute()
    started = datetime.now(UTC)
    limits = stage_limits()
    progress = Progress()
    with (
        open_writer(data_dir) as connection,
        ReadPool(data_dir, config.threading.db_read_connections) as pool,
    ):
        write_metadata(data_dir)
        remember_timezone(connection, data_dir / STORE_NAME, config.data.timezone)
        run = begin_run(connection, data_dir / STORE_NAME, run_id, kind)
        (known,) = connection.execute("select exists (select 1 from users)").fetchone()
        CONTEXTS[run_id] = RunContext(
            run_id=run_id,
            config=config,
            data_dir=data_dir,
            sources=sources or [],
            reading=reading or ReadOptions(),
            people=people or {},
            cleaning=Rules(started, config.data.timezone, config.data.min_date),
            judging=judging_of(config, parameters.active(connection)),
            connection=connection,
            checkpointer=Checkpointer(connection, data_dir),
            pool=pool,
            run=run,
            known_persons=bool(known),
            progress=progress,
            spill=spill_folder(data_dir),
            limits=limits,
        )
        try:
            yield CONTEXTS[run_id]
        except StoreLocked:
            raise  # the run's own line cannot be written either
        except BaseException as error:
            with suppress(StoreError):
                end_run(connection, data_dir / STORE_NAME, CONTEXTS[run_id].run, "failed", {}, {})
            if not isinstance(error, Exception):  # cancelled or interrupted, in some task's midst
                with suppress(Exception):
                    release_slots(run_id, "its run was ended from outside")
            raise
        finally:
            progress.close()
            context = CONTEXTS.pop(run_id)
            context.checkpointer.close()
            shutil.rmtree(
                context.spill, ignore_errors=True
            )  # there still, if the run was cut short
