"""What a server should hold, as data: prefect.yaml, and limits as wide as the pools."""

import inspect

import pytest

from deployments import desired
from weightstream.config import Config


def by_name(**threading):
    config = Config.model_validate({"threading": threading})
    return {limit.name: limit for limit in desired.limits(config)}


def test_limits_are_the_widths_of_the_pools(monkeypatch):
    monkeypatch.setattr("tasks.runtime.pool_sizes.free_memory_mb", lambda: 1_000_000.0)
    limits = by_name(user_pool_size=5, viz_pool_size=7, retro_pool_size=3)
    slots = {name: limit.slots for name, limit in limits.items()}
    assert slots == {
        "tag:ingest": 1,
        "tag:kalman": 5,
        "tag:db-write": 1,
        "tag:retro": 3,
        "tag:viz": 7,
        "viz-memory": 700,
    }
    assert all(limit.accepted.start == limit.slots for limit in limits.values())


def test_an_automatic_pool_has_a_limit_too(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert by_name(user_pool_size=0)["tag:kalman"].slots == 6


def test_where_memory_bounds_drawing_the_limit_may_be_narrower(monkeypatch):
    monkeypatch.setattr("tasks.runtime.pool_sizes.free_memory_mb", lambda: 1_000.0)
    drawing = by_name(memory={"viz_memory_limit_mb": 100})["tag:viz"]
    assert drawing.slots == 5
    assert set(range(1, 17)) == set(drawing.accepted)
    memory = by_name(memory={"viz_memory_limit_mb": 100})["viz-memory"]
    assert memory.slots == 500
    assert 1_600 in memory.accepted
    assert 0 not in memory.accepted


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployed")
    return {d.name: d for d in desired.deployments(folder / "some.toml", folder / "data")}


def test_the_deployments_of_the_contract_are_there(deployed):
    names = {"ingest/inbox", "ingest/manual", "retro/deferred", "dashboards/refresh"}
    assert names <= set(deployed)
    queues = {name: d.fields["work_queue_name"] for name, d in deployed.items()}
    assert queues.pop("retro/deferred") == "retro"
    assert set(queues.values()) == {"default"}
    retro = deployed["retro/deferred"].fields
    assert retro["concurrency_limit"] == 1
    priorities = {queue.name: queue.priority for queue in desired.QUEUES}
    assert priorities["retro"] > priorities["default"]  # the lowest is served first


def test_their_parameters_are_those_of_their_flows_and_described(deployed):
    for name, deployment in deployed.items():
        accepted = inspect.signature(deployment.flow.fn).parameters
        assert set(deployment.fields["parameters"]) == {"config", "data_dir"} <= set(accepted), name
        form = deployment.fields["parameter_openapi_schema"]["properties"]
        assert all(form[parameter].get("description") for parameter in form), name
        assert deployment.fields["description"], name


def test_a_person_cannot_be_named_in_a_parameter(deployed):
    for name, deployment in deployed.items():
        form = deployment.fields["parameter_openapi_schema"]
        assert "user" not in form["properties"], name
        assert form["additionalProperties"] is False, name


def test_a_run_that_degrades_is_not_taken_for_dead():
    (automation,) = desired.automations()
    assert {
        "prefect.flow-run.heartbeat",
        "prefect.flow-run.Completed",
        "prefect.flow-run.Degraded",
        "prefect.flow-run.Failed",
    } <= automation.trigger.expect
