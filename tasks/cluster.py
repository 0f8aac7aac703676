"""The Dask cluster that works for a run: one by address, or processes of this machine."""

import os
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, State

from weightstream.config import Execution
from weightstream.errors import BatchError, ConfigError
from weightstream.exchange import Exchange, begin_exchange

try:
    from distributed import Client, LocalCluster
    from prefect_dask import DaskTaskRunner
except ModuleNotFoundError:
    raise ConfigError(
        'execution.runner = "dask" needs Dask; install it: pip install "weightstream[dask]"'
    ) from None

CONNECT_SECONDS = 30
SILENT = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
"""For workers of ours, who would write to the command's stderr; Prefect's API has their logs."""


class Cluster:
    """where: a scheduler's address, or a cluster of this process."""

    def __init__(self, where: str | LocalCluster, exchange: Exchange) -> None:
        self._where = where
        self.exchange = exchange

    def runner(self) -> DaskTaskRunner:
        if isinstance(self._where, str):
            return DaskTaskRunner(address=self._where)
        return DaskTaskRunner(cluster=self._where)

    @contextmanager
    def same_api(self) -> Iterator[None]:
        """Tasks that are submitted here report to the flow's own Prefect API, embedded or not.

        Without it each worker would start a server of its own.
        """
        context = FlowRunContext.get()
        url: Any = context.client.api_url if context else None
        with temporary_settings({PREFECT_API_URL: str(url)} if url else {}):
            yield

    def final(self, future: PrefectFuture[Any], what: str) -> State:
        """The final state of a task that is over. Raises BatchError if the cluster lost it."""
        try:
            state: State = future.wrapped_future.result()  # type: ignore[attr-defined]
        except (Exception, CancelledError) as error:
            lost = BatchError(
                f"{what} was lost by the cluster ({type(error).__name__}); see its workers' logs"
            )
            crashed: State = Crashed(message=str(lost))
            with suppress(PrefectHTTPStatusError):  # it may not have begun: nothing to end then
                get_client(sync_client=True).set_task_run_state(
                    future.task_run_id, crashed, force=True
                )
            raise lost from None
        return state


@contextmanager
def opened_cluster(execution: Execution, data_dir: Path) -> Iterator[Cluster]:
    """For as long as a run lasts. Raises ConfigError if there is no cluster at the address."""
    exchange = begin_exchange(execution.exchange_url, data_dir)
    try:
        if execution.dask_address:
            answering(execution.dask_address)
            yield Cluster(execution.dask_address, exchange)
            return
        with LocalCluster(
            n_workers=os.cpu_count() or 1,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            security=True,  # else every user of this machine could run code as this one
            silence_logs="CRITICAL",
            env=SILENT,
        ) as cluster:
            yield Cluster(cluster, exchange)
    finally:
        exchange.clear()


def answering(address: str) -> None:
    try:
        Client(address, timeout=CONNECT_SECONDS, set_as_default=False).close()
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"execution.dask_address: {address} does not answer ({reason})") from None
