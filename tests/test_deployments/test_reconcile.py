"""What `server setup` makes where something else is in its place."""

from itertools import islice
from types import SimpleNamespace

import pytest
from prefect.exceptions import ObjectNotFound

from deployments.reconcile import others_deployments, resources
from flows.served import Served
from weightstream.config import Config

PATHS = {"data_dir": "/data", "config": None}


class Client:
    """A server with one variable, or none. done: what it was asked to do."""

    def __init__(self, value):
        self.variable, self.done = value and SimpleNamespace(value=value), []

    def read_variable_by_name(self, name):
        return self.variable

    def create_variable(self, variable):
        self.done.append(("create", variable.value))

    def update_variable(self, variable):
        self.done.append(("update", variable.value))


@pytest.mark.parametrize(
    ("there", "done"),
    [(None, "create"), ("not ours", "update"), ({"data_dir": "/old"}, "update")],
    ids=["missing", "no paths", "other paths"],
)
def test_the_variable_is_made_whatever_is_there(there, done):
    client = Client(there)
    _, variable = islice(resources(client, Config(), PATHS, Served()), 2)
    assert variable.differences != []
    variable.make()
    assert client.done == [(done, PATHS)]


def test_a_deployment_of_another_project_is_not_taken_for_ours():
    found = {
        "ingest/inbox": SimpleNamespace(work_pool_name=None, tags=["theirs"]),
        "ingest/manual": SimpleNamespace(work_pool_name="weightstream", tags=[]),
        "dashboards/refresh": SimpleNamespace(work_pool_name="ours too", tags=["weightstream"]),
    }

    class Server:
        def read_deployment_by_name(self, name):
            if name not in found:
                raise ObjectNotFound(Exception(name))
            return found[name]

    assert others_deployments(Server(), Config(), Served()) == ["ingest/inbox"]
    assert others_deployments(Server(), Config(), Served("clinic")) == []
