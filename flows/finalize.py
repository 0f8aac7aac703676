"""Ending a run: its summary, its row in the store, its final state in Prefect."""

from contextlib import suppress
from typing import Any

from prefect.states import Completed, Failed, State

from flows.artifacts import publish_artifacts
from flows.events import ALERTED, BREACHED, publish_news
from flows.import_report import publish_import_report
from tasks import STAGES
from tasks.runtime.context import RunContext, RunSettings
from tasks.runtime.redaction import OUTAGES, outage_message
from weightstream.clocks import RunClock
from weightstream.errors import StoreFull, StoreLocked, WeightstreamError
from weightstream.memory import peak_rss_mb
from weightstream.outputs.report import tell_end
from weightstream.outputs.summary import Summary
from weightstream.schema import OUTCOMES
from weightstream.store.runs import change_run, end_run, record_counts
from weightstream.terminal import counted

BELOW_MIN_READINGS = "below_min_readings"


def error_message(state: State) -> str:
    """Return in one sentence why a task failed."""
    reason = state.result(raise_on_failure=False)
    if isinstance(reason, OUTAGES):
        return outage_message(reason)
    return str(reason) if isinstance(reason, WeightstreamError) else str(state.message)


def stop_without_store(state: State[Any]) -> None:
    """Raise the error of a batch if every other batch would fail too."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, StoreLocked | StoreFull):
        raise error


def failed(error: WeightstreamError) -> State[WeightstreamError]:
    """Return the state of a run that could not do its work; its message is the error's."""
    return Failed(message=str(error), data=error)


def record_outcomes(context: RunContext) -> None:
    """Record in the store the outcome of every row that came in, once all are judged.

    Call it before the page on data quality is drawn, which shows this run too.
    """
    store, intake, tallies = context.store, context.batches.intake, context.tallies
    outcomes = dict(zip(OUTCOMES, tallies.counts.sum(axis=0).tolist(), strict=True))
    for file, counts in zip(intake.files, tallies.counts.tolist(), strict=True):
        file.duplicates = counts[OUTCOMES.index("duplicates")]
        file.exclude(BELOW_MIN_READINGS, counts[OUTCOMES.index("excluded")])
    for (number, source), rows in tallies.shared_ids.items():
        intake.findings[number].shared_ids[source] = rows
    intake.contradictory += tallies.contradictory
    record_counts(store.connection, store.path, intake.files, store.file_numbers.tolist())
    outcomes["quarantined"] = sum(file.quarantined for file in intake.files)
    outcomes["excluded"] = sum(sum(file.excluded.values()) for file in intake.files)
    outcomes["failed"] = tallies.failed
    outcomes["accepted"] += tallies.net_accepted  # what retro made of this run's rows
    outcomes["rejected"] -= tallies.net_accepted
    tallies.outcomes = outcomes
    counts = {"rows_in": intake.rows_in, **outcomes, "users": tallies.users}
    change_run(store.connection, store.path, store.run, counts)


def finalize_ingest(
    context: RunContext, clock: RunClock, problems: list[str], json_report: str | None = None
) -> State[Summary]:
    """Publish the import report of an ingest, and finalize the run."""
    intake, sources = context.batches.intake, context.settings.sources
    problems += publish_import_report(context, json_report)
    summary = summarise(context, clock, problems)
    summary.rows_in, summary.counts = intake.rows_in, context.tallies.outcomes
    summary.users = context.tallies.users
    summary.sources = len(sources)
    summary.unusable_sources = sum(path in intake.refused for path in sources)
    return finalize_run(context, summary)


def summarise(context: RunContext, clock: RunClock, problems: list[str]) -> Summary:
    """Return the summary of a run that reads no rows."""
    settings, tallies = context.settings, context.tallies
    seconds = {stage.seconds: tallies.clocks[stage.name].seconds for stage in STAGES.values()}
    index = settings.dashboards / "index.html"
    return Summary(
        run_id=settings.run_id,
        seconds={"startup": clock.startup, **seconds, "total": clock.total},
        peak_rss_mb=peak_rss_mb() + tallies.processes_mb,
        store=context.store.path,
        dashboards_index=index if index.exists() else None,
        retro=tallies.retro_counts,
        problems=list(dict.fromkeys(problems)),
    )


def announce(context: RunContext) -> list[str]:
    """Publish new breaches and alerts as counts and links, which name nobody.

    Returns what went wrong.
    """
    settings, problems = context.settings, []
    if breaches := context.tallies.new_breaches:
        said = f"{counted(breaches, 'more limit')} of [quality] passed; see "
        said += page_address(settings, "quality.html")
        problems += publish_news(settings, BREACHED, said, limits=breaches)
    if alerted := context.tallies.alerted:
        said = f"{counted(alerted, 'person')} with a new alert; see "
        said += page_address(settings, "index.html", "#filter=alert")
        problems += publish_news(settings, ALERTED, said, persons=alerted)
    return problems


def page_address(settings: RunSettings, page: str, state: str = "") -> str:
    """Return where a page is: on your web server, if that is configured, else on disk."""
    base = settings.config.visualization.base_url
    return f"{base}/{page}{state}" if base else str(settings.dashboards / page)


def finalize_run(context: RunContext, summary: Summary) -> State[Summary]:
    """Record the run in the store and in Prefect; with problems it is Completed, named Degraded."""
    store, users = context.store, context.tallies.users
    summary.problems += announce(context)
    status = "degraded" if summary.problems else "completed"
    counts = {"rows_in": summary.rows_in, **summary.counts, "users": summary.users}
    news = {"alerts": context.tallies.alerted, "breaches": context.tallies.new_breaches}
    results = {"retro": summary.retro} if summary.retro else {}
    if any(news.values()):
        results["news"] = news
    end_run(store.connection, store.path, store.run, status, counts, summary.seconds, results)
    if context.tallies.quality:
        with suppress(OSError):  # the run is done and recorded, whatever its page still says
            tell_end(context.settings.dashboards, context.tallies.quality, store.run, status)
    publish_artifacts(context, summary)
    reads = bool(context.settings.sources)
    done = f"{summary.rows_in:,} rows" if reads else counted(users, "person")
    message = "; ".join(summary.problems) or done
    if summary.exit_status == 2:
        return Failed(message=message, data=summary)
    if summary.problems:
        return Completed(name="Degraded", message=message, data=summary)
    return Completed(message=message, data=summary)
