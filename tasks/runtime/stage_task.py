"""The one decorator of tasks: what all stages share."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import STAGES
from tasks.runtime.context import CONTEXTS, RunContext
from tasks.runtime.memory_budget import viz_memory
from tasks.runtime.redaction import is_transient, redacted_errors
from tasks.runtime.watchdog import watched
from weightstream.terminal import counted

Result = TypeVar("Result")
BATCH = "{batch}"


def stage_task(
    stage: str,
    *,
    run_name: str,
    name: str | None = None,
    size: Callable[[RunContext, int], str] | None = None,
    retries: int = 2,
    viz_mb: Callable[..., int] | None = None,
    watch: bool = True,
) -> Callable[[Callable[..., Result]], Task[..., Result]]:
    """Make a Prefect task of a function over a run context.

    The function takes (context, batch) if run_name holds {batch}, else (context); its task takes
    (run, batch) or (run), since Prefect keeps what a task is given.
    run_name: of its runs in Prefect; size: of a batch, which the name tells too.
    stage: of STAGES, whose tag and clock it goes under. name: of the task, if not the stage's.
    retries: after a locked store; other failures are final. viz_mb: called as the function is;
    the MB of drawing memory that the task waits for and holds. watch: end the process if the task
    hangs. The text of a failure is kept only where it cannot hold anything of persons.
    """
    label = name or stage

    def perform(work: Callable[..., Result], run: str, *batch: int) -> Result:
        context = CONTEXTS[run]
        with redacted_errors(label, *batch), ExitStack() as around:
            if viz_mb is not None:
                megabytes = viz_mb(context, *batch)
                around.enter_context(viz_memory(context.settings.limits, megabytes))
            if watch:
                around.enter_context(watched(context, label, *batch))
            with context.tallies.clocks[stage].running():
                return work(context, *batch)

    def decorate(work: Callable[..., Result]) -> Task[..., Result]:
        def on_batch(run: str, batch: int) -> Result:
            return perform(work, run, batch)

        def on_run(run: str) -> Result:
            return perform(work, run)

        function: Callable[..., Result] = on_batch if BATCH in run_name else on_run
        function.__doc__, function.__name__ = work.__doc__, work.__name__
        return Task(
            function,
            name=label,
            task_run_name=run_name if size is None else name_with_size(run_name, size),
            tags=[STAGES[stage].tag],
            cache_policy=NO_CACHE,
            retries=retries,
            retry_delay_seconds=exponential_backoff(backoff_factor=1),
            retry_condition_fn=is_transient,
        )

    return decorate


def name_with_size(run_name: str, size: Callable[[RunContext, int], str]) -> Callable[..., str]:
    """Return what names a task run for Prefect, such as `filter batch 3 · 65,536 rows`."""

    def name(parameters: dict[str, Any]) -> str:
        batch = parameters["batch"]
        return f"{run_name.format(batch=batch)} · {size(CONTEXTS[parameters['run']], batch)}"

    return name


def rows_in(context: RunContext, batch: int) -> str:
    """Return how many new measurements are in a batch."""
    return counted(len(context.batches.partitions[batch].rows), "row")


def persons_in(context: RunContext, batch: int) -> str:
    """Return how many persons are in a batch."""
    return counted(len(context.batches.persons[batch]), "person")
