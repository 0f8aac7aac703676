"""Notices to the addresses of [notify]: by a server's automations, or by the run if it has none."""

import logging
import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from prefect.blocks.notifications import (
    CustomWebhookNotificationBlock,
    NotificationBlock,
    SlackWebhook,
)

from weightstream.config import Config
from weightstream.errors import ConfigError

SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


def notify_urls(config: Config) -> list[str]:
    """Return the addresses of [notify], with what the environment holds for $NAME."""
    return [os.path.expandvars(url) for url in config.notify.urls]


def block_of(name: str, url: str) -> NotificationBlock:
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
    from apprise import Apprise  # slow to import, and few have notices

    log = logging.getLogger("apprise")
    log.disabled = True
    try:
        return Apprise.instantiate(url) is not None
    finally:
        log.disabled = False


def deliver(urls: Sequence[str], subject: str, body: str) -> list[str]:
    """Send a notice to each address, once; return in one sentence each which were not reached.

    The sentences name an address by its number in notify.urls, since it may hold a password.
    """
    problems = []
    for number, url in enumerate(urls, 1):
        try:
            block = block_of("weightstream", url)
            with block.raise_on_failure():
                block.notify(body, subject, _sync=True)  # type: ignore[call-arg, unused-coroutine]
        except ConfigError as error:
            problems.append(str(error))
        except Exception as error:
            problems.append(
                f"address {number} of notify.urls was not reached ({type(error).__name__}); it "
                "gets no other notice of these findings"
            )
    return problems
