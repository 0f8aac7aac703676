"""Keep persons out of the errors of tasks: Prefect logs and stores exception texts."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import State

from weightstream.errors import (
    BatchError,
    PrefectError,
    StoreLocked,
    WeightstreamError,
)

OUTAGES = (httpx.TransportError, PrefectHTTPStatusError, ConcurrencySlotAcquisitionError)
"""What Prefect's client raises when the server does not answer, or not as it should."""


def outage_message(error: BaseException) -> str:
    """Return what an outage of the server means for the run, in one sentence."""
    return (
        f"the Prefect server went away during the run ({type(error).__name__}); stored "
        "data remain, run it again when the server answers"
    )


@contextmanager
def redacted_errors(stage: str, batch: int | None = None) -> Iterator[None]:
    """Let our own errors pass; keep of any other its type and place, not its text."""
    try:
        yield
    except WeightstreamError:
        raise
    except OUTAGES as error:
        raise PrefectError(outage_message(error)) from None
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        name = type(error).__name__
        if isinstance(error, OSError) and error.errno:
            name += f" ({os.strerror(error.errno)})"
        where = stage if batch is None else f"{stage}: batch {batch}"
        raise BatchError(f"{where} failed with {name} at {place}") from None


def is_transient(_task: object, _run: object, state: State) -> bool:
    """Return whether a task failed for a reason that a retry may cure: a locked store."""
    return isinstance(state.data, StoreLocked)
