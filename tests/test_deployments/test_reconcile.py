"""What `server setup` makes where something else is in its place."""

from itertools import islice
from types import SimpleNamespace

import pytest

from deployments.reconcile import resources
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
