"""Notifications: the blocks of [notify] urls, and the automations that use them."""

import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

from apprise import Apprise
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.desired import notify_urls, notifying_automations
from deployments.resource import Resource, automation
from flows.served import Served
from weightstream.config import Config
from weightstream.errors import ConfigError

SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


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


def block_of(name: str, url: str) -> Block:
    """Return Prefect's notification block for an address.

    Webhooks are sent {"text": ...}, as most chat services take it; every other scheme is one of
    Apprise, which Prefect's block for Slack hands on. Raises ConfigError for no address.
    """
    parts = urlsplit(url)
    is_webhook = parts.scheme in ("https", "http") and parts.hostname not in (None, *SLACK_HOSTS)
    if "$" in url or not (is_webhook or is_apprise(url)):
        raise ConfigError(
            "notify.urls contains something that is not an address, or a $NAME that is not in the "
            "environment; write https://..., mailto://... or another address of Apprise"
        )
    if is_webhook:
        return CustomWebhookNotificationBlock(
            name=name,
            url="{{url}}",
            json_data={"text": "{{subject}}\n{{body}}"},
            secrets={"url": url},
        )
    return SlackWebhook(url=url)


def is_apprise(url: str) -> bool:
    """Return whether Apprise knows an address, which it must not log: it may hold a password."""
    log = logging.getLogger("apprise")
    log.disabled = True
    try:
        return Apprise.instantiate(url) is not None
    finally:
        log.disabled = False


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
