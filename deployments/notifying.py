"""Notifications: the blocks of [notify] urls, and the automations that use them."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count

from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.desired import notifying_automations
from deployments.resource import Resource, automation
from flows.notices import block_of, notify_urls
from flows.served import Served
from weightstream.config import Config

TYPES = [block.get_block_type_slug() for block in (CustomWebhookNotificationBlock, SlackWebhook)]
"""Of the blocks that addresses have."""


def notifying_resources(
    client: SyncPrefectClient, config: Config, served: Served
) -> Iterator[Resource]:
    """Yield a block for each address, then the automations, which need the blocks.

    Blocks whose address is gone are removed last, automations if there is no address any more.
    """
    urls = notify_urls(config)
    names = [f"{served.pool}-{number}" for number in range(1, len(urls) + 1)]
    slugs = {}
    for name, url in zip(names, urls, strict=True):
        block = block_of(name, url)
        slugs[name] = block.get_block_type_slug()
        yield _block(client, name, block)
    blocks = []
    for name, slug in slugs.items():
        try:
            blocks.append(client.read_block_document_by_name(name, slug).id)
        except ObjectNotFound:  # `server check` before `server setup`
            return
    for desired in notifying_automations(served, blocks):
        if urls:
            yield automation(client, desired)
            continue
        for found in client.read_automations_by_name(desired.name):
            yield Resource(
                f"automation {desired.name!r}",
                ["it has recipients, but [notify] names none"],
                partial(client.delete_automation, found.id),
                "",
            )
    yield from _left_over(client, served, slugs)


def _left_over(
    client: SyncPrefectClient, served: Served, wanted: dict[str, str]
) -> Iterator[Resource]:
    """Yield the blocks of addresses that are named no more: they hold secrets.

    wanted: the type of each block by its name.
    """
    for number in count(1):
        name = f"{served.pool}-{number}"
        found = {}
        for slug in TYPES:
            with suppress(ObjectNotFound):
                found[slug] = client.read_block_document_by_name(name, slug).id
        if not found and name not in wanted:
            return
        for slug, block in found.items():
            if wanted.get(name) != slug:
                delete = partial(client.delete_block_document, block)
                differences = ["its address is not in [notify] any more"]
                yield Resource(f"notification block {name}", differences, delete, "")


def _block(client: SyncPrefectClient, name: str, desired: Block) -> Resource:
    slug, cost = desired.get_block_type_slug(), "nobody is told"

    def make() -> None:
        # said to be synchronous: it gives a coroutine where an event loop runs, as in a notebook
        desired.save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]

    try:
        found = client.read_block_document_by_name(name, slug, include_secrets=True)
    except ObjectNotFound:
        return Resource(f"notification block {name}", None, make, cost)
    wanted = desired.model_dump(mode="json", context={"include_secrets": True})
    same = all(found.data.get(key) == wanted[key] for key in ("url", "secrets") if key in wanted)
    differences = [] if same else ["its address is another"]
    return Resource(f"notification block {name}", differences, make, cost)
