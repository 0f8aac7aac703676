"""A resource that a server should have: its differences, and how to change it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore


@dataclass(frozen=True)
class Resource:
    """A resource that a server should have.

    differences: from the desired state; empty if there are none, None if it is missing. make:
    creates or changes it. cost: what happens without it.
    """

    name: str
    differences: list[str] | None
    make: Callable[[], Any]
    cost: str


def differing(found: dict[str, Any], desired: dict[str, Any]) -> list[str]:
    """Return `name is this, not that` for each value that differs."""
    return [
        f"{name} is {shown(found[name])}, not {shown(value)}"
        for name, value in desired.items()
        if found[name] != value
    ]


def shown(value: Any) -> str:
    text = "not set" if value in (None, "", [], {}) else str(value)
    return text if len(text) < 80 else f"{text[:76]} ..."


def automation(client: SyncPrefectClient, desired: AutomationCore) -> Resource:
    """Compare an automation. What is not set in `desired`, the client would not send."""
    name, cost = f"automation {desired.name!r}", desired.description
    found = client.read_automations_by_name(desired.name)
    if not found:
        return Resource(name, None, lambda: client.create_automation(desired), cost)
    differences = [] if found[0].enabled else ["it is switched off"]
    if not _same(found[0], desired):
        differences.append("its trigger or action is another")
    return Resource(name, differences, lambda: client.update_automation(found[0].id, desired), cost)


def _same(found: AutomationCore, desired: AutomationCore) -> bool:
    pairs = (
        [(found.trigger, desired.trigger), *zip(found.actions, desired.actions, strict=True)]
        if len(found.actions) == len(desired.actions)
        else []
    )
    return bool(pairs) and all(
        one.model_dump(exclude={"id"}) == other.model_dump(exclude={"id"}) for one, other in pairs
    )
