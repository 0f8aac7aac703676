"""Who is told, and through which of Prefect's notification blocks."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.exceptions import ObjectNotFound

from deployments.notifying import notifying_resources
from flows.notices import block_of
from flows.served import Served
from weightstream.config import Config
from weightstream.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://chat.example.org/hooks/1", "custom-webhook"),
        ("https://hooks.slack.com/services/T0/B0/x", "slack-webhook"),
        ("mailto://user:secret@example.org", "slack-webhook"),  # which hands on to Apprise
    ],
)
def test_each_address_has_a_block_that_keeps_it_secret(url, slug):
    block = block_of("weightstream-1", url)
    assert block.get_block_type_slug() == slug
    assert "user:secret" not in repr(block)
    assert "hooks/1" not in repr(block)


def test_a_webhook_is_sent_what_is_to_be_told():
    block = block_of("weightstream-1", "https://chat.example.org/hooks/1")
    request = block._build_request_args("a run is Failed", "weightstream")
    assert request["url"] == "https://chat.example.org/hooks/1"
    assert request["json"] == {"text": "weightstream\na run is Failed"}


@pytest.mark.parametrize(
    "url",
    [
        "$NOT_SET_ANYWHERE",
        "someone@example.org",
        "",
        "http://",
        "carrier-pigeon://loft",
        "https://hooks.slack.com/nothing",  # Apprise would take it for nobody, in silence
    ],
)
def test_what_is_no_address_is_refused_without_telling_it(url, caplog):
    with pytest.raises(ConfigError, match=r"notify\.urls") as refused:
        block_of("weightstream-1", url)
    assert not url or url not in str(refused.value)
    assert caplog.text == ""


class Client:
    """A server with these automations and no blocks but those that are saved."""

    def __init__(self, automations=()):
        self.automations, self.blocks = set(automations), {}

    def read_block_document_by_name(self, name, slug, include_secrets=False):
        if (name, slug) not in self.blocks:
            raise ObjectNotFound(Exception())
        return self.blocks[name, slug]

    def read_automations_by_name(self, name):
        return [SimpleNamespace(id=name)] if name in self.automations else []

    def delete_automation(self, number):
        self.automations.remove(number)

    def delete_block_document(self, number):
        self.blocks = {key: block for key, block in self.blocks.items() if block.id != number}


def test_blocks_come_first_and_automations_use_them(monkeypatch):
    monkeypatch.setenv("WEBHOOK", "https://chat.example.org/hooks/1")
    config = Config.model_validate({"notify": {"urls": ["$WEBHOOK"]}})
    client = Client()
    found = notifying_resources(client, config, Served())
    block = next(found)
    assert (block.name, block.differences) == ("notification block weightstream-1", None)
    made = SimpleNamespace(id=uuid4())
    client.blocks["weightstream-1", "custom-webhook"] = made
    created = []
    client.create_automation = created.append
    for resource in found:
        assert resource.differences is None
        resource.make()
    assert [a.actions[0].block_document_id for a in created] == [made.id] * 2
    assert all(automation.enabled for automation in created)


def test_a_check_before_a_setup_does_not_stumble_over_blocks_that_are_missing():
    config = Config.model_validate({"notify": {"urls": ["https://chat.example.org/hooks/1"]}})
    assert [one.differences for one in notifying_resources(Client(), config, Served())] == [None]


def test_who_is_named_no_more_is_told_no_more():
    from deployments.desired import notifying_automations

    names = [automation.name for automation in notifying_automations(Served(), [])]
    client = Client(names)
    for resource in notifying_resources(client, Config(), Served()):
        assert resource.differences
        resource.make()
    assert client.automations == set()
    assert list(notifying_resources(client, Config(), Served())) == []


def test_the_block_of_an_address_that_is_gone_is_removed_with_its_secret():
    kept, gone = "https://chat.example.org/hooks/1", "https://hooks.slack.com/services/T0/B0/x"
    client = Client()
    for name, slug, number in (
        ("weightstream-1", "custom-webhook", uuid4()),
        ("weightstream-1", "slack-webhook", 1),  # the first address was another one
        ("weightstream-2", "slack-webhook", 2),
        ("weightstream-clinic-1", "slack-webhook", 3),
    ):
        client.blocks[name, slug] = SimpleNamespace(id=number, data={"url": gone})

    def left(*urls):
        config = Config.model_validate({"notify": {"urls": list(urls)}})
        for resource in notifying_resources(client, config, Served()):
            if resource.differences and "any more" in resource.differences[0]:
                resource.make()
        return [name for name, _ in client.blocks]

    assert left(kept) == ["weightstream-1", "weightstream-clinic-1"]
    assert left() == ["weightstream-clinic-1"]
