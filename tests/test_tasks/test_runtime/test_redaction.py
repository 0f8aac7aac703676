import httpx
import pytest
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.states import Failed

from flows.finalize import error_message
from tasks.runtime.redaction import redacted_errors
from weightstream.errors import BatchError, InputError, PrefectError


def test_our_own_errors_pass():
    with pytest.raises(InputError, match="as it was"), redacted_errors("read"):
        raise InputError("as it was")


def test_of_others_only_type_and_place_are_kept():
    with pytest.raises(BatchError) as caught, redacted_errors("filter", 3):
        {}["someone"]
    assert "someone" not in str(caught.value)
    assert str(caught.value).startswith(
        "filter: batch 3 failed with KeyError at test_redaction.py:"
    )
    assert caught.value.__suppress_context__


def test_a_server_that_stopped_answering_is_named():
    with pytest.raises(PrefectError, match="server went away"), redacted_errors("draw", 1):
        raise httpx.ConnectError("All connection attempts failed")


@pytest.mark.parametrize(
    "error", [ConcurrencySlotAcquisitionError("tag:viz"), httpx.ReadTimeout("")]
)
def test_an_outage_is_no_error_of_ours_wherever_it_is_told(error):
    """A task that cannot ask for its slot fails before our code: only its state says why."""
    with pytest.raises(PrefectError, match="server went away"), redacted_errors("ingest"):
        raise error
    said = error_message(Failed(message="Task run encountered an exception", data=error))
    assert "server went away" in said
    assert error_message(Failed(message="as it was", data=ValueError("81 kg"))) == "as it was"


def test_what_the_system_says_is_kept_without_its_file():
    with pytest.raises(BatchError, match=r"OSError \(No space left on device\)") as caught:  # noqa: SIM117
        with redacted_errors("draw", 1):
            raise OSError(28, "No space left on device", "/pages/someone.html")
    assert "someone" not in str(caught.value)
