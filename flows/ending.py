"""How a run ends: its summary, its line in the store, its final state in Prefect."""

from typing import Any

from prefect.states import Completed, Failed, State

from flows.importing import tell_imports
from flows.names import counted
from flows.telling import tell
from tasks import STAGES
from tasks.road import Road
from weightstream.errors import StoreFull, StoreLocked, WeightstreamError
from weightstream.measuring import RunClock
from weightstream.memory import peak_rss_mb
from weightstream.schema import OUTCOMES
from weightstream.store.runs import change_run, end_run, record_counts
from weightstream.summary import Summary

BELOW_MIN_READINGS = "below_min_readings"


def said(state: State) -> str:
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


def settle(road: Road) -> None:
    """All is judged: every row that came in has its outcome, and the store says so.

    Before pages are drawn, since the one on data quality tells of this run too.
    """
    outcomes = dict(zip(OUTCOMES, road.counts.sum(axis=0).tolist(), strict=True))
    for file, counts in zip(road.intake.files, road.counts.tolist(), strict=True):
        file.duplicates = counts[OUTCOMES.index("duplicates")]
        file.exclude(BELOW_MIN_READINGS, counts[OUTCOMES.index("excluded")])
    for (number, source), rows in road.shared_ids.items():
        road.intake.findings[number].shared_ids[source] = rows
    record_counts(road.connection, road.path, road.intake.files, road.file_numbers.tolist())
    outcomes["quarantined"] = sum(file.quarantined for file in road.intake.files)
    outcomes["excluded"] = sum(sum(file.excluded.values()) for file in road.intake.files)
    outcomes["failed"] = road.failed
    outcomes["accepted"] += road.net_accepted  # what retro made of this run's rows
    outcomes["rejected"] -= road.net_accepted
    road.outcomes = outcomes
    counts = {"rows_in": road.intake.rows_in, **outcomes, "users": road.users}
    change_run(road.connection, road.path, road.run, counts)


def finished(
    road: Road, clock: RunClock, troubles: list[str], json_report: str | None = None
) -> State[Summary]:
    """Close the books of an ingest."""
    troubles += tell_imports(road, json_report)
    summary = summarise(road, clock, troubles)
    summary.rows_in, summary.counts, summary.users = road.intake.rows_in, road.outcomes, road.users
    summary.sources = len(road.sources)
    summary.unusable_sources = sum(path in road.intake.refused for path in road.sources)
    return closed(road, summary)


def summarise(road: Road, clock: RunClock, troubles: list[str]) -> Summary:
    seconds = {stage.seconds: road.clocks[stage.name].seconds for stage in STAGES.values()}
    index = road.dashboards / "index.html"
    return Summary(
        run_id=road.run_id,
        seconds={"startup": clock.startup, **seconds, "total": clock.total},
        peak_rss_mb=peak_rss_mb(),
        store=road.path,
        dashboards_index=index if index.exists() else None,
        retro=road.retro_counts,
        troubles=list(dict.fromkeys(troubles)),
    )


def closed(road: Road, summary: Summary) -> State[Summary]:
    """Record the run in the store and in Prefect. Some trouble: Completed, named Degraded."""
    status = "degraded" if summary.troubles else "completed"
    counts = {"rows_in": summary.rows_in, **summary.counts, "users": summary.users}
    results = {"retro": summary.retro} if summary.retro else {}
    end_run(road.connection, road.path, road.run, status, counts, summary.seconds, results)
    tell(road, summary)
    done = f"{summary.rows_in:,} rows" if road.sources else counted(road.users, "person")
    message = "; ".join(summary.troubles) or done
    if summary.exit_status == 2:
        return Failed(message=message, data=summary)
    if summary.troubles:
        return Completed(name="Degraded", message=message, data=summary)
    return Completed(message=message, data=summary)
