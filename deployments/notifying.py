"""Notifications: the blocks of [notify] urls, and the automations that use them."""

from collections.abc import Iterator

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.desired import notifying_automations
from deployments.resource import Resource, automation
from flows.notices import block_of, notify_urls
from flows.served import Served
from weightstream.config import Config


def notifying_resources(
    client: SyncPrefectClient, config: Config, served: Served
) -> Iterator[Resource]:
    """Yield a block for each address, then the automations, which need the blocks.

    If there is no address any more, the remaining blocks and automations are removed.
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
                lambda found=found: client.delete_automation(found.id),  # type: ignore[misc]
                "",
            )


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
