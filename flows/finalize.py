"""How a run ends: its summary, its line in the store, its final state in Prefect."""

from typing import Any

from prefect.states import Completed, Failed, State

from flows.artifacts import publish_artifacts
from flows.import_report import publish_import_report
from flows.run_names import counted
from tasks import STAGES
from tasks.runtime.context import RunContext
from weightstream.clocks import RunClock
from weightstream.errors import StoreFull, StoreLocked, WeightstreamError
from weightstream.memory import peak_rss_mb
from weightstream.outputs.summary import Summary
from weightstream.schema import OUTCOMES
from weightstream.store.runs import change_run, end_run, record_counts

BELOW_MIN_READINGS = "below_min_readings"


def error_message(state: State) -> str:
    """Why a task failed, in one sentence; our own errors are such already."""
    reason = state.result(raise_on_failure=False)
    return str(reason) if isinstance(reason, WeightstreamError) else str(state.message)


def stop_without_store(state: State[Any]) -> None:
    """Raise what ended a batch if it would end every other one too."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, StoreLocked | StoreFull):
        raise error


def failed(error: WeightstreamError) -> State[WeightstreamError]:
    """The run could not do its work; the message is the sentence."""
    return Failed(message=str(error), data=error)


def record_outcomes(context: RunContext) -> None:
    """All is judged: every row that came in has its outcome, and the store says so.

    Before pages are drawn, since the one on data quality tells of this run too.
    """
    outcomes = dict(zip(OUTCOMES, context.counts.sum(axis=0).tolist(), strict=True))
    for file, counts in zip(context.intake.files, context.counts.tolist(), strict=True):
        file.duplicates = counts[OUTCOMES.index("duplicates")]
        file.exclude(BELOW_MIN_READINGS, counts[OUTCOMES.index("excluded")])
    for (number, source), rows in context.shared_ids.items():
        context.intake.findings[number].shared_ids[source] = rows
    record_counts(
        context.connection, context.path, context.intake.files, context.file_numbers.tolist()
    )
    outcomes["quarantined"] = sum(file.quarantined for file in context.intake.files)
    outcomes["excluded"] = sum(sum(file.excluded.values()) for file in context.intake.files)
    outcomes["failed"] = context.failed
    outcomes["accepted"] += context.net_accepted  # what retro made of this run's rows
    outcomes["rejected"] -= context.net_accepted
    context.outcomes = outcomes
    counts = {"rows_in": context.intake.rows_in, **outcomes, "users": context.users}
    change_run(context.connection, context.path, context.run, counts)


def finalize_ingest(
    context: RunContext, clock: RunClock, problems: list[str], json_report: str | None = None
) -> State[Summary]:
    """Close the books of an ingest."""
    problems += publish_import_report(context, json_report)
    summary = summarise(context, clock, problems)
    summary.rows_in, summary.counts, summary.users = (
        context.intake.rows_in,
        context.outcomes,
        context.users,
    )
    summary.sources = len(context.sources)
    summary.unusable_sources = sum(path in context.intake.refused for path in context.sources)
    return finalize_run(context, summary)


def summarise(context: RunContext, clock: RunClock, problems: list[str]) -> Summary:
    seconds = {stage.seconds: context.clocks[stage.name].seconds for stage in STAGES.values()}
    index = context.dashboards / "index.html"
    return Summary(
        run_id=context.run_id,
        seconds={"startup": clock.startup, **seconds, "total": clock.total},
        peak_rss_mb=peak_rss_mb(),
        store=context.path,
        dashboards_index=index if index.exists() else None,
        retro=context.retro_counts,
        problems=list(dict.fromkeys(problems)),
    )


def finalize_run(context: RunContext, summary: Summary) -> State[Summary]:
    """Record the run in the store and in Prefect. Some trouble: Completed, named Degraded."""
    status = "degraded" if summary.problems else "completed"
    counts = {"rows_in": summary.rows_in, **summary.counts, "users": summary.users}
    results = {"retro": summary.retro} if summary.retro else {}
    end_run(context.connection, context.path, context.run, status, counts, summary.seconds, results)
    publish_artifacts(context, summary)
    done = f"{summary.rows_in:,} rows" if context.sources else counted(context.users, "person")
    message = "; ".join(summary.problems) or done
    if summary.exit_status == 2:
        return Failed(message=message, data=summary)
    if summary.problems:
        return Completed(name="Degraded", message=message, data=summary)
    return Completed(message=message, data=summary)
